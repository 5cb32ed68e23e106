"""A weather station: python -m custom_classes.server."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from custom_classes.records import Place, Reading, Sky, Speed
from pyro_server import expose, serve

SEATTLE = Place(47.61, -122.33)


@expose
class Station:
    """Readings of one summer day in Seattle."""

    def reading(self) -> Reading:
        """Return what was measured."""
        return Reading(SEATTLE, date(2014, 8, 11), Sky.CLEAR, [24.1, 35.6, 27.9])

    def corrected(self, reading: Reading, offset: float) -> Reading:
        """Return a reading with an offset added to its temperatures."""
        degrees = [round(value + offset, 1) for value in reading.degrees]
        return replace(reading, degrees=degrees)

    def in_metres(self, wind: Speed) -> float:
        """Return a speed in metres per second."""
        return wind.metres


if __name__ == "__main__":
    serve({Station(): "station"}, use_ns=False)
