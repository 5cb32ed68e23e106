"""The heating of a house: python server.py."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pyro_server import expose, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS_BETWEEN = 0.2


@expose
class Heating:
    """Two rooms that come near to a target."""

    def __init__(self) -> None:
        self._target = 20.0
        self._degrees = {"hall": 17.0, "kitchen": 18.5}

    @property
    def target(self) -> float:
        """The temperature to reach."""
        return self._target

    @target.setter
    def target(self, degrees: float) -> None:
        self._target = min(max(degrees, 5.0), 28.0)

    def rooms(self) -> list[str]:
        """Return the rooms."""
        return list(self._degrees)

    def boost(self, room: str) -> float:
        """Heat a room to the target at once, and return its temperature."""
        if room not in self._degrees:
            raise ValueError(f"there is no {room}")
        self._degrees[room] = self._target
        return self._target

    def temperatures(self, count: int | None = None) -> Iterator[dict[str, float]]:
        """Tell the temperatures, again and again or a number of times."""
        told = 0
        while told != count:
            for room, degrees in self._degrees.items():
                self._degrees[room] = degrees + (self._target - degrees) * 0.1
            yield {room: round(value, 2) for room, value in self._degrees.items()}
            told += 1
            time.sleep(SECONDS_BETWEEN)


serve({Heating(): "house.heating"})
