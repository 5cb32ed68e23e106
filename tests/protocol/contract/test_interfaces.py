from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, Protocol

import pytest

from pyro_protocol import behavior, expose, oneway
from pyro_protocol.contract.interfaces import declared_members

if TYPE_CHECKING:
    from nowhere import Final as Unknown  # type: ignore[import-not-found] # on purpose


class Meter:
    """What a client may do with a meter."""

    level: float
    count: ClassVar[int]
    serial: Final[str] = "s"
    lost: Unknown
    bare: Final = 5
    _private: int

    def read(self) -> float:
        return 1.0

    @property
    def units(self) -> str:
        return "C"

    @property
    def limit(self) -> int:
        return 1

    @limit.setter
    def limit(self, value: int) -> None: ...

    def __len__(self) -> int:
        return 1

    def __call__(self) -> None: ...

    def __post_init__(self) -> None: ...

    def _hidden(self) -> None: ...


def access(interface: type) -> dict[str, tuple[bool, bool]]:
    return {
        name: (one.readable, one.writable)
        for name, one in declared_members(interface).attributes.items()
    }


def test_all_that_is_public_is_declared_where_nothing_is_marked() -> None:
    assert set(declared_members(Meter).methods) == {"read", "__len__", "__call__"}


def test_an_attribute_is_writable_if_it_is_spelled_so() -> None:
    assert access(Meter) == {
        "level": (True, True),
        "limit": (True, True),
        "units": (True, False),
        "count": (True, False),
        "serial": (True, False),
        "bare": (True, False),
        "lost": (True, True),
    }


def test_what_cannot_be_resolved_is_read_only_if_its_text_says_so() -> None:
    class Interface(Protocol):
        lost: Final[Unknown]  # type: ignore[misc] # without a value

    assert access(Interface) == {"lost": (True, False)}


def test_only_what_is_marked_is_declared_where_something_is_marked() -> None:
    class Interface(Protocol):
        level: int

        @expose
        @oneway
        def start(self) -> None: ...

        def stop(self) -> None: ...

    members = declared_members(Interface)

    assert set(members.methods) == {"start"}
    assert members.methods["start"].oneway
    assert members.attributes == {}


def test_abstract_classes_and_inherited_members_count() -> None:
    class Base(abc.ABC):
        @abc.abstractmethod
        def read(self) -> float: ...

    class Derived(Base):
        @abc.abstractmethod
        def write(self) -> None: ...

    assert set(declared_members(Derived).methods) == {"read", "write"}


@pytest.mark.parametrize(
    ("interface", "methods"),
    [
        (
            Sequence,
            {
                *("__contains__", "__getitem__", "__iter__", "__len__"),
                *("__reversed__", "count", "index"),
            },
        ),
        (Callable, {"__call__"}),
    ],
)
def test_the_abstract_classes_of_the_library_can_be_used(
    interface: type, methods: set[str]
) -> None:
    assert set(declared_members(interface).methods) == methods


def test_the_fields_of_records_are_written_unless_they_are_frozen() -> None:
    @dataclass
    class Open:
        level: int
        start: InitVar[int]

        def __post_init__(self, start: int) -> None: ...

    @dataclass(frozen=True)
    class Frozen:
        level: int

    class Pair(NamedTuple):
        left: int

    assert access(Open) == {"level": (True, True)}
    assert access(Frozen) == {"level": (True, False)}
    assert declared_members(Open).methods == {}
    assert declared_members(Pair).attributes["left"].readable


def test_slots_and_constants_without_annotation_are_read_only() -> None:
    class Slotted:
        __slots__ = ("level",)
        units = "C"

    assert access(Slotted) == {"level": (True, False), "units": (True, False)}


def test_classes_within_an_interface_are_left_out() -> None:
    class Interface:
        class Nested: ...

        def read(self) -> None: ...

    assert set(declared_members(Interface).methods) == {"read"}
    assert access(Interface) == {}


def test_an_interface_may_say_how_instances_are_made() -> None:
    @behavior("single")
    class Interface:
        def read(self) -> None: ...

    assert declared_members(Interface).instance_mode == "single"
