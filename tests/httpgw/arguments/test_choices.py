"""Values of which there are only a few."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol.serializers import ForeignMember
from support.conversion import ECO, LEVEL, MODE, PAIR, RIGHT, book_of_house, problems_of

if TYPE_CHECKING:
    from pyro_httpgw.arguments.converters import ConverterBook


@pytest.fixture(scope="module")
def book() -> ConverterBook:
    return book_of_house()


@pytest.mark.parametrize(
    ("text", "expected"), [("eco", ECO), ("ECO", ECO), ("PAIR", PAIR), ("3", LEVEL)]
)
def test_a_member_is_named_by_its_value_or_its_name(
    book: ConverterBook, text: str, expected: ForeignMember
) -> None:
    assert book.of(MODE).read_texts([text]) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [("eco", ECO), ("ECO", ECO), ("PAIR", PAIR), (3, LEVEL)]
)
def test_a_member_is_given_in_json_by_its_value_or_its_name(
    book: ConverterBook, value: Any, expected: ForeignMember
) -> None:
    assert book.of(MODE).read_json(value) == expected


@pytest.mark.parametrize(
    ("value", "number"),
    [("READ|OWN", 5), ("READ | WRITE", 3), (7, 7), (0, 0), ("6", 6)],
)
def test_flags_are_combined_by_name_or_number(
    book: ConverterBook, value: Any, number: int
) -> None:
    expected = ForeignMember(RIGHT, None, number)
    assert book.of(RIGHT).read_json(value) == expected
    assert book.of(RIGHT).read_texts([str(value)]) == expected


@pytest.mark.parametrize("value", [8, -1, "READ|", "READ|WRIT", "9" * 200, True, 1.5])
def test_flags_that_there_are_not_are_an_error(book: ConverterBook, value: Any) -> None:
    ((place, text),) = problems_of(book, RIGHT, value)
    assert place == ()
    assert text.startswith("expected one of READ, WRITE, OWN, not ")


def test_who_misspells_a_member_is_told_which_is_meant(book: ConverterBook) -> None:
    ((place, text),) = problems_of(book, MODE, "bost")
    assert place == ()
    assert text == (
        "expected one of 'eco', 'boost', LEVEL, PAIR, not 'bost'; did you mean 'boost'?"
    )


@pytest.mark.parametrize("value", ["3", True, None, [], {}, 3.5])
def test_a_value_of_another_type_is_no_member(book: ConverterBook, value: Any) -> None:
    assert problems_of(book, MODE, value)


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("a", "a", "a"),
        ("1", 1, 1),
        ("true", True, True),
        ("null", None, None),
        ("AP8=", "AP8=", b"\x00\xff"),
        ("eco", "eco", ECO),
        ("ECO", "ECO", ECO),
    ],
)
def test_a_literal_keeps_its_type(
    book: ConverterBook, text: str, value: Any, expected: Any
) -> None:
    literal = f"typing.Literal['a', 1, True, None, b'\\x00\\xff', {MODE}.ECO]"
    for found in (
        book.of(literal).read_texts([text]),
        book.of(literal).read_json(value),
    ):
        assert found == expected
        assert type(found) is type(expected)


@pytest.mark.parametrize("value", ["b", "1", 2, False, 1.5, [], {}])
def test_a_value_that_is_not_among_those_of_a_literal_is_an_error(
    book: ConverterBook, value: Any
) -> None:
    assert problems_of(book, "typing.Literal['a', 1, True, None]", value)
