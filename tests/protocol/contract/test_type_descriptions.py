from __future__ import annotations

import json
from collections import namedtuple
from dataclasses import KW_ONLY, dataclass, field
from enum import Enum, Flag
from typing import TYPE_CHECKING, Any, NamedTuple, NewType, NotRequired, TypedDict
from typing import Required as Needed

from pyro_protocol.contract.annotation_text import AnnotationWriter
from pyro_protocol.contract.type_descriptions import (
    DOCSTRING_LIMIT,
    TYPES_LIMIT,
    describe_types,
    docstring,
)

if TYPE_CHECKING:
    from nowhere import Unknown  # type: ignore[import-not-found] # on purpose

HERE = __name__


class Colour(Enum):
    """What it looks like."""

    RED = "red"
    GREEN = (0, 1)
    ROSSO = RED


class Bits(Flag):
    ONE = 1
    TWO = 2


@dataclass
class Point:
    x: int
    y: float = 1.5
    _: KW_ONLY
    tags: list[str] = field(default_factory=list)
    made: object = field(default_factory=object)
    colour: Colour = Colour.RED
    next: Point | None = None
    number: int = field(init=False)
    lost: Unknown | None = None


@dataclass
class Documented:
    """It has one."""


class Pair(NamedTuple):
    left: Colour
    right: int = 1


class Options(TypedDict, total=False):
    a: int
    b: Needed[Point]


class Settings(TypedDict):
    c: int
    d: NotRequired[str]


Untyped = namedtuple("Untyped", "a b")  # noqa: PYI024 - people have them
UserId = NewType("UserId", int)


def describe(*annotations: Any) -> dict[str, Any]:
    writer = AnnotationWriter()
    for annotation in annotations:
        writer.write(annotation)
    described = describe_types(writer)
    assert json.loads(json.dumps(described)) == described
    return described


def fields(clazz: type) -> dict[str, tuple[str, bool, str | None]]:
    return {
        one["name"]: (one["annotation"], one["required"], one["default"])
        for one in describe(clazz)[f"{HERE}.{clazz.__name__}"]["fields"]
    }


def test_only_records_enumerations_and_aliases_are_described() -> None:
    assert describe(int, list[str], object, AnnotationWriter) == {}


def test_a_dataclass_has_its_fields() -> None:
    assert fields(Point) == {
        "x": ("int", True, None),
        "y": ("float", False, "1.5"),
        "tags": ("list[str]", False, "[]"),
        "made": ("object", False, "..."),
        "colour": (f"{HERE}.Colour", False, f"{HERE}.Colour.RED"),
        "next": (f"{HERE}.Point | None", False, "None"),
        "number": ("int", False, "..."),
        "lost": ("Unknown | None", False, "None"),
    }
    described = describe(Point)[f"{HERE}.Point"]
    assert described["kind"] == "dataclass"
    assert described["doc"] is None
    assert [one["keyword_only"] for one in described["fields"][:3]] == [
        False,
        False,
        True,
    ]
    assert described["fields"][1]["value"] == 1.5


def test_types_that_are_named_in_types_are_described_as_well() -> None:
    assert set(describe(list[Options])) == {
        f"{HERE}.{name}" for name in ("Options", "Point", "Colour")
    }


def test_an_enumeration_has_its_members_and_aliases() -> None:
    assert describe(Colour)[f"{HERE}.Colour"] == {
        "kind": "enum",
        "doc": "What it looks like.",
        "members": [
            {"name": "RED", "text": "'red'", "value": "red"},
            {"name": "GREEN", "text": "(0, 1)"},
            {"name": "ROSSO", "text": "'red'", "value": "red"},
        ],
    }


def test_of_flags_it_is_said_that_they_can_be_combined() -> None:
    bits = describe(Bits)[f"{HERE}.Bits"]
    assert bits["flags"] is True
    assert [one["value"] for one in bits["members"]] == [1, 2]


def test_a_typed_dictionary_has_its_keys() -> None:
    assert describe(Options)[f"{HERE}.Options"]["kind"] == "typeddict"
    assert fields(Options) == {
        "a": ("int", False, "..."),
        "b": (f"{HERE}.Point", True, None),
    }
    assert fields(Settings) == {"c": ("int", True, None), "d": ("str", False, "...")}


def test_a_named_tuple_has_its_items() -> None:
    assert describe(Pair)[f"{HERE}.Pair"]["kind"] == "namedtuple"
    assert fields(Pair) == {
        "left": (f"{HERE}.Colour", True, None),
        "right": ("int", False, "1"),
    }
    assert fields(Untyped) == {
        "a": ("typing.Any", True, None),
        "b": ("typing.Any", True, None),
    }


def test_a_new_type_is_an_alias() -> None:
    assert describe(UserId) == {
        f"{HERE}.UserId": {"kind": "alias", "doc": None, "of": "int"}
    }


def test_docstrings_are_there_unless_they_were_made_up() -> None:
    assert describe(Documented)[f"{HERE}.Documented"]["doc"] == "It has one."
    assert describe(Pair)[f"{HERE}.Pair"]["doc"] is None


def test_so_many_types_are_described_and_no_more() -> None:
    classes: list[Any] = [
        dataclass(type(f"Class{number}", (), {})) for number in range(TYPES_LIMIT + 5)
    ]

    assert len(describe(*classes)) == TYPES_LIMIT


def test_a_class_that_cannot_be_described_is_left_out() -> None:
    class Odd(tuple):  # type: ignore[type-arg] # noqa: SLOT001 - the point is _fields
        _fields = ("a",)
        _field_defaults = 5

    @dataclass
    class Broken: ...

    Broken.__dataclass_fields__ = 5  # type: ignore[assignment] # the point

    assert describe(Odd, Broken) == {}


def test_a_docstring_is_cleaned_and_cut() -> None:
    assert docstring("One.\n\n    Two.\n    ") == "One.\n\nTwo."
    assert docstring("  \n ") is None
    assert docstring(None) is None
    assert docstring(5) is None
    assert len(docstring("x" * 10**6) or "") == DOCSTRING_LIMIT
