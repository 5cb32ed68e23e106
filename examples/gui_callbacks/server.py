"""A furnace that tells its temperature: python -m gui_callbacks.server."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pyro_server import Daemon, errors, expose

if TYPE_CHECKING:
    from collections.abc import Callable

TICK_SECONDS = 0.02
SHARE_PER_TICK = 0.05


class Furnace:
    """It comes nearer to its target with each tick."""

    def __init__(self) -> None:
        self._degrees = 20.0
        self._target = 800.0
        self._watchers: list[Callable[[float], None]] = []

    @expose
    def watch(self, reading: Callable[[float], None]) -> None:
        """Call a function with each new temperature, until its client is gone."""
        self._watchers.append(reading)

    @expose
    def heat_to(self, degrees: float) -> str:
        """Set the target."""
        self._target = degrees
        return f"heating to {degrees:.0f} degrees"

    def burn(self, end: threading.Event) -> None:
        """Tick until the end."""
        while not end.wait(TICK_SECONDS):
            self._degrees += (self._target - self._degrees) * SHARE_PER_TICK
            for watcher in self._watchers.copy():
                try:
                    watcher(round(self._degrees, 1))
                except errors.CommunicationError:
                    self._watchers.remove(watcher)


def main() -> None:
    """Serve until Ctrl-C."""
    furnace = Furnace()
    end = threading.Event()
    thread = threading.Thread(target=furnace.burn, args=(end,), name="furnace")
    thread.start()
    try:
        with Daemon() as daemon:
            print("furnace:", daemon.register(furnace, "furnace"))
            daemon.requestLoop()
    finally:
        end.set()
        thread.join()


if __name__ == "__main__":
    main()
