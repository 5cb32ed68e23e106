"""Move the arm, with types: python client.py PYRO:arm@..."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol

from pyro_client import connect, connected

if TYPE_CHECKING:
    from collections.abc import Iterator


class RobotArm(Protocol):
    """What this program needs of an arm."""

    speed: float

    @property
    def position(self) -> tuple[float, float]:
        """Where it is, in millimetres."""

    def move_to(self, x: float, y: float) -> tuple[float, float]:
        """Move, and return where it is then."""

    def way_home(self, steps: int = 2) -> Iterator[tuple[float, float]]:
        """Give the points on the way back to the origin."""


class Gripper(Protocol):
    """Something that an arm is not."""

    def squeeze(self, newtons: float) -> bool:
        """Squeeze, and return whether something was there."""


uri = sys.argv[1]
with connected(RobotArm, uri) as arm:
    arm.speed = 7.5
    print("At", *arm.position, end=f", {arm.speed} mm per second\n")
    print("At", *arm.move_to(120.0, 45.0), end=f", {arm.speed} mm per second\n")
    print("Path:", *arm.way_home())

try:
    connect(Gripper, uri)
except TypeError as error:
    print("TypeError:", error)
