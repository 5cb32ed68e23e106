"""Ask all sensors at the same time: python client.py PYRO:sensors@..."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Protocol

from pyro_client import connected_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Sensors(Protocol):
    """What this program needs of the sensors."""

    async def measure(self, room: str) -> float:
        """Return the temperature of a room."""

    def doorbell(self) -> AsyncIterator[int]:
        """Tell each time that somebody rings."""

    async def statistics(self) -> dict[str, int]:
        """Return how many were asked at the same time, and how often in vain."""


async def main(uri: str) -> None:
    """Measure, give up, and listen to the door for a while."""
    async with connected_async(Sensors, uri) as sensors:
        rooms = ("attic", "cellar", "kitchen")
        answers = await asyncio.gather(*(sensors.measure(room) for room in rooms))
        for room, degrees in zip(rooms, answers, strict=True):
            print(f"{room}: {degrees} degrees")
        print("Asked at the same time:", (await sensors.statistics())["most"])

        try:
            async with asyncio.timeout(1.0):
                await sensors.measure("garden")
        except TimeoutError:
            print("The garden took too long")

        async for number in sensors.doorbell():
            print("Doorbell", number)
            if number == 3:
                break
        print("Given up on the server, too:", (await sensors.statistics())["given up"])


asyncio.run(main(sys.argv[1]))
