from __future__ import annotations

import functools
from typing import Any

import pytest

from pyro_protocol import behavior, concurrency, expose, oneway
from pyro_protocol.contract import Passage, members_of, view_of
from pyro_protocol.contract.concurrency import FREE, SERIAL, Requirement, combined


def passages(clazz: type) -> dict[str, Passage | None]:
    return {name: one.passage for name, one in members_of(clazz).methods.items()}


def test_without_a_mark_nothing_has_to_be_entered() -> None:
    @expose
    class Thing:
        def method(self) -> None: ...

        @property
        def level(self) -> int:
            return 1

    members = members_of(Thing)

    assert members.methods["method"].passage is None
    assert members.attributes["level"].read_passage is None
    assert members.attributes["level"].write_passage is None


def test_of_a_serial_class_all_calls_enter_one_gate_one_by_one() -> None:
    @expose
    @concurrency("serial")
    class Thing:
        def method(self) -> None: ...

        @staticmethod
        def helper() -> None: ...

        @property
        def level(self) -> int:
            return 1

    assert passages(Thing) == {"method": SERIAL, "helper": SERIAL}
    assert members_of(Thing).attributes["level"].read_passage == SERIAL


def test_a_number_is_the_room_in_the_gate() -> None:
    @concurrency(3)
    @expose
    class Thing:
        def method(self) -> None: ...

    assert passages(Thing) == {"method": (Requirement("", 3, 1),)}


def test_with_readers_and_writers_only_writers_take_all_the_room() -> None:
    @expose
    @concurrency("readers-writer")
    class Thing:
        @concurrency("read")
        def look(self) -> None: ...

        @concurrency("write")
        def change(self) -> None: ...

        def unmarked(self) -> None: ...

        @property
        def level(self) -> int:
            return 1

        @level.setter
        def level(self, value: int) -> None: ...

        @functools.cached_property
        def cached(self) -> int:
            return 1

        @property
        @concurrency("write")
        def next_number(self) -> int:
            return 1

    found = passages(Thing)
    assert found["look"] is not None
    assert found["change"] is not None
    (reading,), (writing,) = found["look"], found["change"]
    attributes = members_of(Thing).attributes

    assert reading.share == 1
    assert writing.share == writing.limit == reading.limit
    assert found["unmarked"] == (writing,)
    assert attributes["level"].read_passage == (reading,)
    assert attributes["level"].write_passage == (writing,)
    assert attributes["cached"].read_passage == (reading,)
    assert attributes["next_number"].read_passage == (writing,)


def test_a_mark_on_a_method_counts_instead_of_that_of_the_class() -> None:
    @expose
    @concurrency("serial")
    class Machine:
        def move(self) -> None: ...

        @concurrency("unlimited")
        def stop(self) -> None: ...

        @concurrency(2)
        def watch(self) -> None: ...

        @classmethod
        @concurrency("serial")
        def inner(cls) -> None: ...

        @concurrency("serial")
        @classmethod
        def outer(cls) -> None: ...

    assert passages(Machine) == {
        "move": SERIAL,
        "stop": FREE,
        "watch": (Requirement("watch", 2, 1),),
        "inner": (Requirement("inner", 1, 1),),
        "outer": (Requirement("outer", 1, 1),),
    }


def test_a_mark_on_a_property_counts_for_all_its_accessors() -> None:
    class Machine:
        @property
        def speed(self) -> int:
            return 1

        @speed.setter
        def speed(self, value: int) -> None: ...

        concurrency("serial")(expose(speed))

    speed = members_of(Machine).attributes["speed"]

    assert speed.read_passage == speed.write_passage == (Requirement("speed", 1, 1),)


def test_a_class_without_bound_says_so_for_its_methods() -> None:
    @expose
    @concurrency("unlimited")
    class Thing:
        def method(self) -> None: ...

    assert passages(Thing) == {"method": FREE}


