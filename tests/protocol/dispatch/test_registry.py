from __future__ import annotations

import gc
import re
import threading
import weakref
from collections import deque
from collections.abc import Sized
from contextlib import nullcontext
from typing import Any, Protocol

import pytest

from pyro_protocol import URI, behavior, expose
from pyro_protocol.dispatch import ClientConnection, ObjectRegistry, Registration
from pyro_protocol.errors import DaemonError


@expose
class Thing:
    def method(self) -> None: ...


class Readable(Protocol):
    def read(self) -> int: ...


class EqualToAll:
    """Equal to everything, and therefore not usable to find objects by."""

    __hash__ = None  # type: ignore[assignment] # not hashable, on purpose

    def __eq__(self, other: object) -> bool:
        return True


@pytest.fixture
def registry() -> ObjectRegistry:
    return ObjectRegistry(threading.RLock)


def test_a_registered_object_is_found_by_its_id(registry: ObjectRegistry) -> None:
    thing = Thing()

    entry = registry.register(thing, "example.thing")

    assert entry.object_id == "example.thing"
    assert registry.get("example.thing") is entry
    assert entry.object() is thing
    assert registry.id_of(thing) == "example.thing"
    assert "example.thing" in registry
    assert len(registry) == 1
    assert list(registry) == [entry]


@pytest.mark.parametrize("object_id", [None, ""])
def test_without_an_id_a_random_one_is_made(
    registry: ObjectRegistry, object_id: str | None
) -> None:
    first = registry.register(Thing(), object_id).object_id
    second = registry.register(Thing(), object_id).object_id

    assert re.fullmatch(r"obj_[0-9a-f]{32}", first)
    assert first != second


@pytest.mark.parametrize("object_id", [5, b"thing", ["thing"]])
def test_an_id_must_be_text(registry: ObjectRegistry, object_id: Any) -> None:
    with pytest.raises(TypeError, match=type(object_id).__name__):
        registry.register(Thing(), object_id)
    assert len(registry) == 0


@pytest.mark.parametrize("object_id", ["a b", "a\n", "\u2003", "a@b", "@"])
def test_an_id_that_cannot_be_part_of_a_uri_is_refused_and_nothing_kept(
    registry: ObjectRegistry, object_id: str
) -> None:
    thing = Thing()

    with pytest.raises(DaemonError, match="cannot be part of a URI"):
        registry.register(thing, object_id)

    assert len(registry) == 0
    assert registry.id_of(thing) is None


@pytest.mark.parametrize(
    "object_id", ["a", "Pyro.Daemon", "a:b/c,d", "ümläut", "[::1]:80"]
)
def test_an_accepted_id_is_the_object_of_its_uri(
    registry: ObjectRegistry, object_id: str
) -> None:
    registry.register(Thing(), object_id)

    assert URI(f"PYRO:{object_id}@host:1").object == object_id


def test_an_object_is_registered_once_unless_forced(registry: ObjectRegistry) -> None:
    thing = Thing()
    registry.register(thing, "first")

    with pytest.raises(DaemonError, match="already registered here as 'first'"):
        registry.register(thing, "second")
    assert "second" not in registry

    registry.register(thing, "second", force=True)
    assert registry.id_of(thing) == "second"
    first = registry.get("first")
    assert first is not None
    assert first.object() is thing


def test_an_id_is_given_away_once_unless_forced(registry: ObjectRegistry) -> None:
    old, new = Thing(), Thing()
    registry.register(old, "thing")

    with pytest.raises(DaemonError, match="already registered here under 'thing'"):
        registry.register(new, "thing")
    assert registry.id_of(new) is None

    registry.register(new, "thing", force=True)
    assert registry.id_of(old) is None
    assert registry.id_of(new) == "thing"


def test_equal_objects_are_different_objects(registry: ObjectRegistry) -> None:
    first, second = EqualToAll(), EqualToAll()
    registry.register(first, "first")
    registry.register(second, "second")

    assert registry.id_of(first) == "first"
    assert registry.id_of(second) == "second"
    assert registry.id_of(EqualToAll()) is None


def test_an_object_is_unregistered_by_itself_or_by_its_id(
    registry: ObjectRegistry,
) -> None:
    first, second = Thing(), Thing()
    registry.register(first, "first")
    registry.register(second, "second")

    registry.unregister(first)
    registry.unregister("second")

    assert len(registry) == 0
    assert registry.id_of(first) is None
    assert registry.id_of(second) is None
    registry.register(first, "again")


