from __future__ import annotations

import array
import collections
import gc
import io
import weakref
from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol

import pytest

from pyro_protocol import behavior, expose, idempotent, oneway
from pyro_protocol.contract import View, forget_views, view_of
from pyro_protocol.serializers.allowed import allowed_class, class_name


class Vendor:
    """A class of a library, which carries no marks but one."""

    def __init__(self) -> None:
        self.hits = 0

    def read(self) -> int:
        return 1

    def write(self, value: int) -> None: ...

    @expose
    def marked(self) -> None: ...

    @property
    def level(self) -> int:
        raise AssertionError("was triggered")

    @level.setter
    def level(self, value: int) -> None: ...

    @property
    def fixed(self) -> int:
        return 1

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked for")


class Readable(Protocol):
    hits: int

    @oneway
    def write(self, value: int) -> None: ...

    @property
    def level(self) -> int: ...


def named(*names: str, writable: list[str] | None = None) -> View:
    view = view_of(names, writable, None)
    assert view is not None
    return view


def of_interface(interface: type) -> View:
    view = view_of(None, None, interface)
    assert view is not None
    return view


def test_a_view_says_what_may_be_run_twice() -> None:
    view = view_of(["read", "write"], None, None, ["read"])
    assert view is not None
    methods = view.members(Vendor).methods
    assert {name: one.idempotent for name, one in methods.items()} == {
        "read": True,
        "write": False,
    }


def test_an_interface_says_what_may_be_run_twice() -> None:
    class Reading(Protocol):
        @idempotent
        def read(self) -> int: ...

        def write(self, value: int) -> None: ...

    methods = of_interface(Reading).members(Vendor).methods
    assert {name: one.idempotent for name, one in methods.items()} == {
        "read": True,
        "write": False,
    }


def test_only_methods_that_are_reachable_can_be_idempotent() -> None:
    with pytest.raises(TypeError, match="give there as well: write"):
        view_of(["read"], None, None, ["write"])
    with pytest.raises(TypeError, match="only adds to expose"):
        view_of(None, None, None, ["write"])
    with pytest.raises(TypeError, match="not both"):
        view_of(None, None, Readable, ["write"])
    view = view_of(["level"], None, None, ["level"])
    assert view is not None
    with pytest.raises(AttributeError, match="reading it is always idempotent"):
        view.members(Vendor)


def test_without_arguments_there_is_no_view() -> None:
    assert view_of(None, None, None) is None


def test_exactly_the_named_members_are_reachable() -> None:
    members = named("read", "level", "hits").members(Vendor, Vendor())

    assert set(members.methods) == {"read"}
    assert set(members.attributes) == {"level", "hits"}
    assert members.methods["read"].function is Vendor.__dict__["read"]


def test_naming_an_attribute_makes_it_readable_only() -> None:
    members = named("level", "hits").members(Vendor, Vendor())

    for attribute in members.attributes.values():
        assert attribute.readable
        assert not attribute.writable


def test_writing_is_named_apart() -> None:
    view = named("level", writable=["level", "hits"])

    attributes = view.members(Vendor, Vendor()).attributes

    assert (attributes["level"].readable, attributes["level"].writable) == (True, True)
    assert (attributes["hits"].readable, attributes["hits"].writable) == (False, True)


@pytest.mark.parametrize(
    ("names", "writable", "message"),
    [
        (["_private"], [], "private names is not allowed: '_private'"),
        (["__init__"], [], "private names is not allowed: '__init__'"),
        (["read", "raed"], [], "Vendor has no 'raed' to expose; did you mean 'read'"),
        (["__dict__"], [], "'__dict__' of .*Vendor is not a method"),
        (["mro"], [], "has no 'mro'"),
        ([], ["read"], "'read' of .*Vendor is a method"),
        ([], ["_hidden"], "private"),
    ],
)
def test_a_name_that_cannot_be_exposed_is_refused(
    names: list[str], writable: list[str], message: str
) -> None:
    with pytest.raises(AttributeError, match=message):
        named(*names, writable=writable).members(Vendor, Vendor())


@pytest.mark.parametrize("name", ["fixed"])
def test_what_has_no_setter_cannot_be_writable(name: str) -> None:
    with pytest.raises(TypeError, match=f"'{name}' of .*Vendor cannot be written"):
        named(writable=[name]).members(Vendor, Vendor())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("read", None, None), r"takes several names: write \['read'\]"),
        (([5], None, None), "which are text, not 5"),
        ((None, ["level"], None), "give expose as well"),
        ((["read"], None, Readable), "not both"),
        ((None, ["level"], Readable), "not both"),
        ((None, None, "Readable"), "must be a class"),
        ((None, None, Sequence[int]), "must be a class"),
    ],
)
def test_arguments_that_make_no_view_are_explained(
    arguments: tuple[Any, Any, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        view_of(*arguments)


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ([1, 2], ["append", "__len__", "__getitem__", "__setitem__", "__iter__"]),
        ({}, ["get", "__contains__", "fromkeys", "pop"]),
        ({1}, ["add", "__contains__", "__len__"]),
        (collections.deque(), ["append", "popleft", "maxlen"]),
        (array.array("d"), ["append", "typecode", "__len__"]),
        (io.BytesIO(), ["read", "write", "closed"]),
        (SimpleNamespace(level=1), ["level"]),
    ],
)
def test_builtin_types_and_those_written_in_c_can_be_viewed(
    target: Any, names: list[str]
) -> None:
    members = named(*names).members(type(target), target)

    assert {*members.methods, *members.attributes} == set(names)


