from __future__ import annotations

import functools
import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import expose
from pyro_protocol.contract import members_of, reset_members

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Tripwire:
    """A descriptor that nobody may trigger just to see what a class offers."""

    def __get__(self, instance: object, owner: type) -> object:
        raise AssertionError("was triggered")


def test_the_metadata_are_the_names_that_the_handshake_carries() -> None:
    @expose
    class Thing:
        def method(self) -> None: ...

        @property
        def level(self) -> int:
            return 1

    assert members_of(Thing).metadata() == {
        "methods": {"method"},
        "oneway": set(),
        "attrs": {"level"},
    }


def test_what_is_offered_is_worked_out_once_and_cannot_be_changed() -> None:
    @expose
    class Thing:
        def method(self) -> None: ...

    members = members_of(Thing)

    assert members.offer == members.metadata()
    assert members.offer is members.offer
    assert all(type(names) is frozenset for names in members.offer.values())
    with pytest.raises(TypeError):
        members.offer["methods"] = frozenset()  # type: ignore[index] # that is the point


def test_metadata_may_be_changed_by_whoever_got_them() -> None:
    @expose
    class Thing:
        def method(self) -> None: ...

    members_of(Thing).metadata()["methods"].add("other")

    assert members_of(Thing).metadata()["methods"] == {"method"}


def test_a_class_that_exposes_nothing_has_empty_metadata() -> None:
    class Thing:
        def method(self) -> None: ...

    assert members_of(Thing).metadata() == {
        "methods": set(),
        "oneway": set(),
        "attrs": set(),
    }


def test_finding_out_what_a_class_offers_runs_none_of_its_code() -> None:
    class Meta(type):
        def __getattr__(cls, name: str) -> object:
            raise AssertionError("was triggered")

    class Thing(metaclass=Meta):
        _pyroInstancing = ("session", None)
        trap = Tripwire()

        @expose
        def method(self) -> None: ...

    assert set(members_of(Thing).methods) == {"method"}


def test_instances_of_exposed_classes_are_not_members_of_their_holder() -> None:
    @expose
    class Callable:
        def __call__(self) -> str:
            return "leaked"

    @expose
    class Thing:
        helper = Callable()
        kind = Callable

        def method(self) -> None: ...

    assert set(members_of(Thing).methods) == {"method"}


def test_methods_bind_to_the_instance_or_the_class() -> None:
    @expose
    class Thing:
        def method(self) -> object:
            return self

        @classmethod
        def klass(cls) -> object:
            return cls

        @staticmethod
        def static() -> object:
            return "static"

    thing = Thing()
    methods = members_of(Thing).methods
    assert methods["method"].bind(thing)() is thing
    assert methods["klass"].bind(thing)() is Thing
    assert methods["static"].bind(thing)() == "static"
    assert methods["method"].function is Thing.__dict__["method"]
    assert methods["klass"].function is None


def test_only_functions_that_are_written_async_are_coroutines() -> None:
    def passed_on(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any) -> Any:
            return function(*args)

        return wrapper

    @expose
    class Thing:
        async def method(self) -> None: ...

        @classmethod
        async def klass(cls) -> None: ...

        @staticmethod
        async def static() -> None: ...

        @passed_on
        async def wrapped(self) -> None: ...

        async def stream(self) -> AsyncIterator[int]:
            yield 1

        def plain(self) -> None: ...

    methods = members_of(Thing).methods
    assert {name for name, one in methods.items() if one.coroutine} == {
        *("method", "klass", "static"),
    }


def test_calling_an_object_is_exposed_by_a_mark_of_its_own_only() -> None:
    @expose
    class Unmarked:
        def run(self) -> None: ...

        def __call__(self) -> None: ...

    @expose
    class Alias:
        def run(self) -> None: ...

        __call__ = run

    class Marked:
        @expose
        def __call__(self) -> str:
            return "called"

    assert set(members_of(Unmarked).methods) == {"run"}
    assert set(members_of(Alias).methods) == {"run"}
    assert members_of(Marked).methods["__call__"].bind(Marked())() == "called"


def test_what_a_class_offers_is_worked_out_once() -> None:
    @expose
    class Thing:
        def method(self) -> None: ...

    before = members_of(Thing)

    def added(self: Thing) -> None: ...

    Thing.added = expose(added)  # type: ignore[attr-defined] # a change at run time
    assert members_of(Thing) is before

    reset_members(Thing)
    assert set(members_of(Thing).methods) == {"method", "added"}


def test_forgetting_a_class_that_was_never_looked_at_is_harmless() -> None:
    class Thing: ...

    reset_members(Thing)


def test_a_class_that_nobody_uses_any_more_is_not_kept_alive() -> None:
    def make() -> weakref.ref[type]:
        @expose
        class Thing:
            def method(self) -> None: ...

        members_of(Thing)
        return weakref.ref(Thing)

    gone = make()
    gc.collect()

    assert gone() is None
