"""Lists, tuples and dictionaries."""

from __future__ import annotations

from typing import Any

import pytest

from pyro_httpgw.arguments.converters import ConverterBook
from pyro_httpgw.arguments.mismatches import MismatchError


def problems_of(annotation: str, value: Any) -> list[Any]:
    with pytest.raises(MismatchError) as caught:
        ConverterBook({}).of(annotation).read_json(value)
    return [(place, str(text)) for place, text in caught.value.problems]


@pytest.mark.parametrize(
    ("annotation", "value", "problems"),
    [
        ("int", "5", [((), "expected an integer, not '5'")]),
        ("int", None, [((), "expected an integer, not null")]),
        ("list[int]", 5, [((), "expected a list, each an integer, not 5")]),
        (
            "list[int]",
            [1, "a", 2, True],
            [
                ((1,), "expected an integer, not 'a'"),
                ((3,), "expected an integer, not true"),
            ],
        ),
        (
            "dict[int, list[int]]",
            {"a": [], "1": [1, {}]},
            [
                (("a",), "expected an integer, not 'a'"),
                (("1", 1), "expected an integer, not an object"),
            ],
        ),
        ("dict[str, int]", [], [((), "expected an object, not a list")]),
        (
            "tuple[int, str]",
            [1],
            [((), "expected a list of 2: an integer, a text, not 1")],
        ),
        ("tuple[int, str]", [1, 2], [((1,), "expected a text, not 2")]),
        ("int | None", "a", [((), "expected an integer or null, not 'a'")]),
        ("list[int] | None", ["a"], [((0,), "expected an integer, not 'a'")]),
        ("set[typing.Any]", [[]], [((), "a list or an object cannot be in a set")]),
    ],
)
def test_all_that_does_not_fit_is_told_with_its_place(
    annotation: str, value: Any, problems: list[Any]
) -> None:
    assert problems_of(annotation, value) == problems


@pytest.mark.parametrize("annotation", ["set[int]", "dict[int, int]"])
def test_keys_that_were_made_to_have_the_same_hash_are_refused(annotation: str) -> None:
    prime = 2**61 - 1
    numbers = [index * prime for index in range(1000)]
    value: Any = numbers
    if annotation.startswith("dict"):
        value = {str(number): 0 for number in numbers}
    ((_place, text),) = problems_of(annotation, value)
    assert "have the same hash" in text


def test_messages_do_not_grow_with_annotations_or_values() -> None:
    annotation = " | ".join(f"tuple[{', '.join(['int'] * n)}]" for n in range(1, 20))
    ((_place, text),) = problems_of(annotation, "x" * 10_000)
    assert len(text) < 500


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("list[int]", ["x"] * 100_000),
        ("list[list[int]]", [["x"] * 10] * 10_000),
        ("dict[str, int]", {str(n): "x" for n in range(10_000)}),
    ],
)
def test_of_very_many_mistakes_a_hundred_are_looked_for(
    annotation: str, value: Any
) -> None:
    assert len(problems_of(annotation, value)) == 100