def test_calling_an_object_must_be_named() -> None:
    class Called:
        def __call__(self) -> str:
            return "called"

    method = named("__call__").members(Called).methods["__call__"]

    assert method.bind(Called())() == "called"


def test_an_interface_says_what_is_reachable_and_how() -> None:
    members = of_interface(Readable).members(Vendor, Vendor())

    assert set(members.methods) == {"write"}
    assert members.methods["write"].oneway
    assert members.methods["write"].function is Vendor.__dict__["write"]
    assert members.methods["write"].declaration is Readable.__dict__["write"]
    assert members.attributes["hits"].writable
    assert not members.attributes["level"].writable


def test_an_abstract_class_can_be_the_interface_of_a_builtin_type() -> None:
    members = of_interface(MutableSequence).members(list, [])

    assert {"append", "__setitem__", "__iter__"} <= set(members.methods)
    assert "sort" not in members.methods


def test_all_that_an_interface_has_and_the_object_has_not_is_named() -> None:
    class Interface(Protocol):
        raed: int

        def wrote(self) -> None: ...

        def level(self) -> None: ...

        @property
        def read(self) -> int: ...

    with pytest.raises(
        TypeError,
        match=r"Vendor does not have all that .*Interface declares: 'level' is not a "
        r"method, 'wrote' is missing \(did you mean 'write'\?\), 'raed' is missing "
        r"\(did you mean 'read'\?\), 'read' is not an attribute",
    ):
        of_interface(Interface).members(Vendor, Vendor())


def test_an_interface_cannot_promise_that_something_is_writable() -> None:
    class Interface(Protocol):
        fixed: int

    with pytest.raises(TypeError, match=r"'fixed' of .* cannot be written; an interf"):
        of_interface(Interface).members(Vendor, Vendor())


def test_instances_of_a_class_may_get_the_attributes_of_an_interface_later() -> None:
    class Interface(Protocol):
        hits: int

    attribute = of_interface(Interface).members(Vendor).attributes["hits"]

    assert attribute.descriptor.__get__(Vendor(), Vendor) == 0
    with pytest.raises(TypeError, match="'hits' is missing"):
        of_interface(Interface).members(list)


def test_how_instances_are_made_is_said_by_the_interface_or_the_class() -> None:
    @behavior("single")
    class Single: ...

    @behavior("percall")
    class Interface: ...

    class Plain: ...

    assert named().members(Single).instance_mode == "single"
    assert named().members(Plain).instance_mode == "session"
    assert of_interface(Plain).members(Single).instance_mode == "single"
    assert of_interface(Interface).members(Single).instance_mode == "percall"


def test_the_annotations_of_the_interface_allow_their_classes() -> None:
    @dataclass
    class Point:
        x: int

    @dataclass
    class Hidden:
        x: int

    class Interface:
        position: Point

    class Drawing:
        position: Hidden

        def draw(self, point: Hidden) -> None: ...

    for function in (Interface, Drawing):
        for name in function.__annotations__:
            function.__annotations__[name] = Point if function is Interface else Hidden
    Drawing.draw.__annotations__["point"] = Hidden

    of_interface(Interface).members(Drawing)

    assert allowed_class(class_name(Point)) is Point
    assert allowed_class(class_name(Hidden)) is None
    named("draw").members(Drawing)
    assert allowed_class(class_name(Hidden)) is Hidden


def test_a_view_of_a_class_is_worked_out_once_and_on_demand_anew() -> None:
    class Changing:
        def read(self) -> None: ...

    view = named("read")
    before = view.members(Changing)
    assert view.members(Changing) is before
    assert named("read").members(Changing, Changing()) is before

    forget_views(Changing, view)

    assert view.members(Changing) is not before


def test_what_one_object_has_is_not_taken_for_what_another_has() -> None:
    first, second = SimpleNamespace(level=1), SimpleNamespace(level=len)
    view = named("level")

    assert set(view.members(SimpleNamespace, first).attributes) == {"level"}
    assert set(view.members(SimpleNamespace, second).methods) == {"level"}


def test_a_class_is_not_kept_alive_by_its_views() -> None:
    def make() -> weakref.ref[type]:
        class Short:
            level = 1

        named("level").members(Short)
        return weakref.ref(Short)

    gone = make()
    gc.collect()

    assert gone() is None


def test_any_number_of_views_of_one_class_can_be_made() -> None:
    class Base:
        def read(self) -> None: ...

    for _ in range(150):
        interface = type("Interface", (), {"read": lambda self: None})
        assert set(of_interface(interface).members(Base).methods) == {"read"}