def test_unregistering_an_unknown_id_is_harmless(registry: ObjectRegistry) -> None:
    assert registry.unregister("nothing") is None


def test_unregistering_an_unknown_object_is_an_error(registry: ObjectRegistry) -> None:
    with pytest.raises(DaemonError, match="not registered here"):
        registry.unregister(Thing())


def test_an_object_under_two_ids_is_unregistered_from_the_last_first(
    registry: ObjectRegistry,
) -> None:
    thing = Thing()
    registry.register(thing, "first")
    registry.register(thing, "second", force=True)

    registry.unregister(thing)
    assert registry.id_of(thing) == "first"
    registry.unregister(thing)
    assert len(registry) == 0


def test_a_weakly_registered_object_goes_when_nobody_else_wants_it(
    registry: ObjectRegistry,
) -> None:
    thing = Thing()
    entry = registry.register(thing, "thing", weak=True)
    assert entry.object() is thing
    assert registry.id_of(thing) == "thing"

    del thing
    gc.collect()

    assert "thing" not in registry
    with pytest.raises(DaemonError, match="'thing' no longer exists"):
        entry.object()


def test_a_successor_is_not_removed_with_the_weak_object_before_it(
    registry: ObjectRegistry,
) -> None:
    old, new = Thing(), Thing()
    registry.register(old, "thing", weak=True)
    registry.register(new, "thing", force=True)

    del old
    gc.collect()

    assert registry.id_of(new) == "thing"


def test_a_class_cannot_be_registered_weakly(registry: ObjectRegistry) -> None:
    with pytest.raises(TypeError, match="weakly"):
        registry.register(Thing, "thing", weak=True)


def test_an_object_without_attributes_can_be_registered(
    registry: ObjectRegistry,
) -> None:
    class Slotted:
        __slots__ = ()

    thing = Slotted()
    registry.register(thing, "slotted")
    registry.register([], "builtin")

    assert registry.id_of(thing) == "slotted"


def test_the_instance_of_a_single_class_stands_for_its_registration(
    registry: ObjectRegistry,
) -> None:
    @behavior("single")
    class Single(Thing): ...

    entry = registry.register(Single, "single")
    assert registry.registration_of(Single()) is None

    instance = entry.instance(ClientConnection())

    assert registry.registration_of(instance) is entry
    assert registry.registration_of(Single) is entry
    assert registry.registration_of(Single()) is None


def test_an_instance_of_a_session_class_is_an_object_of_its_own(
    registry: ObjectRegistry,
) -> None:
    entry = registry.register(Thing, "thing")
    instance = entry.instance(ClientConnection())

    assert registry.registration_of(instance) is None


def test_after_a_class_was_changed_its_members_can_be_worked_out_anew(
    registry: ObjectRegistry,
) -> None:
    class Changing:
        @expose
        def method(self) -> None: ...

    thing = Changing()
    first = registry.register(thing, "thing")
    second = registry.register(Changing, "class")

    def added(self: Changing) -> None: ...

    for target in ("thing", thing, Changing):
        name = f"added_for_{type(target).__name__}"
        setattr(Changing, name, expose(added))
        registry.reset_members(target)
        assert name in first.members.methods
        assert name in second.members.methods


def test_clearing_the_registry_forgets_everything(registry: ObjectRegistry) -> None:
    thing = Thing()
    registry.register(thing, "thing")

    registry.clear()

    assert len(registry) == 0
    assert registry.id_of(thing) is None


def test_a_weak_object_may_go_after_the_registry_was_cleared(
    registry: ObjectRegistry,
) -> None:
    thing = Thing()
    registry.register(thing, "thing", weak=True)
    registry.clear()

    del thing
    gc.collect()

    assert len(registry) == 0


