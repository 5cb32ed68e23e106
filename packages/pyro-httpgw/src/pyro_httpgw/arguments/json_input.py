"""JSON that web clients send: bodies, and texts in a query string that hold some."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from pyro_protocol.serializers import ForeignRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CLASS_KEY", "ParsedJson", "check_class_keys", "parse_json"]

CLASS_KEY: Final = "__class__"
"""The key by which Pyro's dictionaries name a class."""


class ParsedJson(NamedTuple):
    """A value, and what is to be known of it.

    Attributes:
        value: the value.
        names_class: whether there is a `CLASS_KEY` in it. What becomes of such a value
            has to pass `check_class_keys` before it is sent.
    """

    value: Any
    names_class: bool


def parse_json(text: str) -> ParsedJson:
    """Return what a text stands for.

    Raises:
        ValueError: it is not JSON, or has the same key twice, or a number that JSON
            does not have; or it is nested too deeply.
    """
    names_class = False

    def plain_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal names_class
        value = dict(pairs)
        if len(value) != len(pairs):
            raise ValueError("an object has the same key twice")
        names_class = names_class or CLASS_KEY in value
        return value

    try:
        value = json.loads(
            text, object_pairs_hook=plain_object, parse_constant=_refuse_constant
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return ParsedJson(value, names_class)


def check_class_keys(value: Any) -> None:
    """Let arguments pass in which no dictionary names a class.

    Such a dictionary would have the server build an object, such as a proxy to a place
    of the web client's choice. Where a method says that it takes objects of a class
    it is a `ForeignRecord` by now.

    Raises:
        ValueError: one does.
    """
    level = [value]
    while level:
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict) and CLASS_KEY in one:
                raise ValueError(f"the key {CLASS_KEY} is not allowed here")
            inner.extend(_parts(one))
        level = inner


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, ForeignRecord):
        return value.fields.values()
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple | set | frozenset) else ()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
