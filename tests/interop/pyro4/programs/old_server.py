"""Serves an object with Pyro4, and prints its location: OBJECT [KEY]."""

# mypy: ignore-errors
from __future__ import annotations

import sys
from typing import Any

import Pyro4
import Pyro4.naming

Pyro4.config.SERVERTYPE = "multiplex"
Pyro4.config.SERIALIZERS_ACCEPTED = {"serpent", "json", "marshal", "msgpack", "pickle"}


@Pyro4.expose
class Child:
    def hello(self) -> str:
        return "hello from the child"


@Pyro4.expose
class Target:
    def __init__(self) -> None:
        self._level = 3
        self._notes: list[Any] = []

    @property
    def level(self) -> int:
        return self._level

    @level.setter
    def level(self, value: int) -> None:
        self._level = value

    def echo(self, value: Any) -> Any:
        return value

    def add(self, a: int, b: int = 10) -> int:
        return a + b

    def type_of(self, value: Any) -> str:
        return f"{type(value).__module__}.{type(value).__name__} {value}"

    def fail(self, text: str) -> None:
        raise ValueError(text, 7)

    def fail_with_pyro_error(self) -> None:
        raise Pyro4.errors.NamingError("no such name")

    def child(self) -> Any:
        child = Child()
        daemon.register(child)
        return child

    def uri(self) -> Any:
        return Pyro4.URI("PYRO:some@example.org:1234")

    def count_up(self, most: int) -> Any:
        yield from range(most)

    @Pyro4.oneway
    def notify(self, note: Any) -> None:
        self._notes.append(note)

    def notes(self) -> list[Any]:
        return self._notes

    def correlation(self) -> str:
        return str(Pyro4.current_context.correlation_id)


daemon = Pyro4.Daemon()
if len(sys.argv) > 2:
    daemon._pyroHmacKey = sys.argv[2]
daemon.register(Target(), sys.argv[1])
names, names_daemon, _ = Pyro4.naming.startNS("127.0.0.1", 0, enableBroadcast=False)
daemon.combine(names_daemon)
print(f"location {daemon.locationStr} {names.port}")
daemon.requestLoop()
