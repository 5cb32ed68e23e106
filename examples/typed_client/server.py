"""A robot arm that says what it offers: python server.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyro_server import expose, serve

if TYPE_CHECKING:
    from collections.abc import Iterator


@expose
class Arm:
    """A robot arm on a table, with coordinates in millimetres."""

    def __init__(self) -> None:
        self._position = (0.0, 0.0)
        self._speed = 5.0

    @property
    def position(self) -> tuple[float, float]:
        """Where it is."""
        return self._position

    @property
    def speed(self) -> float:
        """How fast it moves, in millimetres per second."""
        return self._speed

    @speed.setter
    def speed(self, value: float) -> None:
        self._speed = value

    def move_to(self, x: float, y: float) -> tuple[float, float]:
        """Move, and return where it is then."""
        self._position = (x, y)
        return self._position

    def way_home(self, steps: int = 2) -> Iterator[tuple[float, float]]:
        """Give the points on the way back to the origin."""
        x, y = self._position
        for step in range(steps, -1, -1):
            yield x * step / steps, y * step / steps


serve({Arm(): "arm"}, use_ns=False)
