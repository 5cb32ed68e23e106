"""The objects with which the golden conversations were recorded, written anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyro_protocol import URI, SerializedBlob, current_context, expose, oneway

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Child", "Odd", "Plain", "Target"]


class Odd(Exception):  # noqa: N818 - the name that was recorded
    """An exception class that no caller knows."""


@expose
class Child:
    """What the target hands out as a reference."""

    def hello(self) -> str:
        return "hello"


class Plain:
    """Exposes nothing."""


@expose
class Target:
    """The object ``example.target``."""

    def __init__(self, child: Child) -> None:
        self._level = 7
        self._child = child
        self._notes: list[object] = []

    @property
    def level(self) -> int:
        return self._level

    @level.setter
    def level(self, value: int) -> None:
        self._level = value

    def echo(self, value: object) -> object:
        return value

    def add(self, a: int, b: int) -> int:
        return a + b

    def fail(self) -> None:
        raise ValueError("boom", 42)

    def key_error(self) -> None:
        raise KeyError("missing")

    def hidden_raise(self) -> None:
        raise Odd("custom problem")

    def main_raise(self) -> None:
        raise Odd("custom problem")

    def unserializable(self) -> object:
        return object()

    def long_text(self) -> str:
        return "x" * 1000

    @oneway
    def notify(self, note: object) -> None:
        self._notes.append(note)

    def items(self) -> Iterator[str]:
        yield "one"
        yield "two"

    def child(self) -> Child:
        return self._child

    def uri(self) -> URI:
        return URI("PYRO:other@example.com:4444")

    def blob(self, blob: SerializedBlob) -> list[Any]:
        return [blob.info, blob.deserialized()]

    def annotated(self) -> dict[str, list[str]]:
        current_context.response_annotations["RSP1"] = b"resp-data"
        return {"seen": sorted(current_context.annotations)}