class TestInstances:
    """Which object serves a call, for each instance mode."""

    @staticmethod
    def registration(mode: Any, clazz: type, creator: Any = None) -> Registration:
        marked = behavior(mode, creator)(clazz)
        return ObjectRegistry(threading.RLock).register(marked, "thing")

    def test_a_registered_object_serves_itself(self) -> None:
        thing = Thing()
        entry = ObjectRegistry(nullcontext).register(thing, "thing")

        assert entry.instance(ClientConnection()) is thing
        assert not entry.is_class

    def test_single_makes_one_instance_for_all(self) -> None:
        class One(Thing): ...

        entry = self.registration("single", One)

        assert entry.instance(ClientConnection()) is entry.instance(ClientConnection())

    def test_session_makes_one_instance_for_each_connection(self) -> None:
        class One(Thing): ...

        entry = self.registration("session", One)
        first, second = ClientConnection(), ClientConnection()

        assert entry.instance(first) is entry.instance(first)
        assert entry.instance(first) is not entry.instance(second)

    def test_a_session_instance_is_dropped_with_its_connection(self) -> None:
        class One(Thing): ...

        entry = self.registration("session", One)
        client = ClientConnection()
        before = entry.instance(client)

        client.release()

        assert entry.instance(client) is not before

    def test_percall_makes_one_instance_for_each_call(self) -> None:
        class One(Thing): ...

        entry = self.registration("percall", One)
        client = ClientConnection()

        assert entry.instance(client) is not entry.instance(client)

    @pytest.mark.parametrize("mode", ["single", "session"])
    def test_an_instance_that_is_false_is_kept_all_the_same(self, mode: str) -> None:
        class Empty(Thing):
            def __len__(self) -> int:
                return 0

        entry = self.registration(mode, Empty)
        client = ClientConnection()

        assert entry.instance(client) is entry.instance(client)

    @pytest.mark.parametrize("mode", ["single", "session", "percall"])
    def test_no_instance_is_made_before_the_first_call(self, mode: str) -> None:
        made = []

        class Counted(Thing):
            def __init__(self) -> None:
                made.append(self)

        entry = self.registration(mode, Counted)
        assert made == []
        entry.instance(ClientConnection())
        assert len(made) == 1

    def test_two_registrations_of_one_class_have_separate_instances(self) -> None:
        @behavior("single")
        class One(Thing): ...

        registry = ObjectRegistry(threading.RLock)
        first = registry.register(One, "first")
        second = registry.register(One, "second", force=True)
        client = ClientConnection()

        assert first.instance(client) is not second.instance(client)

    def test_the_creator_is_called_with_the_class(self) -> None:
        class Made(Thing):
            def __init__(self, source: str) -> None:
                self.source = source

        entry = self.registration("single", Made, lambda clazz: clazz("creator"))

        assert entry.instance(ClientConnection()).source == "creator"

    @pytest.mark.parametrize("result", [None, 5, Thing])
    def test_the_creator_must_return_an_instance(self, result: object) -> None:
        class Made(Thing): ...

        entry = self.registration("single", Made, lambda clazz: result)

        with pytest.raises(TypeError, match=r"instance creator of .*Made returned"):
            entry.instance(ClientConnection())

    def test_an_error_of_the_constructor_reaches_the_caller_each_time(self) -> None:
        class Broken(Thing):
            def __init__(self) -> None:
                raise ZeroDivisionError

        entry = self.registration("single", Broken)

        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                entry.instance(ClientConnection())

    def test_threads_that_come_first_together_get_the_same_single_instance(
        self,
    ) -> None:
        started = threading.Barrier(4)
        made = []

        class Slow(Thing):
            def __init__(self) -> None:
                made.append(self)

        entry = self.registration("single", Slow)
        seen: list[object] = []

        def first_call() -> None:
            started.wait(10)
            seen.append(entry.instance(ClientConnection()))

        threads = [threading.Thread(target=first_call) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)

        assert len(made) == 1
        assert seen == made * 4


