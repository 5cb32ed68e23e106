"""Objects that ``pyro-serve`` publishes; nothing here knows of a daemon."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from pyro_server import expose, oneway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@expose
class Tool:
    """Something to be lent."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def use(self, times: int = 1) -> str:
        return f"{self._name} used {times} times"


@expose
class Workshop:
    """One method for each thing a call can do."""

    def __init__(self) -> None:
        self._temperature = 20.5
        self._notes: list[str] = []
        self._noted = threading.Condition()

    @property
    def temperature(self) -> float:
        return self._temperature

    @temperature.setter
    def temperature(self, value: float) -> None:
        self._temperature = value

    def cut(self, length: int, *, parts: int = 1) -> list[float]:
        return [length / parts] * parts

    def echo(self, value: Any) -> Any:
        return value

    def measure(self, times: int) -> Iterator[float]:
        for number in range(times):
            yield number * 0.5

    def break_down(self) -> None:
        raise ValueError("the saw is blunt", 7)

    @oneway
    def note(self, text: str) -> None:
        with self._noted:
            self._notes.append(text)
            self._noted.notify_all()

    def notes(self, expected: str) -> list[str]:
        """Return the notes, once this one is among them."""
        with self._noted:
            self._noted.wait_for(lambda: expected in self._notes, timeout=60)
            return list(self._notes)

    def lend(self) -> Tool:
        tool = Tool("saw")
        daemon: Any = self._pyroDaemon  # type: ignore[attr-defined] # set when registered
        daemon.register(tool)
        return tool

    async def paint(self, colour: str) -> str:
        return f"painted {colour}"

    async def dry(self, coats: int) -> AsyncIterator[str]:
        for number in range(coats):
            await asyncio.sleep(0)
            yield f"coat {number + 1} is dry"


workshop = Workshop()
