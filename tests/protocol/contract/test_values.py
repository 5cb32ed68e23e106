from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any

import pytest

from pyro_protocol.contract.values import UNKNOWN, VALUE_LIMIT, describe_value

HERE = __name__


class Colour(Enum):
    RED = 1


class Level(IntEnum):
    LOW = 1


class Trap:
    """An object that nobody may ask anything."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked for")

    def __repr__(self) -> str:
        raise AssertionError("was asked for")

    def __eq__(self, other: object) -> bool:
        raise AssertionError("was asked for")

    __hash__ = object.__hash__


class Text(str):
    __slots__ = ()

    def __repr__(self) -> str:
        raise AssertionError("was asked for")


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -5, 2**63 - 1, 1.5, "text", "", [], [1, "a", [None]], {"a": [1]}],
)
def test_plain_data_is_there_as_text_and_as_value(value: object) -> None:
    described = describe_value(value)

    assert described == {"default": repr(value), "value": value}
    assert json.loads(json.dumps(described)) == described


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((1, "a"), "(1, 'a')"),
        ((1,), "(1,)"),
        ((), "()"),
        ({1}, "{1}"),
        (set(), "set()"),
        (frozenset(), "frozenset()"),
        (frozenset({1}), "frozenset({1})"),
        ({1: 2}, "{1: 2}"),
        ([(1,)], "[(1,)]"),
        (b"x", "b'x'"),
        (1j, "1j"),
        (..., "..."),
        (float("nan"), "float('nan')"),
        (float("-inf"), "float('-inf')"),
        (dt.timedelta(seconds=5), "datetime.timedelta(seconds=5)"),
        (dt.date(2026, 1, 2), "datetime.date(2026, 1, 2)"),
        (Decimal("1.5"), "decimal.Decimal('1.5')"),
        (Colour.RED, f"{HERE}.Colour.RED"),
        (Level.LOW, f"{HERE}.Level.LOW"),
        ([Colour.RED], f"[{HERE}.Colour.RED]"),
        (int, "int"),
        (Colour, f"{HERE}.Colour"),
        (len, "len"),
        (json.dumps, "json.dumps"),
    ],
)
def test_other_values_are_there_as_text_only(value: object, text: str) -> None:
    assert describe_value(value) == {"default": text}


def test_what_has_no_short_text_is_left_open() -> None:
    for value in (
        Text("x"),
        2**63,
        10**10_000,
        "x" * (VALUE_LIMIT + 1),
        "x" * (VALUE_LIMIT - 1),
        b"x" * 10**6,
        list(range(101)),
        ["x" * 100] * 6,
        lambda: None,
        dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
    ):
        assert describe_value(value) == {"default": UNKNOWN}


def test_objects_of_the_program_are_not_asked_for_their_text() -> None:
    for value in (Trap(), [Trap()], {"a": Trap()}, (1, {2: Trap()})):
        assert describe_value(value) == {"default": UNKNOWN}


def test_a_value_that_contains_itself_is_left_open() -> None:
    value: list[object] = []
    value.append(value)

    assert describe_value(value) == {"default": UNKNOWN}