class TestViews:
    """Registrations that say themselves what is reachable."""

    def test_a_registration_has_members_of_its_own(
        self, registry: ObjectRegistry
    ) -> None:
        first, second = [1], [2]
        plain = registry.register([], "plain")
        one = registry.register(first, "one", expose=["append"])
        other = registry.register(second, "other", expose=["pop", "__len__"])

        assert set(one.members.methods) == {"append"}
        assert set(other.members.methods) == {"pop", "__len__"}
        assert plain.members.methods == {}
        assert registry.id_of(first) == "one"

    def test_nothing_is_written_onto_class_or_object(
        self, registry: ObjectRegistry
    ) -> None:
        class Vendor:
            def read(self) -> None: ...

        vendor = Vendor()
        before = dict(vars(Vendor))

        registry.register(vendor, "object", expose=["read"])
        registry.register(Vendor, "class", expose=["read"])

        assert vars(vendor) == {}
        assert dict(vars(Vendor)) == before

    def test_a_failed_registration_leaves_everything_as_it_was(
        self, registry: ObjectRegistry
    ) -> None:
        old = registry.register([1], "thing", expose=["append"])

        with pytest.raises(AttributeError, match="did you mean 'append'"):
            registry.register([2], "thing", force=True, expose=["apend"])
        with pytest.raises(TypeError, match="'read' is missing"):
            registry.register([2], "other", interface=Readable)

        assert list(registry) == [old]

    def test_one_object_can_be_offered_in_two_ways(
        self, registry: ObjectRegistry
    ) -> None:
        numbers = [1, 2]
        registry.register(numbers, "all", expose=["append", "__len__"])
        registry.register(numbers, "some", force=True, expose=["__len__"])

        assert [set(one.members.methods) for one in registry] == [
            {"append", "__len__"},
            {"__len__"},
        ]

    def test_a_weakly_registered_object_is_not_kept_by_what_it_offers(
        self, registry: ObjectRegistry
    ) -> None:
        class Vendor:
            def __init__(self) -> None:
                self.hook = self.read

            def read(self) -> None: ...

        vendor = Vendor()
        registry.register(vendor, "vendor", weak=True, expose=["read", "hook"])

        del vendor
        gc.collect()

        assert len(registry) == 0

    def test_instances_are_made_as_the_class_or_the_interface_says(
        self, registry: ObjectRegistry
    ) -> None:
        @behavior("single", lambda clazz: clazz([1, 2]))
        class Interface(Protocol):
            def __len__(self) -> int: ...

        session = registry.register(deque, "session", expose=["append"])
        single = registry.register(list, "single", interface=Interface)
        client, other = ClientConnection(), ClientConnection()

        assert session.instance(client) is session.instance(client)
        assert session.instance(client) is not session.instance(other)
        assert single.instance(client) is single.instance(other)
        assert single.instance(client) == [1, 2]

    def test_an_instance_of_a_derived_class_offers_what_the_view_says(
        self, registry: ObjectRegistry
    ) -> None:
        class Derived(Thing):
            @expose
            def more(self) -> None: ...

            def method(self) -> None: ...

        marked = behavior("single", lambda _clazz: Derived())(type("T", (Thing,), {}))
        creator = behavior("percall", lambda _clazz: Derived())
        entry = registry.register(
            creator(type("Base", (Thing,), {})), "thing", expose=["method"]
        )
        plain = registry.register(marked, "plain")
        derived = Derived()

        members = entry.members_for(derived)

        assert set(members.methods) == {"method"}
        assert members.methods["method"].function is Derived.__dict__["method"]
        assert set(plain.members_for(derived).methods) == {"more"}

    def test_what_is_reachable_can_be_worked_out_anew(
        self, registry: ObjectRegistry
    ) -> None:
        class Vendor:
            def read(self) -> int:
                return 1

        class Interface:
            def read(self) -> int:
                return 0

        vendor = Vendor()
        entries = [
            registry.register(vendor, "names", expose=["read"]),
            registry.register(vendor, "interface", force=True, interface=Interface),
            registry.register(Vendor, "class", expose=["read"]),
        ]
        new: Any = lambda self: 2  # noqa: E731 - the function is what is looked for
        Vendor.read = new  # type: ignore[method-assign] # a change at run time
        Vendor.added = new  # type: ignore[attr-defined] # as above
        Interface.added = new  # type: ignore[attr-defined] # as above

        registry.reset_members(vendor)

        assert all(one.members.methods["read"].function is new for one in entries)
        assert ["added" in one.members.methods for one in entries] == [
            False,
            True,
            False,
        ]

    def test_members_are_worked_out_anew_though_a_weak_object_has_gone(
        self, registry: ObjectRegistry
    ) -> None:
        class Vendor:
            def read(self) -> None: ...

        gone, kept = Vendor(), Vendor()
        entry = registry.register(gone, "gone", weak=True, expose=["read"])
        registry.register(kept, "kept", expose=["read"])
        entry.target = weakref.ref(Vendor())

        registry.reset_members(kept)

        assert set(entry.members.methods) == {"read"}

    def test_a_registration_describes_what_it_offers(
        self, registry: ObjectRegistry
    ) -> None:
        names = registry.register([], "names", expose=["append"])
        interface = registry.register([], "interface", interface=Sized)

        assert names.description()["class"] == "list"
        assert interface.description()["class"] == "Sized"
        assert [one["name"] for one in names.description()["methods"]] == ["append"]
        assert names.description()["instance_mode"] is None


@pytest.mark.parametrize("mode", ["session", "single", "percall"])
def test_the_description_of_a_class_says_how_instances_are_made(
    registry: ObjectRegistry, mode: Any
) -> None:
    @behavior(instance_mode=mode)
    class Thing:
        @expose
        def go(self) -> None: ...

    assert registry.register(Thing).description()["instance_mode"] == mode
    assert registry.register(Thing()).description()["instance_mode"] is None
