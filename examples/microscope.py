"""A simulated microscope with a stage, a camera and an emergency stop.

Moving and exposing are waiting, most of the time, so they are ``async def``, and hold
no thread. There is one stage, so calls take their turn, whoever makes them; only those
marked ``"unlimited"`` get through at once. Operators may do everything, others look.

``microscope_server.py`` publishes it, ``microscope_client.py`` uses it.
"""

from __future__ import annotations

import asyncio
import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pyro_protocol import concurrency, expose, register_class, requires

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Frame", "Microscope", "Position", "StageStoppedError"]

MILLIMETRES_PER_SECOND = 10.0
LARGEST_COORDINATE = 50.0
STEP_SECONDS = 0.02
FRAME_WIDTH = FRAME_HEIGHT = 64


# Both sides import this module, so these classes arrive as what they are.
@register_class
class StageStoppedError(Exception):
    """Somebody has pressed the emergency stop."""


@register_class
class Position(NamedTuple):
    """Where the stage is, in millimetres."""

    x: float
    y: float


@register_class
@dataclass(frozen=True)
class Frame:
    """A picture: one byte for each pixel, row by row."""

    number: int
    position: Position
    exposure: float
    pixels: bytes


@expose
@concurrency("serial")
class Microscope:
    """The microscope, for all who are connected."""

    def __init__(self) -> None:
        self._position = Position(0.0, 0.0)
        self._stopped = asyncio.Event()
        self._frames = 0

    @property
    @concurrency("unlimited")
    def position(self) -> Position:
        """Where the stage is just now, in millimetres; also while it moves."""
        return self._position

    @requires("operator")
    async def move_to(self, x: float, y: float) -> Position:
        """Move the stage and return where it is then.

        Args:
            x: in millimetres, up to 50 either way.
            y: likewise.

        Raises:
            ValueError: That is beyond the end of the stage.
            StageStoppedError: The emergency stop was pressed on the way.
        """
        if max(abs(x), abs(y)) > LARGEST_COORDINATE:
            raise ValueError(f"({x}, {y}) is beyond {LARGEST_COORDINATE} mm")
        self._stopped.clear()
        start = self._position
        seconds = math.dist(start, (x, y)) / MILLIMETRES_PER_SECOND
        steps = math.ceil(seconds / STEP_SECONDS)
        for step in range(1, steps + 1):
            await self._pause(STEP_SECONDS)
            share = step / steps
            self._position = Position(
                start.x + (x - start.x) * share, start.y + (y - start.y) * share
            )
        return self._position

    @requires("operator")
    async def acquire(self, exposure: float = 0.1) -> Frame:
        """Take a picture.

        Args:
            exposure: How long the shutter is open, in seconds.

        Raises:
            StageStoppedError: The emergency stop was pressed meanwhile.
        """
        self._stopped.clear()
        await self._pause(exposure)
        self._frames += 1
        pixels = random.Random(self._frames).randbytes(FRAME_WIDTH * FRAME_HEIGHT)  # noqa: S311 - noise
        return Frame(self._frames, self._position, exposure, pixels)

    async def temperatures(
        self, count: int, interval: float = 0.05
    ) -> AsyncIterator[float]:
        """Measure the temperature of the stage, in degrees Celsius.

        Args:
            count: How often.
            interval: Seconds between two measurements.
        """
        for number in range(count):
            await asyncio.sleep(interval)
            yield round(21.0 + math.sin(number), 2)

    @requires("operator")
    @concurrency("unlimited")
    async def stop(self) -> Position:
        """Stop at once what is under way, whoever has begun it."""
        self._stopped.set()
        return self._position

    async def _pause(self, seconds: float) -> None:
        """Wait, unless the emergency stop is pressed."""
        try:
            await asyncio.wait_for(self._stopped.wait(), seconds)
        except TimeoutError:
            return
        raise StageStoppedError(f"stopped at {self._position}")
