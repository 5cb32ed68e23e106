"""The greenhouse, for other computers: python server.py ADDRESS-OF-THIS-COMPUTER."""

from __future__ import annotations

import sys

from pyro_server import expose, serve


@expose
class Greenhouse:
    """Three beds, and a window in the roof."""

    def __init__(self) -> None:
        self._beds = {1: (24.5, 61), 2: (23.1, 66), 3: (25.0, 58)}
        self._window = 0

    def beds(self) -> list[int]:
        """Return the numbers of the beds."""
        return list(self._beds)

    def climate(self, bed: int) -> tuple[float, int]:
        """Return temperature and relative humidity of a bed."""
        return self._beds[bed]

    def open_window(self, percent: int) -> int:
        """Open the window, and return how far it is open."""
        self._window = min(max(percent, 0), 100)
        return self._window


# The name goes to the name server, which is found by broadcast or PYRO_NS_HOST.
serve({Greenhouse(): "lab.greenhouse"}, host=sys.argv[1])
