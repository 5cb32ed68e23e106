from __future__ import annotations

import functools
from typing import Any, cast

import pytest

from pyro_protocol import behavior, callback, expose, idempotent, oneway
from pyro_protocol.contract import is_private_name, members_of

FORBIDDEN = [
    "__init__",
    "__init_subclass__",
    "__class__",
    "__module__",
    "__weakref__",
    "__call__",
    "__new__",
    "__del__",
    "__repr__",
    "__str__",
    "__format__",
    "__nonzero__",
    "__bool__",
    "__coerce__",
    "__cmp__",
    "__eq__",
    "__ne__",
    "__hash__",
    "__ge__",
    "__gt__",
    "__le__",
    "__lt__",
    "__dir__",
    "__enter__",
    "__exit__",
    "__copy__",
    "__deepcopy__",
    "__sizeof__",
    "__getattr__",
    "__setattr__",
    "__hasattr__",
    "__getattribute__",
    "__delattr__",
    "__instancecheck__",
    "__subclasscheck__",
    "__getinitargs__",
    "__getnewargs__",
    "__getstate__",
    "__setstate__",
    "__reduce__",
    "__reduce_ex__",
    "__subclasshook__",
]


def is_exposed(function: object) -> bool:
    return getattr(function, "_pyroExposed", False) is True


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_special_name_on_the_fixed_list_is_private(name: str) -> None:
    assert is_private_name(name)


@pytest.mark.parametrize(
    "name", ["_", "_x", "__", "___", "____", "__x", "__x_", "_x__"]
)
def test_a_name_with_a_leading_underscore_is_private(name: str) -> None:
    assert is_private_name(name)


@pytest.mark.parametrize(
    "name", ["x", "x_", "x__", "", "method", "__len__", "__x__", "_____", "__iter__"]
)
def test_other_names_are_public(name: str) -> None:
    assert not is_private_name(name)


def test_expose_marks_a_function_and_returns_it() -> None:
    def method() -> None: ...

    assert expose(method) is method
    assert is_exposed(method)


@pytest.mark.parametrize("name", ["_private", "__init__", "__secret"])
def test_a_private_function_cannot_be_exposed(name: str) -> None:
    def method() -> None: ...

    method.__name__ = name

    with pytest.raises(AttributeError, match=f"private.*{name}"):
        expose(method)
    assert not is_exposed(method)


def test_a_private_class_cannot_be_exposed() -> None:
    class _Hidden: ...

    with pytest.raises(AttributeError, match="_Hidden"):
        expose(_Hidden)


def test_a_private_property_cannot_be_exposed() -> None:
    with pytest.raises(AttributeError, match="_level"):

        class Thing:
            @expose  # type: ignore[prop-decorator] # mypy knows no such property
            @property
            def _level(self) -> int:
                return 1


@pytest.mark.parametrize("target", [5, "text", None, object()])
def test_what_has_no_name_cannot_be_exposed(target: object) -> None:
    with pytest.raises(AttributeError, match="has no name"):
        expose(target)


@pytest.mark.parametrize("decorator", [staticmethod, classmethod])
def test_the_wrong_order_of_decorators_is_explained(decorator: Any) -> None:
    def method(*_args: object) -> None: ...

    with pytest.raises(AttributeError, match=f"@expose below @{decorator.__name__}"):
        expose(decorator(method))


@pytest.mark.parametrize("decorator", [staticmethod, classmethod])
def test_expose_can_be_applied_before_static_and_class_methods(decorator: Any) -> None:
    def method(*_args: object) -> None: ...

    thing = type("Thing", (), {"method": decorator(expose(method))})

    assert set(members_of(thing).methods) == {"method"}


def test_exposing_a_class_marks_its_own_public_members() -> None:
    @expose
    class Thing:
        constant = 5

        def method(self) -> None: ...

        async def coroutine(self) -> None: ...

        @staticmethod
        def static() -> None: ...

        @classmethod
        def klass(cls) -> None: ...

        @functools.lru_cache  # noqa: B019 - kept by the class for the test only
        def cached(self) -> None: ...

        @property
        def level(self) -> int:
            return 1

        @level.setter
        def level(self, value: int) -> None: ...

        @functools.cached_property
        def slow(self) -> int:
            return 1

        def __len__(self) -> int:
            return 0

        def __repr__(self) -> str:
            return ""

        def _private(self) -> None: ...

        class Nested:
            def inner(self) -> None: ...

    members = members_of(Thing)
    assert is_exposed(Thing)
    assert set(members.methods) == {
        "__len__", "cached", "coroutine", "klass", "method", "static",
    }  # fmt: skip
    assert set(members.attributes) == {"level", "slow"}
    assert members.attributes["level"].writable
    assert not is_exposed(Thing._private)
    assert not is_exposed(Thing.Nested)
    assert not is_exposed(Thing.Nested.inner)


def test_exposing_a_class_leaves_its_bases_alone() -> None:
    class Base:
        def inherited(self) -> None: ...

        @expose
        def marked(self) -> None: ...

    @expose
    class Derived(Base):
        def own(self) -> None: ...

    assert set(members_of(Derived).methods) == {"marked", "own"}
    assert set(members_of(Base).methods) == {"marked"}


