"""The converters of all annotations of a description."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyro_httpgw.arguments.converters import ConverterBook
from pyro_httpgw.arguments.mismatches import MismatchError
from pyro_protocol.contract import describe_members, members_of
from pyro_protocol.contract.described import DescribedType, read_description
from pyro_protocol.serializers import serializers
from support.conversion import problems_of
from support.house import House

NATIVE = serializers["native"]


def test_an_alias_may_stand_for_something_that_it_is_a_part_of() -> None:
    tree = DescribedType("Tree", "alias", target="dict[str, Tree | int]")
    converter = ConverterBook({"Tree": tree}).of("Tree")
    assert converter.read_json({"a": {"b": 1}}) == {"a": {"b": 1}}
    assert converter.read_texts(['{"a": {}}']) == {"a": {}}
    with pytest.raises(MismatchError) as caught:
        converter.read_json({"a": {"b": "x"}})
    assert caught.value.problems[0][0] == ("a", "b")


def test_descriptions_that_grow_with_each_alias_are_harmless() -> None:
    types = {
        f"A{n}": DescribedType(f"A{n}", "alias", target=f"tuple[A{n - 1}, A{n - 1}]")
        for n in range(1, 60)
    }
    types["A0"] = DescribedType("A0", "alias", target="int")
    assert len(problems_of(ConverterBook(types), "A59", 5)[0][1]) < 500


def test_a_converter_is_made_once_for_what_means_the_same() -> None:
    book = ConverterBook({})
    assert book.of("list[int]") is book.of("collections.abc.Sequence[int]")
    assert book.of("set[int]") is not book.of("list[int]")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "x", "y", "mode", "__class__", "data", "1"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)
TEXTS = st.text(max_size=20) | st.sampled_from(
    ["1", "true", "null", "[1]", "{}", "2026-01-02", "PT1H", "1/0", "1e999", "nan", "P"]
)


def all_annotations() -> tuple[ConverterBook, list[str | None]]:
    described = read_description(describe_members(members_of(House), House))
    assert described is not None
    found = {
        parameter.annotation
        for method in described.methods.values()
        for parameter in method.parameters or ()
    }
    return ConverterBook(described.types), sorted(found, key=str)


BOOK, ANNOTATIONS = all_annotations()


@given(st.sampled_from(ANNOTATIONS), JSON_VALUES)
def test_any_json_value_is_read_or_does_not_fit(
    annotation: str | None, value: Any
) -> None:
    with contextlib.suppress(MismatchError):
        NATIVE.dumps(BOOK.of(annotation).read_json(value))
    BOOK.forget()


@given(st.sampled_from(ANNOTATIONS), st.lists(TEXTS, min_size=1, max_size=3))
def test_any_texts_are_read_or_do_not_fit(
    annotation: str | None, texts: list[str]
) -> None:
    with contextlib.suppress(MismatchError):
        NATIVE.dumps(BOOK.of(annotation).read_texts(texts))
    BOOK.forget()
