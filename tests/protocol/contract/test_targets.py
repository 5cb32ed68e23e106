from __future__ import annotations

import collections
import functools
import io
import json
import operator
import re
from types import SimpleNamespace
from typing import Any

import pytest

from pyro_protocol import callback, oneway
from pyro_protocol.contract import Attribute, Method
from pyro_protocol.contract.targets import Target


class Tripwire:
    """A descriptor that nobody may trigger just to see what there is."""

    def __get__(self, instance: object, owner: type) -> object:
        raise AssertionError("was triggered")


class Vendor:
    units = "C"
    trap = Tripwire()
    annotated: int
    helper = operator.methodcaller("upper")

    class Nested: ...

    def __init__(self) -> None:
        self.own = 1
        self.hook = lambda: "hook"
        self.read = self._patched  # type: ignore[method-assign] # the point

    def _patched(self) -> str:
        return "patched"

    def read(self) -> str:
        return "read"

    async def wait(self) -> None: ...

    @oneway
    @callback
    def start(self) -> None: ...

    @staticmethod
    def static() -> str:
        return "static"

    @classmethod
    def klass(cls) -> str:
        return cls.__name__

    def add(self, a: int, b: int) -> int:
        return a + b

    increment = functools.partialmethod(add, 1)

    @property
    def level(self) -> int:
        raise AssertionError("was triggered")

    @property
    def limit(self) -> int:
        raise AssertionError("was triggered")

    @limit.setter
    def limit(self, value: int) -> None: ...

    only_set = property(None, lambda _self, _value: None)

    @functools.cached_property
    def slow(self) -> int:
        raise AssertionError("was triggered")

    def __len__(self) -> int:
        return 3


def call(target: Target, name: str, instance: Any, *args: object) -> object:
    method = target.find(name)
    assert isinstance(method, Method)
    if method.function is not None:
        assert method.function(instance, *args) == method.bind(instance)(*args)
    return method.bind(instance)(*args)


@pytest.mark.parametrize(
    ("name", "args", "result"),
    [
        ("static", (), "static"),
        ("klass", (), "Vendor"),
        ("increment", (2,), 3),
        ("helper", ("a",), "A"),
        ("read", (), "patched"),
        ("hook", (), "hook"),
        ("__len__", (), 3),
    ],
)
def test_what_can_be_called_is_a_method(
    name: str, args: tuple[object, ...], result: object
) -> None:
    vendor = Vendor()

    assert call(Target(Vendor, vendor), name, vendor, *args) == result


def test_marks_count_where_there_are_some() -> None:
    target = Target(Vendor)
    start, wait = target.find("start"), target.find("wait")
    assert isinstance(start, Method)
    assert isinstance(wait, Method)

    assert (start.oneway, start.callback, start.coroutine) == (True, True, False)
    assert (wait.oneway, wait.callback, wait.coroutine) == (False, False, True)


@pytest.mark.parametrize(
    ("name", "readable", "writable"),
    [
        ("level", True, False),
        ("limit", True, True),
        ("only_set", False, True),
        ("slow", True, False),
        ("units", True, True),
        ("own", True, True),
        ("annotated", True, True),
        ("trap", True, False),
    ],
)
def test_what_holds_a_value_is_an_attribute_and_is_not_read(
    name: str, readable: bool, writable: bool
) -> None:
    attribute = Target(Vendor, Vendor()).find(name)

    assert isinstance(attribute, Attribute)
    assert (attribute.readable, attribute.writable) == (readable, writable)


def test_values_are_read_and_written_as_python_does() -> None:
    vendor = Vendor()
    target = Target(Vendor, vendor)
    own, units = target.find("own"), target.find("units")
    assert isinstance(own, Attribute)
    assert isinstance(units, Attribute)

    own.descriptor.__set__(vendor, 7)
    units.descriptor.__set__(vendor, "F")

    assert own.descriptor.__get__(vendor, Vendor) == 7
    assert (vendor.units, Vendor.units) == ("F", "C")


def test_a_value_in_a_class_whose_instances_hold_none_can_only_be_read() -> None:
    class Fixed:
        __slots__ = ("level",)
        units = "C"

    units, level = Target(Fixed).find("units"), Target(Fixed).find("level")
    assert isinstance(units, Attribute)
    assert isinstance(level, Attribute)

    assert not units.writable
    assert level.writable


@pytest.mark.parametrize(
    ("instance", "name", "args", "result"),
    [
        ([3, 1], "index", (1,), 1),
        ({"a": 1}, "get", ("a",), 1),
        (collections.deque([1]), "__getitem__", (0,), 1),
        (io.BytesIO(b"abc"), "getvalue", (), b"abc"),
        (re.compile("a"), "findall", ("aa",), ["a", "a"]),
        (json, "dumps", ([1],), "[1]"),
        (SimpleNamespace(f=len), "f", ("ab",), 2),
        ({}, "fromkeys", ("a",), {"a": None}),
    ],
)
def test_builtin_types_and_modules_have_methods(
    instance: Any, name: str, args: tuple[object, ...], result: object
) -> None:
    assert call(Target(type(instance), instance), name, instance, *args) == result


@pytest.mark.parametrize("name", ["Nested", "__dict__", "__doc__", "__module__"])
def test_classes_and_special_attributes_are_refused(name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        Target(Vendor, Vendor()).find(name)


def test_special_methods_are_those_of_the_class() -> None:
    class Empty: ...

    empty: Any = Empty()
    empty.__len__ = lambda: 5

    assert Target(Empty, empty).find("__len__") is None


def test_a_name_that_is_not_there_gets_a_suggestion() -> None:
    target = Target(Vendor, Vendor())

    assert target.find("raed") is None
    assert target.suggest("raed") == "; did you mean 'read'?"
    assert target.near("qqq") is None
    assert target.suggest("qqq") == ""
    assert "annotates" in Target(Vendor).suggest("qqq")
    assert Target(list).suggest("qqq") == ""


def test_what_an_object_holds_itself_is_not_kept_alive_by_a_weak_view() -> None:
    vendor = Vendor()
    strong, weak = Target(Vendor, vendor), Target(Vendor, vendor, weak=True)
    kept, left = strong.find("read"), weak.find("read")
    assert isinstance(kept, Method)
    assert isinstance(left, Method)

    assert strong.own_used
    assert weak.own_used
    assert kept.declaration is not None
    assert left.declaration is None


def test_only_of_a_class_attributes_may_be_assigned_later() -> None:
    assert Target(Vendor).assigned_later("own") is not None
    assert Target(Vendor, Vendor()).assigned_later("other") is None
    assert Target(list).assigned_later("other") is None
