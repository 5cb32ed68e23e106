"""Objects with known fields."""

from __future__ import annotations

import pytest

from pyro_httpgw.arguments.converters import ConverterBook
from pyro_httpgw.arguments.mismatches import MismatchError
from pyro_protocol.contract.described import (
    DescribedField,
    DescribedType,
)
from pyro_protocol.serializers import ForeignMember, ForeignRecord
from support.conversion import CORNER, MODE, PLAN, ROOM, book_of_house, problems_of


@pytest.fixture(scope="module")
def book() -> ConverterBook:
    return book_of_house()


def test_a_record_is_made_of_its_fields(book: ConverterBook) -> None:
    value = {
        "name": "hall",
        "mode": "boost",
        "corners": [{"x": 1, "y": 2}, [3], []],
        "inner": {"name": "in", "inner": None},
    }
    with pytest.raises(MismatchError) as caught:
        book.of(ROOM).read_json(value)
    assert caught.value.problems == [(("corners", 2, "x"), "is missing")]
    del value["corners"][2]  # type: ignore[attr-defined] # it is a list
    assert book.of(ROOM).read_json(value) == ForeignRecord(
        ROOM,
        {
            "name": "hall",
            "mode": ForeignMember(MODE, "BOOST", "boost"),
            "corners": [
                ForeignRecord(CORNER, {"x": 1.0, "y": 2.0}, "namedtuple"),
                ForeignRecord(CORNER, {"x": 3.0}, "namedtuple"),
            ],
            "inner": ForeignRecord(ROOM, {"name": "in", "inner": None}),
        },
    )


def test_a_record_is_json_in_a_text(book: ConverterBook) -> None:
    expected = ForeignRecord(ROOM, {"name": "a"})
    assert book.of(ROOM).read_texts(['{"name": "a"}']) == expected
    assert book.of(f"list[{ROOM}]").read_texts(['{"name": "a"}'] * 2) == [expected] * 2


def test_a_typed_dictionary_stays_a_dictionary(book: ConverterBook) -> None:
    found = book.of(PLAN).read_json({"start": "2026-01-02T03:04", "rooms": []})
    assert type(found) is dict
    assert found["start"].year == 2026


def test_all_that_is_wrong_in_a_record_is_told(book: ConverterBook) -> None:
    value = {"nam": "a", "mode": "x", "corners": [["a", "b"]], "inner": 3}
    places = {place for place, _text in problems_of(book, ROOM, value)}
    assert places == {
        ("nam",),
        ("name",),
        ("mode",),
        ("corners", 0, "x"),
        ("corners", 0, "y"),
        ("inner",),
    }


def test_the_class_that_a_result_names_may_be_there_when_it_comes_back(
    book: ConverterBook,
) -> None:
    value = {"__class__": ROOM, "name": "a"}
    assert book.of(ROOM).read_json(value) == ForeignRecord(ROOM, {"name": "a"})
    other = {"__class__": "support.house.Shape", "name": "a"}
    assert problems_of(book, ROOM, other) == [
        (("__class__",), "expected a Room, not 'support.house.Shape'")
    ]
    assert problems_of(book, PLAN, {"__class__": PLAN, "start": "2026-01-02"})


def test_a_description_that_names_a_field_twice_is_harmless() -> None:
    fields = (DescribedField("a", "int"), DescribedField("a", "str"))
    book = ConverterBook({"R": DescribedType("R", "dataclass", None, fields)})
    assert problems_of(book, "R", {}) == [(("a",), "is missing")]
