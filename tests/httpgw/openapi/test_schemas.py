"""JSON schemas of annotations."""

from __future__ import annotations

from typing import Any

import pytest

from pyro_httpgw.arguments.annotations import AnnotationReader
from pyro_httpgw.openapi.registry import SchemaRegistry
from pyro_httpgw.openapi.schemas import SchemaWriter
from pyro_protocol.contract.described import NO_VALUE, DescribedField, DescribedType

VALUE = {"$ref": "#/components/schemas/Value"}
BYTES = {"$ref": "#/components/schemas/Bytes"}


def member(name: str, value: Any = NO_VALUE) -> DescribedField:
    return DescribedField(name, value=value)


def named(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def types(*described: DescribedType) -> dict[str, DescribedType]:
    return {one.name: one for one in described}


class Written:
    """The schemas of some annotations, with all that they refer to."""

    def __init__(
        self, *described: DescribedType, registry: SchemaRegistry | None = None
    ) -> None:
        self.registry = registry or SchemaRegistry()
        self._reader = AnnotationReader(types(*described))
        self._writer = SchemaWriter(self._reader, self.registry)

    def taken(self, text: str) -> dict[str, Any]:
        return self._writer.taken(self._reader.read(text))

    def given(self, text: str) -> dict[str, Any]:
        return self._writer.given(self._reader.read(text))

    @property
    def schemas(self) -> dict[str, Any]:
        return self.registry.schemas


@pytest.mark.parametrize(
    ("annotation", "taken"),
    [
        ("typing.Any", VALUE),
        ("int", {"type": "integer"}),
        ("float", {"type": "number"}),
        ("int | None", {"type": ["integer", "null"]}),
        ("int | typing.Any", VALUE),
        ("list[int]", {"type": "array", "items": {"type": "integer"}}),
        ("list", {"type": "array", "items": VALUE}),
        (
            "tuple[int, str]",
            {
                "type": "array",
                "minItems": 2,
                "maxItems": 2,
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
            },
        ),
        ("tuple[()]", {"type": "array", "minItems": 0, "maxItems": 0}),
        (
            "dict[str, int]",
            {"type": "object", "additionalProperties": {"type": "integer"}},
        ),
        (
            "dict[int, bool]",
            {
                "type": "object",
                "additionalProperties": {"type": "boolean"},
                "propertyNames": {"pattern": "^-?[0-9]{1,15}$"},
            },
        ),
        ("typing.Literal['a', 1, None]", {"enum": ["a", 1, None]}),
        ("typing.Literal[b'a']", {"enum": ["YQ=="]}),
    ],
)
def test_what_is_taken(annotation: str, taken: object) -> None:
    assert Written().taken(annotation) == taken


@pytest.mark.parametrize(
    ("annotation", "given"),
    [
        ("typing.Any", {}),
        ("bytes", BYTES),
        (
            "list[bytes | None]",
            {"type": "array", "items": {"anyOf": [BYTES, {"type": "null"}]}},
        ),
        ("set[int]", {"type": "array", "items": {"type": "integer"}}),
        ("int | typing.Any", {}),
        ("None", {"type": "null"}),
    ],
)
def test_what_is_given(annotation: str, given: object) -> None:
    assert Written().given(annotation) == given


def test_numbers_that_are_given_may_be_missing() -> None:
    assert Written().given("float")["type"] == ["number", "null"]


POINT = DescribedType(
    "house.Point",
    "dataclass",
    "A point.",
    (
        DescribedField("x", "int"),
        DescribedField("y", "int", "5", value=5),
        DescribedField("mark", "typing.Any", "...", value=b"no JSON"),
    ),
)


def test_a_record_that_is_taken_has_defaults() -> None:
    written = Written(POINT)

    assert written.taken("house.Point") == named("house.Point-Input")
    assert written.schemas["house.Point-Input"] == {
        "description": "A point.",
        "type": "object",
        "properties": {
            "x": {"type": "integer"},
            "y": {"type": "integer", "default": 5},
            "mark": VALUE,
            "__class__": {"const": "house.Point"},
        },
        "required": ["x"],
        "additionalProperties": False,
    }


def test_a_record_that_is_given_is_complete() -> None:
    written = Written(POINT)

    assert written.given("house.Point") == named("house.Point")
    schema = written.schemas["house.Point"]
    assert schema["required"] == ["x", "y", "mark"]
    assert schema["properties"]["__class__"] == {"type": "string"}


def test_a_dictionary_with_known_keys_needs_not_have_all() -> None:
    written = Written(
        DescribedType(
            "house.Note",
            "typeddict",
            fields=(DescribedField("a", "int"), DescribedField("b", "int", "...")),
        )
    )

    written.given("house.Note")

    schema = written.schemas["house.Note"]
    assert schema["required"] == ["a"]
    assert schema["properties"].keys() == {"a", "b"}


def test_a_named_tuple_comes_as_a_list() -> None:
    pair = DescribedType(
        "house.Pair",
        "namedtuple",
        fields=(
            DescribedField("a", "int"),
            DescribedField("b", "str", "'x'", value="x"),
        ),
    )
    written = Written(pair)

    written.given("house.Pair")
    written.taken("house.Pair")

    assert written.schemas["house.Pair"]["minItems"] == 2
    as_object, as_list = written.schemas["house.Pair-Input"]["anyOf"]
    assert as_object["required"] == ["a"]
    assert (as_list["minItems"], as_list["maxItems"]) == (1, 2)


def test_members_are_taken_by_value_and_by_name() -> None:
    written = Written(
        DescribedType(
            "house.Mode",
            "enum",
            fields=(member("ECO", "eco"), member("OFF", value=False)),
        )
    )

    written.taken("house.Mode")
    written.given("house.Mode")

    assert written.schemas["house.Mode-Input"] == {"enum": ["eco", False, "ECO", "OFF"]}
    assert written.schemas["house.Mode"] == {"enum": ["eco", False]}
    assert written.taken("typing.Literal[house.Mode.OFF]") == {"enum": [False]}


def test_members_whose_values_are_not_known_are_given_as_anything() -> None:
    written = Written(DescribedType("house.Mode", "enum", fields=(member("ECO"),)))

    written.taken("house.Mode")
    written.given("house.Mode")

    assert written.schemas["house.Mode-Input"] == {"enum": ["ECO"]}
    assert written.schemas["house.Mode"] == {}


def test_flags_can_be_combined() -> None:
    written = Written(
        DescribedType(
            "house.Rights",
            "enum",
            fields=(member("READ", 1), member("WRITE", 2)),
            flags=True,
        )
    )

    written.taken("house.Rights")
    written.given("house.Rights")

    assert written.schemas["house.Rights"]["type"] == "integer"
    single, names, number = written.schemas["house.Rights-Input"]["anyOf"]
    assert single == {"enum": [1, 2, "READ", "WRITE"]}
    assert names["pattern"] == r"^(READ|WRITE)( *\| *(READ|WRITE))*$"
    assert number == {"type": "integer", "minimum": 0, "maximum": 3}


def test_classes_may_consist_of_themselves() -> None:
    node = DescribedType(
        "house.Node", "dataclass", fields=(DescribedField("next", "house.Node | None"),)
    )
    tree = DescribedType("house.Tree", "alias", target="list[house.Tree]")
    written = Written(node, tree)

    written.given("house.Node")
    written.given("house.Tree")

    following = written.schemas["house.Node"]["properties"]["next"]
    assert following == {"anyOf": [named("house.Node"), {"type": "null"}]}
    assert written.schemas["house.Tree"]["items"] == named("house.Tree")


def test_long_chains_of_classes_are_written() -> None:
    chain = [
        DescribedType(
            f"house.C{n}", "dataclass", fields=(DescribedField("c", f"house.C{n + 1}"),)
        )
        for n in range(3_000)
    ]
    written = Written(*chain)

    written.given("house.C0")

    assert len(written.schemas) >= 3_000


def test_what_is_described_alike_has_one_schema() -> None:
    registry = SchemaRegistry()

    first, second = (Written(POINT, registry=registry) for _ in range(2))

    assert first.given("house.Point") == second.given("house.Point")


def test_what_is_described_differently_has_several_schemas() -> None:
    user = DescribedType(
        "house.User", "dataclass", fields=(DescribedField("at", "house.Point"),)
    )
    alone = DescribedType("house.Alone", "dataclass")
    changed = DescribedType("house.Point", "dataclass")
    registry = SchemaRegistry()
    old = Written(POINT, user, alone, registry=registry)
    new = Written(changed, user, alone, registry=registry)
    again = Written(changed, user, alone, registry=registry)

    assert old.given("house.User") == named("house.User")
    assert new.given("house.User") == named("house.User-2")
    assert again.given("house.User") == named("house.User-2")
    assert old.given("house.Alone") == new.given("house.Alone")
    point = registry.schemas["house.User-2"]["properties"]["at"]
    assert point == named("house.Point-2")
    assert registry.schemas["house.Point-2"]["properties"].keys() == {"__class__"}


def test_names_of_schemas_have_only_the_characters_that_they_may_have() -> None:
    written = Written(
        DescribedType("a.<locals>.B", "dataclass"), DescribedType("Bytes", "dataclass")
    )
    reader = AnnotationReader(
        types(
            DescribedType("a.<locals>.B", "dataclass"),
            DescribedType("a.[locals].B", "dataclass"),
            DescribedType("Bytes", "dataclass"),
        )
    )

    assert set(written.registry.names_of(reader).values()) == {
        "a._locals_.B",
        "a._locals_.B-2",
        "Bytes-2",
    }