def test_a_subclass_inherits_what_its_base_exposes() -> None:
    @expose
    class Base:
        def method(self) -> None: ...

        @property
        def level(self) -> int:
            return 1

    class Derived(Base):
        def own(self) -> None: ...

    assert set(members_of(Derived).methods) == {"method"}
    assert set(members_of(Derived).attributes) == {"level"}


def test_overriding_an_exposed_method_without_the_mark_withdraws_it() -> None:
    @expose
    class Base:
        def method(self) -> None: ...

    class Derived(Base):
        def method(self) -> None: ...

    assert set(members_of(Derived).methods) == set()


def test_exposing_the_getter_alone_does_not_make_the_setter_reachable() -> None:
    class Thing:
        @expose  # type: ignore[prop-decorator] # mypy knows no such property
        @property
        def level(self) -> int:
            return 1

        @level.setter
        def level(self, value: int) -> None: ...

    level = members_of(Thing).attributes["level"]
    assert level.readable
    assert not level.writable


def test_exposing_setter_as_well_makes_it_reachable() -> None:
    class Thing:
        @property
        def level(self) -> int:
            return 1

        @expose  # type: ignore[misc] # mypy knows no such property
        @level.setter
        def level(self, value: int) -> None: ...

    level = members_of(Thing).attributes["level"]
    assert level.readable
    assert level.writable


def test_an_exposed_property_without_getter_can_only_be_written() -> None:
    def assign(self: object, value: int) -> None: ...

    class Thing:
        level = expose(property(None, assign))

    level = members_of(Thing).attributes["level"]
    assert not level.readable
    assert level.writable


def test_the_accessor_below_the_property_can_carry_the_mark() -> None:
    class Thing:
        @property
        @expose
        def level(self) -> int:
            return 1

    assert members_of(Thing).attributes["level"].readable


def test_an_exposed_cached_property_is_an_attribute() -> None:
    class Thing:
        @expose  # type: ignore[prop-decorator] # mypy knows no such property
        @functools.cached_property
        def slow(self) -> int:
            return 1

    members = members_of(Thing)
    assert set(members.methods) == set()
    assert members.attributes["slow"].readable
    assert not members.attributes["slow"].writable


def test_oneway_can_stand_above_or_below_expose() -> None:
    class Thing:
        @oneway
        @expose
        def above(self) -> None: ...

        @expose
        @oneway
        def below(self) -> None: ...

        @oneway
        @staticmethod
        @expose
        def static() -> None: ...

        @oneway
        def hidden(self) -> None: ...

    assert members_of(Thing).metadata()["oneway"] == {"above", "below", "static"}


def test_a_property_cannot_be_oneway() -> None:
    with pytest.raises(AttributeError, match="property"):
        oneway(cast("Any", property(lambda self: 1)))


def test_idempotent_can_stand_above_or_below_expose_and_exposes_nothing() -> None:
    class Thing:
        @idempotent
        @expose
        def above(self) -> None: ...

        @expose
        @idempotent
        def below(self) -> None: ...

        @idempotent
        @staticmethod
        @expose
        def static() -> None: ...

        @expose
        def other(self) -> None: ...

        @idempotent
        def hidden(self) -> None: ...

    class Derived(Thing):
        @expose
        def below(self) -> None: ...

    def marked(clazz: type) -> set[str]:
        methods = members_of(clazz).methods.values()
        return {one.name for one in methods if one.idempotent}

    assert marked(Thing) == {"above", "below", "static"}
    assert marked(Derived) == {"above", "static"}
    assert "hidden" not in members_of(Thing).methods


@pytest.mark.parametrize("kind", [property, functools.cached_property])
def test_a_property_cannot_be_idempotent(kind: Any) -> None:
    with pytest.raises(AttributeError, match="reading it always is"):
        idempotent(kind(lambda self: 1))


def test_callback_is_known_to_the_method() -> None:
    class Thing:
        @expose
        @callback
        def called(self) -> None: ...

        @expose
        def other(self) -> None: ...

    methods = members_of(Thing).methods
    assert methods["called"].callback
    assert not methods["other"].callback


def test_behavior_says_how_instances_are_made() -> None:
    def creator(clazz: type) -> object:
        return clazz()

    @behavior(instance_mode="single", instance_creator=creator)
    class Thing: ...

    class Derived(Thing): ...

    for clazz in (Thing, Derived):
        assert members_of(clazz).instance_mode == "single"
        assert members_of(clazz).instance_creator is creator


def test_without_behavior_each_session_gets_an_instance() -> None:
    class Thing: ...

    assert members_of(Thing).instance_mode == "session"
    assert members_of(Thing).instance_creator is None


def test_behavior_without_parentheses_is_explained() -> None:
    with pytest.raises(SyntaxError, match="parentheses"):

        @behavior  # type: ignore[arg-type] # the point
        class Thing: ...


def test_an_unknown_instance_mode_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"'shared'.*session, single, percall"):
        behavior(instance_mode=cast("Any", "shared"))


def test_the_instance_creator_must_be_callable() -> None:
    with pytest.raises(TypeError, match="callable"):
        behavior("single", cast("Any", 5))


def test_behavior_applies_to_classes_only() -> None:
    def function() -> None: ...

    with pytest.raises(TypeError, match="classes"):
        behavior()(cast("Any", function))
