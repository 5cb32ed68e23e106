"""Annotations of a description, as the gateway reads them."""

from __future__ import annotations

import pytest

from pyro_httpgw.arguments.annotations import (
    ANYTHING,
    Annotation,
    AnnotationReader,
    EnumMember,
    FixedTuple,
    Keyed,
    Literal,
    Named,
    Scalar,
    Sequence,
    Stream,
    Union,
)
from pyro_protocol.contract.described import DescribedField, DescribedType

INT = Scalar("int")
STR = Scalar("str")
NONE = Scalar("None")
POINT = Named("house.Point")
MODE = Named("house.Mode")

TYPES = {
    one.name: one
    for one in (
        DescribedType("house.Point", "dataclass"),
        DescribedType("house.Mode", "enum", fields=(DescribedField("ECO"),)),
        DescribedType("house.Numbers", "alias", target="list[int]"),
        DescribedType("house.Ours", "alias", target="house.Numbers"),
        DescribedType("house.Tree", "alias", target="list[house.Tree] | int"),
        DescribedType("house.Loop", "alias", target="house.Loop"),
        DescribedType("house.Feed", "alias", target="Iterator[house.Point]"),
        DescribedType("house.list", "dataclass"),
        DescribedType("house.Same", "dataclass"),
        DescribedType("barn.Same", "dataclass"),
    )
}


def read(text: str | None) -> Annotation:
    return AnnotationReader(TYPES).read(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, ANYTHING),
        ("None", NONE),
        ("int", INT),
        ("memoryview", Scalar("bytes")),
        ("datetime.datetime", Scalar("datetime.datetime")),
        ("typing.Any", ANYTHING),
        ("list", Sequence("list", ANYTHING)),
        ("list[int]", Sequence("list", INT)),
        ("collections.abc.Sequence[int]", Sequence("list", INT)),
        ("collections.abc.Iterable[int]", Sequence("list", INT)),
        ("collections.abc.Set[int]", Sequence("set", INT)),
        ("frozenset[int]", Sequence("frozenset", INT)),
        ("collections.deque[int]", Sequence("collections.deque", INT)),
        ("tuple", Sequence("tuple", ANYTHING)),
        ("tuple[int, ...]", Sequence("tuple", INT)),
        ("tuple[()]", FixedTuple(())),
        ("tuple[int]", FixedTuple((INT,))),
        ("tuple[int, str]", FixedTuple((INT, STR))),
        ("dict", Keyed(ANYTHING, ANYTHING)),
        ("dict[str, int]", Keyed(STR, INT)),
        ("collections.Counter[str]", Keyed(STR, INT)),
        ("collections.abc.Iterator[int]", Stream(INT, NONE)),
        ("collections.abc.AsyncGenerator[int, None]", Stream(INT, NONE)),
        ("collections.abc.Generator[int, None, str]", Stream(INT, STR)),
        ("int | None", Union((INT, NONE))),
        ("int | str | None", Union((INT, STR, NONE))),
        ("int | (str | int)", Union((INT, STR))),
        ("int | int", INT),
        ("typing.Annotated[int, 'volts']", INT),
        ("house.Point", POINT),
        ("house.Point | None", Union((POINT, NONE))),
        ("house.Box[int]", ANYTHING),
        ("house.Point[int]", POINT),
        ("collections.abc.Callable[[int], str]", ANYTHING),
    ],
)
def test_annotations_are_understood(text: str | None, expected: Annotation) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Optional[int]", Union((INT, NONE))),
        ("Union[int, str]", Union((INT, STR))),
        ("List[Point]", Sequence("list", POINT)),
        ("'Point'", POINT),
        ("Mapping['str', \"int\"]", Keyed(STR, INT)),
        ("Decimal", Scalar("decimal.Decimal")),
        ("UUID", Scalar("uuid.UUID")),
        ("Same", ANYTHING),
        ("list", Sequence("list", ANYTHING)),
    ],
)
def test_what_a_server_could_not_resolve_is_understood(
    text: str, expected: Annotation
) -> None:
    assert read(text) == expected


def test_literals_have_their_values() -> None:
    text = "typing.Literal['a', -1, True, b'x', None, house.Mode.ECO]"

    values = ("a", -1, True, b"x", None, EnumMember("house.Mode", "ECO"))
    assert read(text) == Literal(values)


def test_true_is_not_one() -> None:
    assert Literal((True,)) != Literal((1,))
    assert read("Literal[1] | Literal[True]") == Union(
        (Literal((1,)), Literal((True,)))
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "int +",
        "int + str",
        "5",
        "...",
        "()",
        "[]",
        "-int",
        "f()",
        "[int][0]",
        "int.real",
        "nowhere.Thing",
        "Literal[1.5]",
        "Literal[house.Mode.GONE]",
        "Literal[open('x')]",
        "Union[()]",
        "int\0",
        "\ud800",
        "(" * 500 + ")" * 500,
        "-" * 1_999 + "1",
        "[" * 1_000,
        "x." * 900 + "x",
    ],
)
def test_what_is_not_understood_is_anything(text: str) -> None:
    assert read(text) == ANYTHING


def test_only_the_part_that_is_not_understood_is_anything() -> None:
    assert read("dict[str, nowhere.Thing] | int") == Union((Keyed(STR, ANYTHING), INT))


def test_long_text_is_anything() -> None:
    assert read("int" + " " * 2_000) == ANYTHING


def test_long_unions_are_understood() -> None:
    assert read(" | ".join(["int", "str"] * 150)) == Union((INT, STR))


def test_what_is_nested_deeply_ends_somewhere() -> None:
    found = read("list[" * 80 + "int" + "]" * 80)

    depth = 0
    while isinstance(found, Sequence):
        found, depth = found.item, depth + 1
    assert found == ANYTHING
    assert 40 < depth < 80


def test_aliases_stand_for_what_they_name() -> None:
    reader = AnnotationReader(TYPES)

    assert reader.resolve(reader.read("house.Ours")) == Sequence("list", INT)
    assert reader.resolve(POINT) == POINT
    assert reader.resolve(INT) == INT


def test_aliases_may_stand_for_what_they_are_part_of() -> None:
    reader = AnnotationReader(TYPES)

    found = reader.resolve(reader.read("house.Tree"))

    assert found == Union((Sequence("list", Named("house.Tree")), INT))


def test_an_alias_that_stands_for_itself_is_anything() -> None:
    reader = AnnotationReader(TYPES)

    assert reader.resolve(reader.read("house.Loop")) == ANYTHING


@pytest.mark.parametrize(
    ("text", "item"),
    [
        ("Iterator[int]", INT),
        ("list[int]", INT),
        ("house.Feed", POINT),
        (None, ANYTHING),
        ("int", ANYTHING),
    ],
)
def test_a_stream_has_items(text: str | None, item: Annotation) -> None:
    assert AnnotationReader(TYPES).stream_item(text) == item
