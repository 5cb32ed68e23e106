"""Send some readings: python -m blob_dispatcher.sensor."""

from __future__ import annotations

from blob_dispatcher.readings import Reading
from pyro_client import Proxy, SerializedBlob

READINGS = {
    "temperature": Reading("roof", 31.5, "°C"),
    "humidity": Reading("cellar", 72.0, "%"),
    "pressure": Reading("roof", 1013.2, "hPa"),
}

if __name__ == "__main__":
    with Proxy("PYRONAME:dispatcher") as dispatcher:
        for topic, reading in READINGS.items():
            names = dispatcher.dispatch(SerializedBlob(topic, reading))
            print(f"{topic}: delivered to", ", ".join(names) or "nobody")
