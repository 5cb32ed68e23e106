from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import expose, requires
from pyro_protocol.contract import members_of, reset_members
from pyro_protocol.contract.roles import Requirements, unmet
from pyro_protocol.contract.views import view_of

if TYPE_CHECKING:
    from collections.abc import Callable

USER, ADMIN = frozenset({"user"}), frozenset({"admin"})


@expose
class Lamp:
    @requires("user", "guest")
    def shine(self) -> None:
        pass

    def look(self) -> None:
        pass

    @requires("user")
    @staticmethod
    def static() -> None:
        pass

    @classmethod
    @requires("user")
    def klass(cls) -> None:
        pass

    @requires("user")
    async def later(self) -> None:
        pass

    @property
    @requires("user")
    def level(self) -> int:
        return 0

    @level.setter
    @requires("admin")
    def level(self, value: int) -> None:
        pass

    @requires("user")  # type: ignore[prop-decorator] # mypy knows no such property
    @functools.cached_property
    def cached(self) -> int:
        return 1

    @requires("user")
    @functools.lru_cache  # noqa: B019 - the instances of this test are few
    def remembered(self) -> int:
        return 1


@expose
@requires("user")
class Office:
    def enter(self) -> None:
        pass

    @requires("admin")
    def open_safe(self) -> None:
        pass

    @property
    def clock(self) -> int:
        return 12


@expose
class Branch(Office):
    def open_safe(self) -> None:
        """Override it, and forget the mark."""

    def leave(self) -> None:
        pass


def requirements(clazz: type) -> Requirements:
    found = members_of(clazz).requirements
    assert found is not None
    return found


def test_a_method_demands_one_of_the_roles_it_is_marked_with() -> None:
    demand = requirements(Lamp).methods["shine"]

    assert demand == (frozenset({"user", "guest"}),)
    assert unmet(demand, USER) is None
    assert unmet(demand, frozenset({"guest", "other"})) is None
    assert unmet(demand, ADMIN) == frozenset({"user", "guest"})
    assert unmet(demand, frozenset()) == frozenset({"user", "guest"})
    assert unmet(demand, None) == frozenset({"user", "guest"})


def test_methods_without_a_mark_demand_nothing() -> None:
    assert requirements(Lamp).methods["look"] == ()
    assert unmet((), None) is None


@pytest.mark.parametrize("name", ["static", "klass", "later", "remembered"])
def test_all_kinds_of_methods_can_be_marked(name: str) -> None:
    assert requirements(Lamp).methods[name] == (USER,)


def test_writing_demands_what_reading_does_besides_its_own() -> None:
    found = requirements(Lamp)

    assert found.reading["level"] == (USER,)
    assert found.writing["level"] == (USER, ADMIN)
    assert found.reading["cached"] == (USER,)


def test_a_marked_property_is_marked_for_writing_too() -> None:
    @expose
    class Thing:
        @requires("user")  # type: ignore[prop-decorator] # mypy knows no such property
        @property
        def value(self) -> int:
            return 1

        @value.setter
        def value(self, value: int) -> None:
            pass

    found = requirements(Thing)
    assert found.reading["value"] == found.writing["value"] == (USER,)


def test_what_a_class_demands_holds_for_every_member() -> None:
    found = requirements(Office)

    assert found.common == (USER,)
    assert found.methods == {"enter": (USER,), "open_safe": (USER, ADMIN)}
    assert found.reading["clock"] == (USER,)


def test_subclasses_demand_what_their_bases_do_also_of_what_they_override() -> None:
    found = requirements(Branch)

    assert found.methods["open_safe"] == (USER, ADMIN)
    assert found.methods["leave"] == (USER,)


def test_marks_of_subclasses_do_not_reach_their_bases() -> None:
    @requires("clerk")
    class Sub(Office):
        pass

    assert requirements(Sub).common == (frozenset({"clerk"}), USER)
    assert requirements(Office).common == (USER,)


def test_two_marks_demand_both() -> None:
    @expose
    class Thing:
        @requires("user")
        @requires("admin")
        def method(self) -> None:
            pass

    demand = requirements(Thing).methods["method"]
    assert unmet(demand, USER | ADMIN) is None
    assert unmet(demand, USER) == ADMIN
    assert unmet(demand, ADMIN) == USER


def test_without_roles_the_caller_only_has_to_be_known() -> None:
    @expose
    class Thing:
        @requires()
        def method(self) -> None:
            pass

    demand = requirements(Thing).methods["method"]
    assert unmet(demand, frozenset()) is None
    assert unmet(demand, None) == frozenset()


def test_a_class_without_marks_has_no_requirements() -> None:
    @expose
    class Plain:
        def method(self) -> None:
            pass

    assert members_of(Plain).requirements is None


def test_marks_that_come_later_count_after_a_reset() -> None:
    @expose
    class Thing:
        def method(self) -> None:
            pass

    assert members_of(Thing).requirements is None
    requires("user")(Thing)
    reset_members(Thing)

    assert requirements(Thing).common == (USER,)


def test_a_mark_is_passed_on_by_decorators_that_wrap() -> None:
    def noisy(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any) -> Any:
            return function(*args)

        return wrapper

    @expose
    class Thing:
        @noisy
        @requires("user")
        def method(self) -> None:
            pass

    assert requirements(Thing).methods["method"] == (USER,)


def test_views_demand_what_the_class_does() -> None:
    view = view_of({"open_safe", "clock"}, None, None)
    assert view is not None

    found = view.members(Office).requirements

    assert found is not None
    assert found.methods == {"open_safe": (USER, ADMIN)}
    assert found.reading == {"clock": (USER,)}


def test_interfaces_can_demand_more_than_the_class() -> None:
    class Interface:
        @requires("admin")
        def enter(self) -> None: ...

    view = view_of(None, None, Interface)
    assert view is not None

    found = view.members(Office).requirements

    assert found is not None
    assert set(found.methods["enter"]) == {USER, ADMIN}


def test_the_parentheses_are_needed() -> None:
    with pytest.raises(SyntaxError, match="parentheses"):
        requires(lambda: None)  # type: ignore[arg-type] # the mistake under test
    with pytest.raises(SyntaxError, match="parentheses"):
        requires(Lamp)  # type: ignore[arg-type] # the mistake under test
    with pytest.raises(SyntaxError, match="parentheses"):
        requires(property())  # type: ignore[arg-type] # the mistake under test


@pytest.mark.parametrize("role", [5, None, ["user"], b"user"])
def test_a_role_has_to_be_text(role: Any) -> None:
    with pytest.raises(TypeError, match="must be text"):
        requires(role)


def test_a_role_has_to_have_a_name() -> None:
    with pytest.raises(ValueError, match="needs a name"):
        requires("")


@pytest.mark.parametrize("target", [5, "text", property(), len])
def test_what_cannot_be_marked_is_refused(target: Any) -> None:
    with pytest.raises(TypeError, match="requires"):
        requires("user")(target)
