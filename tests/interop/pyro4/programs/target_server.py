"""Serves an object that Pyro4 clients call, and prints its location.

Arguments: the id of the object. Everything else is said by the environment.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from pyro_protocol import URI, SerializedBlob
from pyro_protocol.errors import NamingError
from pyro_server import Daemon, current_context, expose, oneway


@expose
class Child:
    def hello(self) -> str:
        return "hello from the child"


class OwnError(Exception):
    pass


@expose
class Target:
    def __init__(self) -> None:
        self._level = 3
        self._notes: list[object] = []

    @property
    def level(self) -> int:
        return self._level

    @level.setter
    def level(self, value: int) -> None:
        self._level = value

    def echo(self, value: object) -> object:
        return value

    def add(self, a: int, b: int = 10) -> int:
        return a + b

    def type_of(self, value: object) -> str:
        return f"{type(value).__name__} {value}"

    def fail(self, text: str) -> None:
        raise ValueError(text, 7)

    def fail_with_pyro_error(self) -> None:
        raise NamingError("no such name")

    def fail_with_own_error(self) -> None:
        raise OwnError("eek")

    def unserializable(self) -> object:
        return lambda: None

    def hidden(self) -> object:
        return self

    def child(self) -> object:
        child = Child()
        daemon.register(child)
        return child

    def uri(self) -> URI:
        return URI("PYRO:some@example.org:1234")

    def count_up(self, most: int) -> Iterator[int]:
        yield from range(most)

    def call_back(self, listener: Any) -> object:
        return listener.hear("news")

    @oneway
    def notify(self, note: object) -> None:
        self._notes.append(note)

    def notes(self) -> list[object]:
        return self._notes

    def blob(self, blob: SerializedBlob) -> list[object]:
        return [blob.info, *blob.deserialized()]

    def annotated(self) -> list[str]:
        current_context.response_annotations["RSPN"] = b"answer"
        return sorted(current_context.annotations)

    def correlation(self) -> str:
        return str(current_context.correlation_id)

    def _private(self) -> str:
        return "must never be seen"


class GreetingDaemon(Daemon):
    def validateHandshake(self, conn: object, data: object) -> object:
        del conn
        if data == "go away":
            raise ValueError("not you")
        return f"welcome, {data}"


daemon = GreetingDaemon()
daemon.register(Target(), sys.argv[1])
print(f"location {daemon.locationStr}")
daemon.requestLoop()
