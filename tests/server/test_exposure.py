"""Objects whose classes carry no marks, served by a daemon."""

from __future__ import annotations

import array
import collections
import gc
import io
import json
import math
import re
from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pyro_protocol import ProxyState
from pyro_protocol.dispatch import DAEMON_NAME
from pyro_protocol.errors import CommunicationError, DaemonError, SerializeError
from pyro_protocol.references import reference_of
from pyro_server import behavior, expose, oneway
from support.daemons import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_protocol.transport import BlockingChannel
    from pyro_server import Daemon


class Vendor:
    """A class of a library, which nobody may edit."""

    def __init__(self) -> None:
        self.hits = 0
        self.inner = Inner()
        self.seen: list[str] = []

    @property
    def level(self) -> int:
        self.seen.append("read")
        return 5

    @level.setter
    def level(self, value: int) -> None:
        self.seen.append(f"wrote {value}")

    @property
    def secret(self) -> int:
        self.seen.append("secret")
        return 1

    def read(self) -> int:
        return self.hits

    def reset(self) -> None:
        self.hits = 0

    def myself(self) -> Vendor:
        return self


@expose
class Inner:
    """Exposed itself, but held by something that does not expose it."""

    def __call__(self) -> str:
        return "leaked"

    def method(self) -> str:
        return "leaked"


class Slotted:
    __slots__ = ("level",)

    def __init__(self) -> None:
        self.level = 1

    def read(self) -> int:
        return self.level


@dataclass
class Point:
    x: int


class Plotter(Protocol):
    """What clients may do with a plotter."""

    @property
    def hits(self) -> int: ...

    @oneway
    def reset(self) -> None: ...

    def read(self) -> int: ...


class Mover(Protocol):
    def move(self, point: Point) -> Point: ...


class Machine:
    def move(self, point: Any) -> Any:
        """Not what is said to clients."""
        return replace(point, x=point.x + 1)


def attribute(channel: BlockingChannel, object_id: str, name: str) -> Any:
    return channel.call(object_id, "__getattr__", (name,))


def assign(channel: BlockingChannel, object_id: str, name: str, value: object) -> None:
    channel.call(object_id, "__setattr__", (name, value))


@pytest.mark.parametrize(
    ("make", "name", "args", "result"),
    [
        (lambda: [1, 2], "__len__", (), 2),
        (lambda: [1, 2], "__getitem__", (1,), 2),
        (lambda: {"a": 1}, "get", ("a",), 1),
        (lambda: {"a": 1}, "__contains__", ("b",), False),
        (lambda: collections.deque([1, 2]), "popleft", (), 1),
        (lambda: {1, 2}, "discard", (2,), None),
        (lambda: array.array("d", [1.5]), "tolist", (), [1.5]),
        (lambda: io.BytesIO(b"abc"), "read", (2,), b"ab"),
        (lambda: Context(prec=3), "divide", (Decimal(1), Decimal(3)), Decimal("0.333")),
        (lambda: re.compile("b+"), "sub", ("x", "abba"), "axa"),
        (lambda: json, "dumps", ([1],), "[1]"),
        (lambda: math, "sqrt", (4,), 2.0),
        (lambda: SimpleNamespace(double=lambda a: 2 * a), "double", (4,), 8),
        (lambda: Slotted(), "read", (), 1),  # noqa: PLW0108 - an object, not the class
    ],
)
def test_objects_of_any_type_are_served_by_the_names_they_expose(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    make: Callable[[], Any],
    name: str,
    args: tuple[object, ...],
    result: object,
) -> None:
    uri = start().register(make(), "thing", expose=[name])
    channel = connect(uri)

    assert channel.call("thing", name, args) == result
    assert channel.accepted is not None
    assert channel.accepted.methods == {name}


