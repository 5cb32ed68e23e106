"""A thermostat that other programs can use."""

from pyro_server import expose, serve


@expose
class Thermostat:
    def heat(self, room: str, degrees: float = 21.0) -> str:
        if degrees > 30:
            raise ValueError(f"{degrees} degrees is too hot for the {room}")
        return f"Heating the {room} to {degrees} degrees"


serve({Thermostat(): "thermostat"}, use_ns=False)