def test_the_policy_is_inherited_and_can_be_replaced() -> None:
    @expose
    @concurrency("readers-writer")
    class Base:
        @concurrency("read")
        def look(self) -> None: ...

        @concurrency("unlimited")
        def stop(self) -> None: ...

    @expose
    class Heir(Base):
        def change(self) -> None: ...

    @expose
    @concurrency("serial")
    class Strict(Base): ...

    assert passages(Heir)["look"] == passages(Base)["look"]
    assert passages(Heir)["change"] not in (None, FREE, passages(Base)["look"])
    assert passages(Strict) == {"look": SERIAL, "stop": FREE}


def test_it_goes_along_with_the_other_marks_in_any_order() -> None:
    @concurrency("serial")
    @behavior("single")
    @expose
    class Thing:
        @oneway
        @concurrency("unlimited")
        def first(self) -> None: ...

        @concurrency("unlimited")
        @oneway
        def second(self) -> None: ...

    assert passages(Thing) == {"first": FREE, "second": FREE}
    assert all(one.oneway for one in members_of(Thing).methods.values())


def test_a_view_keeps_the_policy_of_the_class() -> None:
    @concurrency("serial")
    class Thing:
        level = 1

        def method(self) -> None: ...

        @concurrency("unlimited")
        def stop(self) -> None: ...

    view = view_of(["method", "stop", "level"], None, None)
    assert view is not None
    members = view.members(Thing)

    assert members.methods["method"].passage == SERIAL
    assert members.methods["stop"].passage == FREE
    assert members.attributes["level"].read_passage == SERIAL


def test_an_interface_may_have_the_policy_that_the_class_lacks() -> None:
    class Thing:
        def look(self) -> None: ...

        def change(self) -> None: ...

    @concurrency("readers-writer")
    class Interface:
        @concurrency("read")
        def look(self) -> None: ...

        def change(self) -> None: ...

    view = view_of(None, None, Interface)
    assert view is not None
    methods = view.members(Thing).methods

    assert methods["look"].passage not in (None, FREE)
    assert methods["change"].passage not in (None, FREE, methods["look"].passage)


@pytest.mark.parametrize("policy", ["parallel", "", 0, -1])
def test_a_policy_that_does_not_exist_is_refused(policy: Any) -> None:
    with pytest.raises(ValueError, match=r"policy|at least 1"):
        concurrency(policy)


@pytest.mark.parametrize("policy", [True, 1.5, None])
def test_a_policy_of_another_type_is_refused(policy: Any) -> None:
    with pytest.raises(TypeError, match="text or a number"):
        concurrency(policy)


def test_a_forgotten_policy_is_noticed() -> None:
    with pytest.raises(SyntaxError, match=r'@concurrency\("serial"\)'):

        @concurrency  # type: ignore[arg-type]
        class Thing: ...


@pytest.mark.parametrize("policy", ["read", "write"])
def test_a_policy_of_methods_is_refused_on_a_class(policy: Any) -> None:
    with pytest.raises(TypeError, match="is for methods"):

        @concurrency(policy)
        class Thing: ...


def test_the_policy_of_a_class_is_refused_on_a_method() -> None:
    with pytest.raises(TypeError, match="is for classes"):

        class Thing:
            @concurrency("readers-writer")
            def method(self) -> None: ...


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="classes, methods and properties"):
        concurrency("serial")(42)


def test_readers_without_the_policy_for_them_are_noticed_at_once() -> None:
    with pytest.raises(TypeError, match=r"Thing\.look is marked 'read'"):

        @concurrency("serial")
        class Thing:
            @property
            @concurrency("read")
            def look(self) -> None: ...


def test_readers_of_a_class_without_policy_are_noticed_when_it_is_registered() -> None:
    @expose
    class Thing:
        @concurrency("read")
        def look(self) -> None: ...

    with pytest.raises(TypeError, match="'look' is marked"):
        members_of(Thing)


def test_calls_combined_need_the_most_that_each_needs_at_a_gate() -> None:
    reading, writing = Requirement("", 9, 1), Requirement("", 9, 9)
    own = Requirement("own", 2, 1)

    assert combined([(reading,), FREE, (own,), (writing,), (reading,)]) == (
        writing,
        own,
    )
    assert combined([]) == FREE
