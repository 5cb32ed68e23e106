"""JSON that web clients send."""

from __future__ import annotations

from typing import Any

import pytest

from pyro_httpgw.arguments.json_input import check_class_keys, parse_json
from pyro_protocol.serializers import ForeignRecord


@pytest.mark.parametrize(
    ("text", "value", "names_class"),
    [
        ('{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}, False),
        ('["__class__"]', ["__class__"], False),
        ('[{"__class__": 1}]', [{"__class__": 1}], True),
        ('[{"\\u005f_class__": 1}, {}]', [{"__class__": 1}, {}], True),
    ],
)
def test_it_is_told_whether_a_dictionary_names_a_class(
    text: str, value: object, names_class: bool
) -> None:
    assert parse_json(text) == (value, names_class)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Expecting value"),
        ("[NaN]", "NaN is not JSON"),
        ("-Infinity", "-Infinity is not JSON"),
        ('{"a": 1, "a": 1}', "same key twice"),
        ("[" * 100_000, "nested too deeply"),
        ("9" * 5000, "limit"),
    ],
)
def test_what_is_no_json_is_an_error(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_json(text)


NAMES: dict[str, Any] = {"__class__": "X"}


@pytest.mark.parametrize(
    "value",
    [
        NAMES,
        [1, [NAMES]],
        {"a": ({"b": NAMES},)},
        ForeignRecord("Room", {"name": [NAMES]}),
    ],
)
def test_a_dictionary_that_names_a_class_is_found_wherever_it_is(value: object) -> None:
    with pytest.raises(ValueError, match="__class__ is not allowed"):
        check_class_keys(value)


def test_what_is_made_of_described_classes_passes() -> None:
    room = ForeignRecord("Room", {"name": "__class__", "corners": [{"a": 1}]})
    check_class_keys([room, {"b": {room.class_name, "c"}}])
