"""Values that may be of several kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pyro_httpgw.arguments.converters import ConverterBook
from pyro_httpgw.arguments.mismatches import MismatchError
from pyro_httpgw.arguments.unions import read_whole
from pyro_protocol.contract.described import (
    DescribedField,
    DescribedType,
)
from pyro_protocol.serializers import ForeignRecord
from support.conversion import CORNER, ROOM, book_of_house, problems_of

if TYPE_CHECKING:
    from pyro_httpgw.arguments.conversion import Converter


@pytest.fixture(scope="module")
def book() -> ConverterBook:
    return book_of_house()


def converter(annotation: str | None) -> Converter:
    return ConverterBook({}).of(annotation)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"name": "a"}, ForeignRecord),
        ({"x": 1}, ForeignRecord),
        ([{"name": "a"}], list),
        (5, float),
    ],
)
def test_of_several_kinds_the_one_that_fits_is_found(
    book: ConverterBook, value: Any, kind: type
) -> None:
    union = f"{ROOM} | {CORNER} | list[{ROOM}] | float"
    assert type(book.of(union).read_json(value)) is kind


def test_what_is_wrong_in_the_only_kind_that_is_meant_is_told(
    book: ConverterBook,
) -> None:
    value = [{"name": "a", "mode": "b"}]
    ((place, _text),) = problems_of(book, f"list[{ROOM}] | None", value)
    assert place == (0, "mode")


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = {"next": value}
    return value


def test_a_value_in_many_unions_within_each_other_is_read_once_for_each_kind() -> None:
    """Else this would take longer than anybody waits: twice as long for each level."""
    fields = (DescribedField("next", "Left | Right | int"),)
    types = {
        name: DescribedType(name, "dataclass", None, fields)
        for name in ("Left", "Right")
    }
    book = ConverterBook(types)
    assert problems_of(book, "Left | Right", nested(100))
    book.forget()
    with pytest.raises(MismatchError):
        book.of("Left | Right").read_texts([str(nested(60)).replace("'", '"')])


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (None, b"bytes", b"bytes"),
        (None, "a", "a"),
        ("bytes", b"a", b"a"),
        ("bytearray", b"a", bytearray(b"a")),
        ("str", "a", "a"),
        ("int | bytes | None", b"a", b"a"),
        ("bytes | str", "a", "a"),
    ],
)
def test_a_body_can_be_a_value_as_it_is(
    annotation: str | None, value: str | bytes, expected: object
) -> None:
    assert read_whole(converter(annotation), value) == expected


@pytest.mark.parametrize(
    ("annotation", "value"),
    [("bytes", "a"), ("str", b"a"), ("int", "5"), ("int | str", b"a"), ("list", b"")],
)
def test_a_body_of_another_type_is_an_error(
    annotation: str, value: str | bytes
) -> None:
    with pytest.raises(MismatchError):
        read_whole(converter(annotation), value)
