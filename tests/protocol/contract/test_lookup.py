from __future__ import annotations

import array
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import oneway
from pyro_protocol.contract.lookup import (
    MISSING,
    ByName,
    annotated_names,
    class_member,
    has_mark,
    instance_namespace,
    names_of_class,
    own_annotations,
    own_namespace,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nowhere import Unknown  # type: ignore[import-not-found] # on purpose


armed = False


@pytest.fixture(autouse=True)
def _trap_is_armed() -> Iterator[None]:
    """Nobody may ask the metaclass, as long as these tests run."""
    global armed  # noqa: PLW0603 - the metaclass has no other place to look
    armed = True
    yield
    armed = False


class Trap(type):
    """A metaclass that nobody may ask."""

    def __getattribute__(cls, name: str) -> Any:
        if armed:
            raise AssertionError(f"{name} was asked for")
        return super().__getattribute__(name)

    def of_the_metaclass(cls) -> None: ...


class Base:
    inherited = 1
    replaced = 1
    level: int


class Derived(Base, metaclass=Trap):
    replaced = 2
    mode: Unknown


def test_a_member_is_found_in_the_nearest_class_without_asking_any() -> None:
    assert class_member(Derived, "replaced") == 2
    assert class_member(Derived, "inherited") == 1
    assert class_member(Derived, "unknown") is MISSING


def test_what_only_the_metaclass_has_is_no_member() -> None:
    assert class_member(Derived, "of_the_metaclass") is MISSING
    assert class_member(Base, "mro") is MISSING


def test_the_names_of_a_class_are_those_of_all_its_bases_but_some() -> None:
    assert {"replaced", "inherited", "__init__"} <= names_of_class(Derived)
    assert "__init__" not in names_of_class(Derived, without=[object])
    assert own_namespace(Derived)["replaced"] == 2
    assert "inherited" not in own_namespace(Derived)


def test_annotated_names_come_with_the_class_that_annotates_them() -> None:
    assert annotated_names(Base) == {"level": Base}
    assert set(own_annotations(Base)) == {"level"}


def test_annotations_that_cannot_be_read_are_none_at_all() -> None:
    class Odd:
        __annotations__ = 5  # type: ignore[assignment] # the point

    assert own_annotations(Odd) == {}


@pytest.mark.parametrize("empty", [[], {}, array.array("d"), 5, object()])
def test_an_object_without_a_dictionary_holds_nothing(empty: object) -> None:
    assert instance_namespace(empty) == {}


def test_what_an_object_holds_is_found_in_objects_and_modules() -> None:
    assert instance_namespace(SimpleNamespace(level=1)) == {"level": 1}
    assert instance_namespace(json)["dumps"] is json.dumps


def test_a_dictionary_that_is_a_property_is_not_asked_for() -> None:
    class Odd:
        @property
        def __dict__(self) -> Any:  # type: ignore[override] # the point
            raise AssertionError("was asked for")

    assert instance_namespace(Odd()) == {}


def test_a_mark_is_found_on_functions_only() -> None:
    class Anything:
        def __getattr__(self, name: str) -> bool:
            return True

    @oneway
    def marked() -> None: ...

    assert has_mark(marked, "_pyroOneway")
    assert not has_mark(marked, "_pyroCallback")
    assert not has_mark(Anything(), "_pyroOneway")
    assert not has_mark(len, "_pyroOneway")


def test_a_member_by_name_is_what_the_instance_has_at_that_time() -> None:
    thing = SimpleNamespace(level=1)
    member = ByName("level")

    member.__set__(thing, 2)

    assert thing.level == 2
    assert member.__get__(thing) == 2
