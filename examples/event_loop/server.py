"""Sensors of a house, served by one event loop: python server.py."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from pyro_protocol import Configuration
from pyro_server import Daemon, expose

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DEGREES = {"attic": 24.0, "cellar": 12.5, "kitchen": 21.5}


@expose
class Sensors:
    """Sensors that answer by radio, which takes a moment."""

    def __init__(self) -> None:
        self._asked_now = 0
        self._most_asked = 0
        self._given_up = 0
        self._all_asked = asyncio.Event()

    async def measure(self, room: str) -> float:
        """Ask a sensor, and wait for its answer."""
        self._asked_now += 1
        self._most_asked = max(self._most_asked, self._asked_now)
        if self._asked_now == len(DEGREES):
            self._all_asked.set()
        try:
            # The radio answers when all were asked; who is out of reach never does.
            await self._all_asked.wait()
            if room not in DEGREES:
                await asyncio.Event().wait()
            return DEGREES[room]
        except asyncio.CancelledError:
            self._given_up += 1
            raise
        finally:
            self._asked_now -= 1

    async def doorbell(self) -> AsyncIterator[int]:
        """Tell each time that somebody rings."""
        number = 0
        while True:
            await asyncio.sleep(0.05)
            number += 1
            yield number

    async def statistics(self) -> dict[str, int]:
        """Return how many were asked at the same time, and how often in vain."""
        return {"most": self._most_asked, "given up": self._given_up}


async def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    async with Daemon(config=Configuration(SERVERTYPE="asyncio")) as daemon:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, daemon.shutdown, 5.0)
        print("sensors:", daemon.register(Sensors(), "sensors"))
        await daemon.serve_forever()


asyncio.run(main())
