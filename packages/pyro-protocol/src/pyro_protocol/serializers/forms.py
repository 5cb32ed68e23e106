"""How types are written in formats that lack them.

Where the library of a format asks for what it cannot write, it gets one of these
forms; for a library that does not ask, `Simplifier` goes through the value before.
"""

from __future__ import annotations

from array import array
from datetime import date, datetime, time, timedelta
from enum import Enum
from operator import is_
from typing import TYPE_CHECKING, Any, Final

from .classes import simplify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .classes import Forms

__all__ = [
    "BASE_FORMS",
    "COMMON_FORMS",
    "LATE_COMMON_FORMS",
    "LATE_TEXT_FORMS",
    "TEXT_FORMS",
    "Simplifier",
]


def _array_form(value: array[Any]) -> object:
    return value.tounicode() if value.typecode in "uw" else value.tolist()


COMMON_FORMS: Final[Forms] = {
    Enum: lambda member: member.value,
    array: _array_form,
}
"""Arrays as lists or text, members of enumerations as values."""

LATE_COMMON_FORMS: Final[dict[str, Callable[[Any], object]]] = {"uuid.UUID": str}
"""Identifiers as text; see `late_types`."""

TEXT_FORMS: Final[Forms] = {
    **COMMON_FORMS,
    date: date.isoformat,
    datetime: datetime.isoformat,
    time: time.isoformat,
    timedelta: timedelta.total_seconds,
}
"""Those, and dates and times as text, durations as seconds."""

LATE_TEXT_FORMS: Final[dict[str, Callable[[Any], object]]] = {
    **LATE_COMMON_FORMS,
    "decimal.Decimal": str,
}
"""Those, and Decimals as text."""

BASE_FORMS: Final[Forms] = {
    bytearray: bytearray,
    bytes: bytes,
    complex: complex,
    dict: dict,
    float: float.__float__,
    frozenset: frozenset,
    int: int.__int__,
    list: list,
    set: set,
    str: str.__str__,
    tuple: tuple,
}
"""The plain value of an object whose class is derived from a builtin one."""


_TEXT: Final = frozenset({str})


class Simplifier:
    """Replaces, all through a value, what a format does not have.

    Containers that need no change are returned as they are; the others are copied.

    Args:
        serializer: the name of the serializer.
        leaves: the types that are written as they are and hold nothing else.
        forms: what becomes of other types.
    """

    def __init__(self, serializer: str, leaves: frozenset[type], forms: Forms) -> None:
        self._serializer = serializer
        self._leaves = leaves
        self._forms = forms

    def __call__(self, value: Any) -> Any:
        """Return ``value``, or a simpler one in its place.

        Raises:
            SerializeError: there is something that cannot be simplified.
            RecursionError: the value is nested too deeply, or contains itself.
        """
        kind = type(value)
        if kind in self._leaves:
            return value
        if kind is dict:
            return self._dict(value)
        if kind is list or kind is tuple:
            return self._sequence(value)
        if kind is set or kind is frozenset:
            return self._keys(value)
        return self(simplify(value, self._serializer, self._forms))

    def call(
        self,
        object_id: str,
        method: str,
        args: Sequence[object],
        kwargs: Mapping[str, object] | None,
    ) -> tuple[Any, ...]:
        """Return the four parts of a call, the arguments simplified.

        Raises:
            SerializeError: there is something that cannot be simplified.
            RecursionError: an argument is nested too deeply, or contains itself.
        """
        plain = args if type(args) is list else tuple(args)
        simple = self._dict(dict(kwargs)) if kwargs else kwargs
        return object_id, method, self._sequence(plain), simple

    def _keys(self, value: Any) -> Any:
        simple = [self(item) for item in value]
        # A copy of a set may have another order, and so become other bytes.
        return value if all(map(is_, simple, value)) else type(value)(simple)

    def _sequence(self, value: Any) -> Any:
        leaves = self._leaves
        if leaves.issuperset(map(type, value)):
            return value
        kind = type(value)
        return kind([item if type(item) in leaves else self(item) for item in value])

    def _dict(self, value: dict[Any, Any]) -> dict[Any, Any]:
        leaves = self._leaves
        if not _TEXT.issuperset(map(type, value)):
            return {self(key): self(item) for key, item in value.items()}
        if leaves.issuperset(map(type, value.values())):
            return value
        return {
            key: item if type(item) in leaves else self(item)
            for key, item in value.items()
        }
