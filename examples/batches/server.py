"""A house with forty lamps: python server.py."""

from __future__ import annotations

from pyro_server import expose, serve


@expose
class House:
    """Lamps from 1 to 40, each with a brightness in percent."""

    def __init__(self) -> None:
        self._lamps = dict.fromkeys(range(1, 41), 0)

    def lamps(self) -> list[int]:
        """Return the numbers of the lamps."""
        return list(self._lamps)

    def shining(self) -> int:
        """Return how many lamps are on."""
        return sum(brightness > 0 for brightness in self._lamps.values())

    def brightness(self, lamp: int) -> int:
        """Return the brightness of a lamp."""
        return self._lamps[lamp]

    def dim(self, lamp: int, percent: int) -> int:
        """Set the brightness of a lamp, and return it."""
        if lamp not in self._lamps:
            raise ValueError(f"there is no lamp {lamp}")
        self._lamps[lamp] = percent
        return percent


serve({House(): "house"}, use_ns=False)
