"""Values in descriptions: defaults, and what the members of enumerations stand for."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from enum import Enum
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, Any, Final

from .annotation_text import qualified_name

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["UNKNOWN", "VALUE_LIMIT", "describe_value"]

UNKNOWN: Final = "..."
"""The text of a value that cannot be written; in a stub it means the same."""

VALUE_LIMIT: Final = 500
"""How many characters the text of a value may have; a longer one is not described.
That is more than people write into a signature, and tables do not belong there."""

_ITEMS_LIMIT: Final = 100
_NESTING_LIMIT: Final = 10
# All that every serializer can carry.
_INT_LIMIT: Final = 2**63
_DATES: Final = (dt.date, dt.datetime, dt.time, dt.timedelta)


class _NotWritable(Exception):  # noqa: N818 - not an error: it says what to leave out
    """The value, or a part of it, has no text that is safe to make."""


def describe_value(value: Any) -> dict[str, Any]:
    """Return a value as ``default``, its text, and ``value``, if it is plain data.

    No code of the program runs, such as the ``__repr__`` of its classes.
    """
    try:
        text = _text(value, _NESTING_LIMIT)
    except _NotWritable:
        return {"default": UNKNOWN}
    if len(text) > VALUE_LIMIT:
        return {"default": UNKNOWN}
    if _is_plain(value):
        return {"default": text, "value": value}
    return {"default": text}


def _text(value: Any, depth: int) -> str:
    kind = type(value)
    if kind in _SCALARS:
        return _SCALARS[kind](value)
    if kind in _DATES and getattr(value, "tzinfo", None) is None:
        return repr(value)
    if kind in _CONTAINERS and len(value) <= _ITEMS_LIMIT and depth:
        return _CONTAINERS[kind](value, depth - 1)
    if isinstance(value, Enum) and isinstance(vars(value).get("_name_"), str):
        return f"{qualified_name(kind)}.{vars(value)['_name_']}"
    if isinstance(value, type) or kind in (FunctionType, BuiltinFunctionType):
        return _name(value)
    raise _NotWritable


def _name(value: Any) -> str:
    text = qualified_name(value)
    # What was made in a function, or a lambda, cannot be named.
    if "<" in text or not isinstance(value.__module__, str):
        raise _NotWritable
    return text


def _short(value: Any) -> str:
    if len(value) > VALUE_LIMIT:
        raise _NotWritable
    return repr(value)


def _integer(value: int) -> str:
    # Longer ones take time, and some cannot be written at all.
    if abs(value) >= _INT_LIMIT:
        raise _NotWritable
    return repr(value)


def _float(value: float) -> str:
    return repr(value) if math.isfinite(value) else f"float('{value!r}')"


def _items(values: Any, depth: int) -> str:
    return ", ".join(_text(one, depth) for one in values)


def _tuple(value: tuple[Any, ...], depth: int) -> str:
    return f"({_items(value, depth)}{',' if len(value) == 1 else ''})"


def _set(value: set[Any], depth: int) -> str:
    return f"{{{_items(value, depth)}}}" if value else "set()"


def _frozenset(value: frozenset[Any], depth: int) -> str:
    return f"frozenset({_set(set(value), depth) if value else ''})"


def _dict(value: dict[Any, Any], depth: int) -> str:
    pairs = (f"{_text(key, depth)}: {_text(one, depth)}" for key, one in value.items())
    return f"{{{', '.join(pairs)}}}"


_SCALARS: Final[dict[type, Callable[[Any], str]]] = {
    type(None): repr,
    bool: repr,
    bytes: _short,
    complex: repr,
    float: _float,
    int: _integer,
    str: _short,
    type(...): lambda _: "...",
    Decimal: lambda value: f"decimal.{value!r}",
}
_CONTAINERS: Final[dict[type, Callable[[Any, int], str]]] = {
    dict: _dict,
    frozenset: _frozenset,
    list: lambda value, depth: f"[{_items(value, depth)}]",
    set: _set,
    tuple: _tuple,
}


def _is_plain(value: Any) -> bool:
    """Whether every serializer carries a value as it is, apart from its size."""
    kind = type(value)
    if kind is list:
        return all(map(_is_plain, value))
    if kind is dict:
        return all(type(key) is str and _is_plain(one) for key, one in value.items())
    if kind is float:
        return math.isfinite(value)
    return kind in (bool, int, str, type(None))
