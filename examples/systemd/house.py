"""What the service serves: pyro-serve house:Thermostat."""

from __future__ import annotations

from pyro_server import expose


@expose
class Thermostat:
    """Heats the rooms of a house."""

    def heat(self, room: str, degrees: float = 21.0) -> str:
        """Heat a room."""
        return f"heating the {room} to {degrees} degrees"
