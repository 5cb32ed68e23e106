"""Descriptions of objects, as they are read from the other side."""

from __future__ import annotations

from typing import Any

import pytest

from pyro_protocol import expose, oneway
from pyro_protocol.contract import describe_members, members_of
from pyro_protocol.contract.described import (
    NO_VALUE,
    DescribedField,
    DescribedMethod,
    DescribedType,
    Description,
    described_by_names,
    is_usable_name,
    read_description,
)


def parameter(name: str = "room", **others: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "positional_or_keyword",
        "annotation": None,
        "required": True,
        "default": None,
        **others,
    }


def method(**others: Any) -> dict[str, Any]:
    return {
        "name": "heat",
        "kind": "method",
        "async": False,
        "idempotent": False,
        "parameters": [],
        "returns": None,
        "doc": None,
        **others,
    }


def method_of(**others: Any) -> DescribedMethod:
    description = read_description({"methods": [method(**others)]})
    assert description is not None
    return description.methods["heat"]


def parameters_of(*parameters: Any) -> tuple[DescribedField, ...]:
    found = method_of(parameters=list(parameters)).parameters
    assert found is not None
    return found


def type_of(described: object) -> DescribedType | None:
    description = read_description({"types": {"house.Thing": described}})
    assert description is not None
    return description.types.get("house.Thing")


def test_what_a_server_describes_is_read() -> None:
    @expose
    class House:
        """A house."""

        def heat(self, room: str, degrees: float = 20.5) -> bool:
            """Heat a room."""
            return bool(room) and degrees > 0

        @oneway
        def alarm(self) -> None: ...

        @property
        def area(self) -> int:
            """In square metres."""
            return 80

    description = read_description(describe_members(members_of(House), House))

    assert description is not None
    assert description.class_name == f"{__name__}.{House.__qualname__}"
    assert description.doc == "A house."
    assert description.methods["alarm"].kind == "oneway"
    heat = description.methods["heat"]
    assert (heat.kind, heat.returns, heat.doc) == ("method", "bool", "Heat a room.")
    assert heat.parameters == (
        DescribedField("room", "str"),
        DescribedField("degrees", "float", "20.5", value=20.5),
    )
    area = description.attributes["area"]
    assert (area.readable, area.writable, area.annotation) == (True, False, "int")


@pytest.mark.parametrize("data", [None, 5, "text", [], [{}]])
def test_what_is_no_dictionary_is_no_description(data: object) -> None:
    assert read_description(data) is None


def test_a_description_without_anything_is_empty() -> None:
    assert read_description({}) == Description()


@pytest.mark.parametrize(
    "data",
    [
        {"methods": 5, "attributes": "text", "types": []},
        {"methods": [5, None, {}, {"name": 5}], "attributes": [[]]},
        {"class": 5, "module": [], "doc": {}},
        {"types": {5: {"kind": "enum"}, "a": 5, "b": {}, "c": {"kind": "class"}}},
        {"types": {"a": {"kind": ["enum"]}}},
    ],
)
def test_what_has_not_the_documented_form_is_left_out(data: object) -> None:
    assert read_description(data) == Description()


@pytest.mark.parametrize("name", ["", "a b", "a.b", "class", "1a", "a\n", "$meta"])
def test_names_that_python_does_not_have_are_left_out(name: str) -> None:
    members = [{"name": name}]

    description = read_description({"methods": members, "attributes": members})

    assert description == Description()
    assert not is_usable_name(name)


def test_an_unknown_kind_of_method_is_an_ordinary_one() -> None:
    assert method_of(kind="magic").kind == "method"
    assert method_of(kind="stream").kind == "stream"


@pytest.mark.parametrize(
    ("said", "read"), [(True, True), (False, False), (1, False), ("yes", False)]
)
def test_a_method_is_idempotent_only_if_that_is_said(said: object, read: bool) -> None:
    assert method_of(idempotent=said).idempotent is read


def test_a_method_of_which_that_is_not_said_is_not_idempotent() -> None:
    described = method()
    del described["idempotent"]

    description = read_description({"methods": [described]})

    assert description is not None
    assert not description.methods["heat"].idempotent


