"""A telescope in bad weather: python server.py."""

from __future__ import annotations

import asyncio
import os

from pyro_server import expose, register_class, serve


class DomeClosedError(Exception):
    """The dome is closed, as the wind is too strong."""

    def __init__(self, wind: float) -> None:
        super().__init__(wind)
        self.wind = wind

    def __str__(self) -> str:
        return f"the dome is closed (wind {self.wind} m/s)"


class MotorError(Exception):
    """A motor has a problem; clients do not know this class."""


# Names on the wire: clients register a class of theirs under the first.
register_class(DomeClosedError, "observatory.DomeClosedError")
register_class(MotorError, "observatory.MotorError")


@expose
class Telescope:
    """It can point, and that is nearly all, today."""

    def __init__(self) -> None:
        self._altitude = 45.0
        self._wind = 17.5

    def point(self, altitude: float) -> None:
        """Point to an altitude, in degrees."""
        if altitude > 90:
            raise ValueError(f"{altitude} is above the zenith")
        self._altitude = altitude

    def altitude(self) -> float:
        """Return where it points to."""
        return self._altitude

    def expose(self) -> bytes:
        """Take a picture, if the dome is open."""
        raise DomeClosedError(self._wind)

    def turn(self) -> None:
        """Turn around the second axis."""
        raise MotorError("axis 2 is stuck")

    async def search(self) -> str:
        """Search for a comet; stopped when the caller has no more patience."""
        await asyncio.sleep(3600.0)
        return "nothing found"

    def break_down(self) -> None:
        """Have the whole program die, as in a power cut."""
        os._exit(1)


serve({Telescope(): "telescope"}, use_ns=False)
