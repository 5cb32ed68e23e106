"""Look after the greenhouse from any computer of the network: python client.py."""

from __future__ import annotations

from pyro_client import Proxy

with Proxy("PYRONAME:lab.greenhouse") as greenhouse:
    for bed in greenhouse.beds():
        degrees, humidity = greenhouse.climate(bed)
        print(f"Bed {bed}: {degrees} degrees, {humidity} % humidity")
    print("Window open at", greenhouse.open_window(30), "%")
