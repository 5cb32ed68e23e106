"""Converters for the annotations of a richly annotated class, for tests of them."""

from __future__ import annotations

from typing import Any, Final

import pytest

from pyro_httpgw.arguments.converters import ConverterBook
from pyro_httpgw.arguments.mismatches import MismatchError
from pyro_protocol.contract import describe_members, members_of
from pyro_protocol.contract.described import read_description
from pyro_protocol.serializers import ForeignMember

from .house import House

__all__ = [
    "CORNER",
    "ECO",
    "LEVEL",
    "MODE",
    "PAIR",
    "PLAN",
    "RIGHT",
    "ROOM",
    "book_of_house",
    "problems_of",
]

ROOM, CORNER, MODE, RIGHT, PLAN = (
    f"{House.__module__}.{name}" for name in ("Room", "Corner", "Mode", "Right", "Plan")
)
ECO: Final = ForeignMember(MODE, "ECO", "eco")
PAIR: Final = ForeignMember(MODE, "PAIR", None)
LEVEL: Final = ForeignMember(MODE, "LEVEL", 3)


def book_of_house() -> ConverterBook:
    """Return the converters of the description of `House`."""
    description = read_description(describe_members(members_of(House), House))
    assert description is not None
    return ConverterBook(description.types)


def problems_of(book: ConverterBook, annotation: str, value: Any) -> list[Any]:
    """Return what is wrong with a JSON value: place and text of each problem."""
    with pytest.raises(MismatchError) as caught:
        book.of(annotation).read_json(value)
    return [(place, str(text)) for place, text in caught.value.problems]
