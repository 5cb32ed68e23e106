"""What `pyro-serve` publishes in the scenario."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from pyro_suite import behavior, expose, oneway

if TYPE_CHECKING:
    from collections.abc import Iterator


@expose
class Pump:
    """Handed out by the thermostat."""

    def pressure(self) -> float:
        return 1.5


@expose
@behavior(instance_mode="single")
class Thermostat:
    """Everything a remote object can do, in a few lines."""

    _pyroDaemon: Any

    def __init__(self) -> None:
        self._degrees = 21.0
        self._flushed = threading.Event()

    @property
    def degrees(self) -> float:
        return self._degrees

    @degrees.setter
    def degrees(self, value: float) -> None:
        self._degrees = value

    def heat(self, room: str, degrees: float = 21.0) -> str:
        return f"Heating the {room} to {degrees} degrees"

    def burst(self) -> None:
        raise ValueError("a pipe has burst", 7)

    def history(self, hours: int) -> Iterator[float]:
        for hour in range(hours):
            yield self._degrees - hour

    async def forecast(self, hours: int) -> list[float]:
        return [self._degrees] * hours

    @oneway
    def flush(self) -> None:
        self._flushed.set()

    def was_flushed(self) -> bool:
        return self._flushed.wait(20)

    def pump(self) -> Pump:
        pump = Pump()
        self._pyroDaemon.register(pump)
        return pump

    def echo(self, value: Any) -> Any:
        return value
