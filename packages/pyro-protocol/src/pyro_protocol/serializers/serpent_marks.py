"""Lets Python's parser of JSON read tuples, sets, bytes, and keys of any kind.

All containers become objects of JSON, as ``(1,2)`` becomes ``{"t":[1,2],"T":0}``. Their
first key is for the opening bracket and their second for the closing one, so that
brackets which do not match are noticed. Two words that only JSON has mark colons, and
the comma before a closing parenthesis.
"""

from __future__ import annotations

from typing import Any, Final

from .limits import check_hashes

__all__ = ["CONSTANTS", "UnlikeError", "container", "mark", "tuple_of"]

_COLON: Final = object()
_COMMA: Final = object()
CONSTANTS: Final = {"-Infinity": _COLON, "NaN": _COMMA}
"""What words of JSON mark; the text has none of its own."""

_MARKS: Final = str.maketrans(
    {
        ":": ",-Infinity,",
        "[": '{"l":[',
        "]": '],"L":0}',
        "{": '{"d":[',
        "}": '],"D":0}',
        "(": '{"t":[',
        ")": '],"T":0}',
    }
)
# A key, a colon, and a value.
_PAIR: Final = 3


class UnlikeError(ValueError):
    """The text means something else as JSON."""


def mark(outside: str) -> str:
    """Return what stands outside of strings, where a quote stands for each, marked."""
    marked = outside.replace(",)", ",NaN)").translate(_MARKS)
    return marked.replace("b'", '{"b":' + "'}")


def container(marked: list[tuple[str, Any]]) -> Any:
    """Return the container, or the bytes, that an object of JSON stands for.

    Raises:
        SerializeError: too many keys have the same hash.
        ValueError, TypeError: there is none.
    """
    (opening, items), *closing = marked
    if opening == "b":
        return items.encode("latin-1")
    if closing[0][0] != opening.upper():
        raise UnlikeError
    count = items.count(_COLON)
    if opening == "d":
        if items and not count:
            check_hashes(items)
            return set(items)
        keys = items[::_PAIR]
        if len(items) != count * _PAIR or items[1::_PAIR].count(_COLON) != count:
            raise UnlikeError
        check_hashes(keys)
        return dict(zip(keys, items[2::_PAIR], strict=True))
    if count:
        raise UnlikeError
    return tuple_of(items) if opening == "t" else items


def tuple_of(items: list[Any]) -> tuple[Any, ...]:
    """Return the tuple of items in parentheses.

    Raises:
        UnlikeError: it is not a tuple.
    """
    if items and items[-1] is _COMMA:
        del items[-1]
    elif len(items) == 1:
        # Without a comma these are just parentheses.
        raise UnlikeError
    return tuple(items)
