"""Ask the station: python -m custom_classes.client PYRO:station@..."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from custom_classes.records import Speed
from pyro_client import Proxy, errors


@dataclass
class Rumour:
    """A class that the station has never heard of."""

    text: str


with Proxy(sys.argv[1]) as station:
    reading = station.reading()
    print(reading)
    print("Highest:", reading.highest())
    print("North of the equator:", reading.place.latitude > 0)
    print("Corrected to", station.corrected(reading, offset=-0.5).degrees)

    wind = Speed.from_kilometres(7.2)
    print(f"Wind 7.2 km/h is {station.in_metres(wind)} m/s here")

    try:
        station.corrected(Rumour("it was hot"), offset=1.0)
    except errors.SerializeError as error:
        print("SerializeError:", error)