@pytest.mark.parametrize("value", [0, "", None, False, [], {"a": [1]}])
def test_a_default_that_is_plain_data_is_known(value: object) -> None:
    (found,) = parameters_of(parameter(required=False, default="x", value=value))

    assert found.value == value
    assert found.value is not NO_VALUE


def test_a_default_that_is_no_plain_data_has_no_value() -> None:
    (found,) = parameters_of(parameter(required=False, default="house.Mode.ECO"))

    assert found.default == "house.Mode.ECO"
    assert found.value is NO_VALUE


def test_a_parameter_that_has_to_be_given_has_no_default() -> None:
    (found,) = parameters_of(parameter(default="5", value=5))

    assert found.default is None
    assert found.value is NO_VALUE


@pytest.mark.parametrize(
    "unusable", [5, {}, parameter("class"), parameter(kind=5), {"name": "room"}]
)
def test_parameters_of_which_one_is_unusable_are_not_known(unusable: object) -> None:
    assert method_of(parameters=[parameter(), unusable]).parameters is None


def test_an_attribute_can_be_set_only_if_that_is_said() -> None:
    description = read_description(
        {"attributes": [{"name": "a"}, {"name": "b", "writable": True}]}
    )

    assert description is not None
    assert [one.writable for one in description.attributes.values()] == [False, True]
    assert all(one.readable for one in description.attributes.values())


def test_text_cannot_command_a_terminal() -> None:
    found = method_of(doc="red \x1b[31m\ttext\nnext line\u202e")

    assert found.doc == "red \\x1b[31m       text\nnext line\\u202e"


def test_members_of_enumerations_have_their_values() -> None:
    found = type_of(
        {
            "kind": "enum",
            "doc": "How warm.",
            "members": [
                {"name": "ECO", "text": "'eco'", "value": "eco"},
                {"name": "OFF", "text": "..."},
            ],
        }
    )

    assert found is not None
    assert found.doc == "How warm."
    assert [one.value for one in found.fields] == ["eco", NO_VALUE]
    assert not found.flags


@pytest.mark.parametrize(
    ("said", "read"), [(True, True), (False, False), (1, False), (None, False)]
)
def test_members_can_be_combined_only_if_that_is_said(said: object, read: bool) -> None:
    found = type_of({"kind": "enum", "members": [], "flags": said})

    assert found is not None
    assert found.flags is read


def test_fields_of_records_have_their_defaults() -> None:
    found = type_of(
        {
            "kind": "dataclass",
            "fields": [
                {"name": "x", "annotation": "int", "required": True},
                {"name": "y", "required": False, "default": "5", "value": 5},
                {"name": "z", "required": False, "keyword_only": True},
            ],
        }
    )

    assert found is not None
    x, y, z = found.fields
    assert (x.annotation, x.default, x.value) == ("int", None, NO_VALUE)
    assert (y.default, y.value) == ("5", 5)
    assert z.keyword_only


@pytest.mark.parametrize(
    "described",
    [
        {"kind": "dataclass"},
        {"kind": "typeddict", "fields": [{"name": "x"}, 5]},
        {"kind": "enum", "members": {}},
        {"kind": "alias"},
        {"kind": "alias", "of": 5},
    ],
)
def test_types_of_which_something_is_missing_are_left_out(described: object) -> None:
    assert type_of(described) is None


def test_an_alias_has_what_it_stands_for() -> None:
    found = type_of({"kind": "alias", "of": "list[int]"})

    assert found is not None
    assert found.target == "list[int]"


def test_of_names_alone_a_description_is_made() -> None:
    description = described_by_names("Lamp", ["on", "blink", "a b"], ["blink"], ["x"])

    assert description.class_name == "Lamp"
    assert {one.name: one.kind for one in description.methods.values()} == {
        "on": "method",
        "blink": "oneway",
    }
    assert description.methods["on"].parameters is None
    assert list(description.attributes) == ["x"]
    assert description.attributes["x"].writable
