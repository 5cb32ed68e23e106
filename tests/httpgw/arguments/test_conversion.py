"""What web clients give, made into the values that annotations ask for."""

from __future__ import annotations

import datetime as dt
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest

from pyro_httpgw.arguments.converters import ConverterBook
from pyro_httpgw.arguments.mismatches import MismatchError

if TYPE_CHECKING:
    from pyro_httpgw.arguments.conversion import Converter


def converter(annotation: str | None) -> Converter:
    return ConverterBook({}).of(annotation)


@pytest.mark.parametrize(
    ("annotation", "texts", "expected"),
    [
        (None, ["5"], "5"),
        (None, ["5", "6"], ["5", "6"]),
        ("house.Unknown", ["5"], "5"),
        ("str", ["5"], "5"),
        ("str", ["5", "6"], ["5", "6"]),
        ("int", ["5"], 5),
        ("list[int]", ["5"], [5]),
        ("list[int]", ["5", "6"], [5, 6]),
        ("list[int]", ["[5, 6]"], [5, 6]),
        ("list[str]", ["[5]"], ["[5]"]),
        ("list[str]", ["[", "]"], ["[", "]"]),
        ("set[int]", ["5", "5"], {5}),
        ("frozenset[int]", ["5"], frozenset({5})),
        ("collections.deque[int]", ["5", "6"], deque([5, 6])),
        ("tuple[int, ...]", ["5", "6"], (5, 6)),
        ("tuple[int, str]", ["5", "6"], (5, "6")),
        ("tuple[int, str]", ['[5, "6"]'], (5, "6")),
        ("dict[str, int]", ['{"a": 1}'], {"a": 1}),
        ("list[dict[str, int]]", ['{"a": 1}', '{"a": 2}'], [{"a": 1}, {"a": 2}]),
        ("int | None", ["null"], None),
        ("int | None", ["5"], 5),
        ("str | None", ["null"], "null"),
        ("int | str", ["5"], "5"),
        ("float | int", ["5"], 5),
        ("float | int", ["5.0"], 5.0),
        ("bool | int", ["1"], 1),
        ("bool | int", ["true"], True),
        ("int | list[int]", ["5"], 5),
        ("int | list[int]", ["5", "6"], [5, 6]),
        ("str | list[int]", ["5", "6"], [5, 6]),
        ("str | list[int]", ["5", "x"], ["5", "x"]),
        ("datetime.datetime | datetime.date", ["2026-01-02"], dt.date(2026, 1, 2)),
        ("collections.abc.Iterator[int]", ["5", "6"], [5, 6]),
    ],
)
def test_the_texts_of_a_parameter_are_read(
    annotation: str | None, texts: list[str], expected: Any
) -> None:
    found = converter(annotation).read_texts(texts)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (None, {"a": [1]}, {"a": [1]}),
        ("list[float]", [1, 2.5], [1.0, 2.5]),
        ("set[tuple[int, int]]", [[1, 2], [1, 2]], {(1, 2)}),
        ("tuple[()]", [], ()),
        ("dict[int, list[str]]", {"1": ["a"]}, {1: ["a"]}),
        ("dict[datetime.date, int]", {"2026-01-02": 1}, {dt.date(2026, 1, 2): 1}),
        ("int | str", 5, 5),
        ("int | str", "five", "five"),
        ("str | datetime.date", "2026-01-02", "2026-01-02"),
        ("list[int] | dict[str, int]", {"a": 1}, {"a": 1}),
        ("list[int] | list[str]", ["a"], ["a"]),
        ("bytes | None", "AP8=", b"\x00\xff"),
    ],
)
def test_a_json_value_is_read(
    annotation: str | None, value: Any, expected: Any
) -> None:
    found = converter(annotation).read_json(value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "texts", "said"),
    [
        ("int", ["1", "2"], "given repeatedly"),
        ("dict[str, int]", ["1", "2"], "given repeatedly"),
        ("dict[str, int]", ["{"], "as JSON"),
        ("dict[str, int]", ['{"a": "b"}'], "expected an integer, not 'b'"),
        ("dict[str, typing.Any]", ['{"__class__": "x"}'], "__class__ is not allowed"),
        ("list[int]", ["[1, true]"], "expected an integer, not true"),
        ("list[int]", ["[1, x]"], "expected a list, each an integer as JSON"),
        ("tuple[int, int]", ["1", "2", "3"], "expected a list of 2"),
        ("int | bool", ["1", "2"], "expected an integer or true or false"),
    ],
)
def test_texts_that_do_not_fit_are_an_error(
    annotation: str, texts: list[str], said: str
) -> None:
    with pytest.raises(MismatchError) as caught:
        converter(annotation).read_texts(texts)
    ((_place, text),) = caught.value.problems
    assert said in str(text)