def test_nothing_else_is_reachable_and_no_other_getter_runs(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    vendor = Vendor()
    uri = start().register(vendor, "vendor", expose=["read", "level"])
    channel = connect(uri)

    for name in ("reset", "secret", "inner", "level", "__call__", "__init__", "hits"):
        with pytest.raises(AttributeError):
            channel.call("vendor", name)
    for name in ("secret", "inner", "read", "hits", "seen", "__dict__", "__class__"):
        with pytest.raises(AttributeError):
            attribute(channel, "vendor", name)
        with pytest.raises(AttributeError):
            assign(channel, "vendor", name, 1)
    with pytest.raises(AttributeError, match="writable attribute 'level'"):
        assign(channel, "vendor", "level", 1)

    assert vendor.seen == []
    assert attribute(channel, "vendor", "level") == 5
    assert vendor.seen == ["read"]


def test_attributes_are_written_only_if_that_was_said(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    vendor, slotted = Vendor(), Slotted()
    daemon = start()
    uri = daemon.register(vendor, "a", expose=["hits"], writable=["hits", "level"])
    daemon.register(slotted, "b", expose=["level"], writable=["level"])
    channel = connect(uri)

    assign(channel, "a", "hits", 3)
    assign(channel, "a", "level", 4)
    assign(channel, "b", "level", 5)

    assert (vendor.hits, vendor.seen, slotted.level) == (3, ["wrote 4"], 5)
    assert attribute(channel, "a", "hits") == 3
    assert attribute(channel, "b", "level") == 5
    with pytest.raises(AttributeError):
        attribute(channel, "a", "level")


def test_an_interface_is_all_that_is_reachable(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    vendor = Vendor()
    uri = start().register(vendor, "vendor", interface=Plotter)
    channel = connect(uri)

    assert channel.accepted is not None
    assert channel.accepted.methods == {"read", "reset"}
    assert channel.accepted.oneway == {"reset"}
    assert channel.accepted.attributes == {"hits"}
    assert channel.call("vendor", "read") == 0
    assert attribute(channel, "vendor", "hits") == 0
    with pytest.raises(AttributeError):
        assign(channel, "vendor", "hits", 1)
    with pytest.raises(AttributeError):
        channel.call("vendor", "myself")


def test_a_builtin_type_is_served_by_an_abstract_class(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    numbers = [1, 2]
    daemon = start()
    channel = connect(daemon.register(numbers, "all", interface=MutableSequence))
    daemon.register(numbers, "some", force=True, interface=Sequence)

    channel.call("all", "append", (3,))

    assert channel.call("some", "__len__") == 3
    assert channel.call("some", "index", (3,)) == 2
    with pytest.raises(AttributeError):
        channel.call("some", "append", (4,))
    with pytest.raises(AttributeError):
        channel.call("all", "sort")


def test_the_annotations_of_an_interface_say_what_may_be_built(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    uri = start().register(Machine(), "machine", interface=Mover)

    assert connect(uri).call("machine", "move", (Point(1),)) == Point(2)


@pytest.mark.parametrize("mode", ["session", "single", "percall"])
def test_instances_of_a_registered_class_are_made_as_its_interface_says(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    mode: Any,
) -> None:
    @behavior(mode)
    class Growing(Protocol):
        def append(self, value: int) -> None: ...

        def __len__(self) -> int: ...

    uri = start().register(list, "numbers", interface=Growing)
    first, second = connect(uri), connect(uri)

    first.call("numbers", "append", (1,))
    lengths = [first.call("numbers", "__len__"), second.call("numbers", "__len__")]

    expected = {"session": [1, 0], "single": [1, 1], "percall": [0, 0]}
    assert lengths == expected[mode]


def test_nothing_is_written_onto_the_object(start: Callable[..., Daemon]) -> None:
    class Watched:
        def read(self) -> None: ...

        def __setattr__(self, name: str, value: object) -> None:
            raise AssertionError(f"{name} was written")

    watched = Watched()
    daemon = start()
    before = dict(vars(Watched))

    daemon.register(watched, "object", expose=["read"])
    daemon.register(Watched, "class", interface=Watched)

    assert dict(vars(Watched)) == before
    daemon.unregister(watched)
    daemon.unregister(Watched)
    assert dict(vars(Watched)) == before
    assert set(daemon.objectsById) == {DAEMON_NAME}


def test_the_marks_of_another_registration_are_left_alone(
    start: Callable[..., Daemon],
) -> None:
    vendor: Any = Vendor()
    first, second = start(), start()
    first.register(vendor, "vendor")
    second.register(vendor, "vendor", expose=["read"])

    second.unregister(vendor)

    assert vendor._pyroId == "vendor"
    assert vendor._pyroDaemon.uriFor(vendor) == first.uriFor(vendor)


def test_an_object_that_refuses_attributes_in_its_own_way_can_be_registered(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    class Strict:
        def __setattr__(self, name: str, value: object) -> None:
            raise ValueError(f"no field {name}")

        @expose
        def method(self) -> str:
            return "done"

    uri = start().register(Strict(), "strict")

    assert connect(uri).call("strict", "method") == "done"


def test_a_registered_object_travels_as_a_reference_all_the_same(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    vendor = Vendor()
    daemon = start()
    uri = daemon.register(vendor, "vendor", expose=["myself", "read"])

    state = reference_of(vendor)
    assert isinstance(state, ProxyState)
    assert state.methods == {"myself", "read"}
    assert daemon.uriFor(vendor) == uri
    proxy = connect(uri).call("vendor", "myself")
    assert "PYRO:vendor@" in repr(proxy)

    daemon.unregister(vendor)
    assert reference_of(vendor) is None
    with pytest.raises(CommunicationError, match="unknown object 'vendor'"):
        connect(uri)


def test_an_object_that_equals_everything_is_unregistered(
    start: Callable[..., Daemon],
) -> None:
    class EqualToAll:
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment] # not hashable, on purpose

    thing = EqualToAll()
    daemon = start()
    daemon.register(thing, "thing")

    daemon.unregister(thing)

    assert set(daemon.objectsById) == {DAEMON_NAME}


def test_a_weakly_registered_object_goes_though_it_has_a_view(
    start: Callable[..., Daemon],
) -> None:
    vendor = Vendor()
    daemon = start()
    daemon.register(vendor, "vendor", weak=True, expose=["read", "hits"])

    del vendor
    gc.collect()

    eventually(lambda: "vendor" not in daemon.objectsById)


@pytest.mark.parametrize(
    ("error", "options"),
    [
        (AttributeError, {"expose": ["raed"]}),
        (AttributeError, {"expose": ["_read"]}),
        (TypeError, {"interface": Mover}),
        (TypeError, {"writable": ["level"]}),
        (TypeError, {"expose": "read"}),
    ],
    ids=str,
)
def test_a_registration_that_fails_leaves_nothing(
    start: Callable[..., Daemon],
    error: type[Exception],
    options: dict[str, Any],
) -> None:
    daemon = start()
    vendor = Vendor()

    with pytest.raises(error):
        daemon.register(vendor, "vendor", **options)

    assert set(daemon.objectsById) == {DAEMON_NAME}
    assert reference_of(vendor) is None
    daemon.register(vendor, "vendor", expose=["read"])


@pytest.mark.parametrize("object_id", ["a b", "a@b"])
def test_an_id_that_cannot_be_part_of_a_uri_leaves_nothing(
    start: Callable[..., Daemon], object_id: str
) -> None:
    daemon = start()

    with pytest.raises(DaemonError, match="cannot be part of a URI"):
        daemon.register([], object_id, expose=["append"])

    assert set(daemon.objectsById) == {DAEMON_NAME}


@pytest.mark.parametrize("mode", ["session", "single"])
def test_only_the_one_instance_of_a_class_travels_as_a_reference(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel], mode: Any
) -> None:
    @behavior(mode)
    class Interface(Protocol):
        def myself(self) -> Any: ...

    uri = start().register(Vendor, "vendor", interface=Interface)
    channel = connect(uri)

    if mode == "single":
        assert "PYRO:vendor@" in repr(channel.call("vendor", "myself"))
    else:
        # It travels by its values, as every object without a registration.
        with pytest.raises(SerializeError, match="unsupported serialized class"):
            channel.call("vendor", "myself")


def test_a_changed_class_is_looked_at_anew_on_demand(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    class Changing:
        def read(self) -> int:
            return 1

    changing = Changing()
    daemon = start()
    channel = connect(daemon.register(changing, "thing", interface=Changing))
    assert channel.call("thing", "read") == 1
    Changing.read = lambda self: 2  # type: ignore[method-assign] # a change at run time
    Changing.added = lambda self: 3  # type: ignore[attr-defined] # as above

    daemon.resetMetadataCache(changing)

    assert channel.call("thing", "read") == 2
    assert channel.call("thing", "added") == 3
    metadata = channel.call(DAEMON_NAME, "get_metadata", ("thing",))
    assert set(metadata["methods"]) == {"read", "added"}


def test_an_instance_held_by_an_object_is_not_reached_through_it(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    daemon = start()
    channel = connect(daemon.register(Vendor(), "vendor", interface=Plotter))

    for name in ("inner", "inner.method", "read.__call__"):
        with pytest.raises(AttributeError):
            channel.call("vendor", name)


@pytest.mark.parametrize("serializer", ["serpent", "json", "native"])
def test_every_client_can_ask_for_the_description(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    serializer: str,
) -> None:
    daemon = start()
    daemon.register(Machine(), "machine", interface=Mover)
    channel = connect(daemon.uriFor(DAEMON_NAME), serializer=serializer)

    described = channel.call(DAEMON_NAME, "get_description", ("machine",))

    (method,) = described["methods"]
    (parameter,) = method["parameters"]
    assert described["class"] == "Mover"
    assert parameter["annotation"] == method["returns"] == f"{__name__}.Point"
    assert described["types"][f"{__name__}.Point"]["kind"] == "dataclass"
    with pytest.raises(DaemonError, match="unknown object 'nothing'"):
        channel.call(DAEMON_NAME, "get_description", ("nothing",))


class TestProxies:
    """The same, as a client sees it."""

    @pytest.fixture
    def proxy_class(self) -> Any:
        return pytest.importorskip("pyro_client").Proxy

    def test_a_list_is_used_like_a_list(
        self, start: Callable[..., Daemon], proxy_class: Any
    ) -> None:
        uri = start().register([1, 2], "numbers", interface=MutableSequence)
        with proxy_class(uri) as numbers:
            numbers.append(3)
            numbers[0] = 7

            assert len(numbers) == 3
            assert numbers[0] == 7
            assert list(numbers) == [7, 2, 3]
            assert 2 in numbers
            assert 9 not in numbers
            del numbers[0]
            assert list(numbers) == [2, 3]

    def test_a_dictionary_is_used_like_one(
        self, start: Callable[..., Daemon], proxy_class: Any
    ) -> None:
        names = ["__getitem__", "__setitem__", "__len__", "__iter__", "__contains__"]
        uri = start().register({"a": 1}, "numbers", expose=names)
        with proxy_class(uri) as numbers:
            numbers["b"] = 2

            assert {key: numbers[key] for key in numbers} == {"a": 1, "b": 2}
            assert "b" in numbers
            with pytest.raises(KeyError):
                numbers["c"]

    @pytest.mark.parametrize("kind", ["mark", "names", "interface"])
    def test_an_object_is_called_like_a_function(
        self, start: Callable[..., Daemon], proxy_class: Any, kind: str
    ) -> None:
        class Adder:
            def __call__(self, a: int, b: int = 1) -> int:
                return a + b

        class Marked:
            @expose
            def __call__(self, a: int, b: int = 1) -> int:
                return a + b

        class Interface(Protocol):
            def __call__(self, a: int, b: int = 1) -> int: ...

        daemon = start()
        if kind == "mark":
            uri = daemon.register(Marked(), "adder")
        elif kind == "names":
            uri = daemon.register(Adder(), "adder", expose=["__call__"])
        else:
            uri = daemon.register(Adder(), "adder", interface=Interface)
        with proxy_class(uri) as adder:
            assert adder(1) == 2
            assert adder(1, b=5) == 6

    def test_exposing_a_class_does_not_make_its_objects_callable(
        self, start: Callable[..., Daemon], proxy_class: Any
    ) -> None:
        uri = start().register(Inner(), "inner")
        with proxy_class(uri) as inner:
            assert inner.method() == "leaked"
            with pytest.raises(TypeError, match="__call__"):
                inner()
            with pytest.raises(AttributeError, match="private method '__call__'"):
                inner._pyroInvoke("__call__", (), {})

    def test_attributes_are_read_and_refused_like_local_ones(
        self, start: Callable[..., Daemon], proxy_class: Any
    ) -> None:
        uri = start().register(Vendor(), "vendor", interface=Plotter)
        with proxy_class(uri) as vendor:
            assert vendor.hits == 0
            with pytest.raises(AttributeError):
                vendor.hits = 1
