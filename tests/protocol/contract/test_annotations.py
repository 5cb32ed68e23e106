from __future__ import annotations

import functools
import gc
import logging
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    Optional,
    Protocol,
    TypedDict,
    TypeVar,
)

import pytest

from pyro_protocol.contract import allow_annotated_classes, expose
from pyro_protocol.dispatch.registry import ObjectRegistry
from pyro_protocol.serializers import serializers, unregister_class
from pyro_protocol.serializers.allowed import allowed_class, class_name

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from nowhere import Unknown  # type: ignore[import-not-found] # on purpose


@dataclass
class Inner:
    a: int


@dataclass
class Point:
    x: int
    inner: Inner | None = None
    next: Point | None = None


class Pair(NamedTuple):
    left: Colour
    right: int


class Colour(Enum):
    RED = 1


class Shape(Enum):
    ROUND = 1


class Record(TypedDict):
    stamp: Stamp


@dataclass
class Stamp:
    at: float


T = TypeVar("T", bound=Point)


@dataclass
class Page(Generic[T]):
    items: list[T]


@dataclass
class Half:
    known: Inner
    unknown: Unknown


Alias = NewType("Alias", Point)
ALL = [Inner, Point, Pair, Colour, Shape, Stamp, Page, Half]


@pytest.fixture(autouse=True)
def nothing_allowed() -> Iterator[None]:
    yield
    for clazz in ALL:
        unregister_class(clazz)


def allowed() -> set[type]:
    return {clazz for clazz in ALL if allowed_class(class_name(clazz)) is clazz}


SIGNATURES: dict[str, tuple[object, set[type]]] = {
    "a class": (Point, {Point, Inner}),
    "its name": ("Point", {Point, Inner}),
    "optional": (Optional["Inner"], {Inner}),
    "a union": ("Inner | Colour | int | None", {Inner, Colour}),
    "containers": ("dict[Colour, list[tuple[Inner, ...]]]", {Inner, Colour}),
    "annotated": (Annotated[Inner, "unit"], {Inner}),
    "a literal": (Literal[Colour.RED, 5], {Colour}),
    "a callable": (Callable[[Inner], Colour], {Inner, Colour}),
    "a named tuple": (Pair, {Pair, Colour}),
    "a typed dictionary": (Record, {Stamp}),
    "a generic class": ("Page[Point]", {Page, Point, Inner}),
    "a type variable": (T, {Point, Inner}),
    "a new type": (Alias, {Point, Inner}),
    "an iterator": ("Iterator[Inner]", {Inner}),
    "something else": ("int | str | list[Any] | object", set()),
    "a class with an unknown field": (Half, {Half, Inner}),
}


@pytest.mark.parametrize("what", SIGNATURES)
def test_classes_in_signatures_of_what_is_exposed_are_allowed(what: str) -> None:
    annotation, expected = SIGNATURES[what]

    def method(self: object, argument: Any = None, *, other: int = 0) -> None: ...

    method.__annotations__["argument"] = annotation
    served: Any = type("Served", (), {"method": method})
    allow_annotated_classes(served)
    assert allowed() == set()
    expose(method)
    again: Any = type("Served", (), {"method": method})
    allow_annotated_classes(again)
    assert allowed() == expected


def test_results_and_attributes_count_too() -> None:
    @expose
    class Served:
        def method(self) -> Inner: ...  # type: ignore[empty-body] # never called

        @staticmethod
        def static(_: Colour) -> None: ...

        @functools.lru_cache  # noqa: B019 - never called
        def cached(self) -> Pair: ...  # type: ignore[empty-body] # never called

        @functools.cached_property
        def once(self) -> Shape: ...  # type: ignore[empty-body] # never called

        @property
        def attribute(self) -> object:
            return None

        @attribute.setter
        def attribute(self, value: Stamp) -> None: ...

        def _private(self) -> Point: ...  # type: ignore[empty-body] # never called

    allow_annotated_classes(Served)
    assert allowed() == {Inner, Colour, Pair, Shape, Stamp}


def test_each_of_many_annotations_is_looked_at() -> None:
    # Each is made to be looked at, and may be where the one before was in memory.
    kinds: list[type] = [
        dataclass(type(f"Kind{number}", (), {})) for number in range(300)
    ]
    members: dict[str, Any] = {}
    for number, kind in enumerate(kinds):

        def method(self: Any, value: Any) -> None:
            pass

        kind.__module__ = __name__
        method.__annotations__ = {"value": f"set[Kind{number}] | None"}
        method.__globals__[kind.__name__] = kind
        members[f"method{number}"] = method
    try:
        allow_annotated_classes(expose(type("Many", (), members)))
        for kind in kinds:
            assert allowed_class(class_name(kind)) is kind
    finally:
        for kind in kinds:
            unregister_class(kind)
            del globals()[kind.__name__]


def test_what_cannot_be_resolved_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @expose
    class Served:
        def method(self, one: Unknown, two: list[Inner]) -> Colour: ...  # type: ignore[empty-body] # never called

    with caplog.at_level(logging.DEBUG, "pyro.contract"):
        allow_annotated_classes(Served)
    assert allowed() == {Inner, Colour}
    assert "Unknown" in caplog.text
    assert {record.levelname for record in caplog.records} == {"DEBUG"}


def test_a_registered_class_allows_what_it_names() -> None:
    @expose
    class Served:
        def method(self, point: Point) -> None: ...

    class NoLock:
        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    def lock() -> AbstractContextManager[None]:
        return NoLock()

    registry = ObjectRegistry(lock)
    registry.register(Served())
    native = serializers["native"]
    data = native.dumps(Point(1, Inner(2)))
    assert native.loads(data) == Point(1, Inner(2))

    def other(self: object, stamp: Stamp) -> None: ...

    Served.other = expose(other)  # type: ignore[attr-defined] # is added here
    registry.register(Served())
    assert Stamp not in allowed()
    registry.reset_members(Served)
    assert Stamp in allowed()


def test_all_that_is_public_in_an_interface_counts() -> None:
    class Interface(Protocol):
        colour: Colour

        def method(self, inner: Inner) -> Pair: ...

        def _private(self) -> Shape: ...

    allow_annotated_classes(Interface)
    assert allowed() == set()
    allow_annotated_classes(Interface, all_public=True)
    assert allowed() == {Colour, Inner, Pair}


def test_nothing_is_kept_alive() -> None:
    def make() -> list[weakref.ref[type]]:
        @dataclass
        class Short:
            a: int

        def method(self: object, short: Any) -> None: ...

        method.__annotations__["short"] = Short
        served: Any = type("Served", (), {"method": expose(method)})
        allow_annotated_classes(served)
        assert allowed_class(class_name(Short)) is Short
        return [weakref.ref(Short)]

    (reference,) = make()
    # Once for the class that is served, and once for the one it names.
    gc.collect()
    gc.collect()
    assert reference() is None
