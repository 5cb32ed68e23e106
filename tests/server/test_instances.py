"""Registered classes: when instances are made, shared and let go."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from pyro_protocol import expose
from pyro_server import behavior
from support.daemons import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_protocol import URI
    from pyro_protocol.config import Configuration
    from pyro_protocol.transport import BlockingChannel
    from pyro_server import Daemon


def make_class(mode: Any) -> Any:
    """Return a class that numbers its instances."""

    @behavior(instance_mode=mode)
    class Numbered:
        lock = threading.Lock()
        made: ClassVar[weakref.WeakSet[Any]] = weakref.WeakSet()
        count = 0

        def __init__(self) -> None:
            with self.lock:
                type(self).count += 1
                self.own = type(self).count
            self.made.add(self)

        @expose
        def number(self) -> int:
            return self.own

        def __len__(self) -> int:
            # An instance that counts as false is an instance all the same.
            return 0

    return Numbered


def call_from_many(uri: URI, connect: Callable[..., BlockingChannel]) -> list[int]:
    """Return what 100 clients get that all call for the first time together."""
    channels = [connect(uri) for _ in range(100)]
    start = threading.Barrier(50)

    def call(channel: BlockingChannel) -> int:
        start.wait()
        return int(channel.call("numbered", "number"))

    with ThreadPoolExecutor(50) as pool:
        return list(pool.map(call, channels))


def test_a_single_instance_serves_all_clients(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    numbered = make_class("single")
    uri = start().register(numbered, "numbered")
    assert set(call_from_many(uri, connect)) == {1}
    assert numbered.count == 1


def test_a_session_instance_serves_one_connection(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    numbered = make_class("session")
    uri = start().register(numbered, "numbered")
    assert sorted(call_from_many(uri, connect)) == list(range(1, 101))
    channel = connect(uri)
    assert {channel.call("numbered", "number") for _ in range(5)} == {101}


def test_a_class_that_says_nothing_has_session_instances(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    numbered = make_class("single")
    del numbered._pyroInstancing
    uri = start().register(numbered, "numbered")
    assert connect(uri).call("numbered", "number") == 1
    assert connect(uri).call("numbered", "number") == 2


def test_a_percall_instance_serves_one_call(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    numbered = make_class("percall")
    uri = start().register(numbered, "numbered")
    assert sorted(call_from_many(uri, connect)) == list(range(1, 101))
    channel = connect(uri)
    assert [channel.call("numbered", "number") for _ in range(3)] == [101, 102, 103]


def test_no_instance_is_made_before_the_first_call(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    numbered = make_class("single")
    connect(start().register(numbered, "numbered"))
    assert numbered.count == 0


def test_session_instances_go_with_their_connection(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    numbered = make_class("session")
    uri = start().register(numbered, "numbered")
    first, second = connect(uri), connect(uri)
    assert first.call("numbered", "number") == 1
    assert second.call("numbered", "number") == 2
    first.close()

    def instances() -> int:
        gc.collect()
        return len(numbered.made)

    eventually(lambda: instances() == 1)
    assert second.call("numbered", "number") == 2


def test_single_instances_go_with_the_daemon(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    numbered = make_class("single")
    daemon = start()
    connect(daemon.register(numbered, "numbered")).call("numbered", "number")
    daemon.shutdown()
    gc.collect()
    assert len(numbered.made) == 0


def test_the_creator_makes_the_instances(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    class Lamp:
        def __init__(self, colour: str) -> None:
            self.colour = colour

        @expose
        def shine(self) -> str:
            return self.colour

    behavior("single", lambda clazz: clazz("red"))(Lamp)
    assert connect(start().register(Lamp, "lamp")).call("lamp", "shine") == "red"


def test_a_creator_that_returns_something_else_is_an_error_for_the_caller(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    @behavior("single", lambda _clazz: "no lamp")
    class Lamp:
        @expose
        def shine(self) -> None: ...

    channel = connect(start().register(Lamp, "lamp"))
    with pytest.raises(TypeError, match=r"creator of .*Lamp returned str"):
        channel.call("lamp", "shine")


@pytest.mark.parametrize("mode", ["single", "session", "percall"])
def test_a_constructor_that_fails_is_an_error_for_the_caller_and_tried_again(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    mode: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    @behavior(instance_mode=mode)
    class Late:
        ready = False

        def __init__(self) -> None:
            if not self.ready:
                raise OSError("not warmed up")

        @expose
        def work(self) -> str:
            return "done"

    channel = connect(start().register(Late, "late"))
    with pytest.raises(OSError, match="not warmed up"):
        channel.call("late", "work")
    assert "not warmed up" in caplog.text
    Late.ready = True
    assert channel.call("late", "work") == "done"


def test_many_first_calls_need_no_more_workers_than_there_are(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    settings: Configuration,
) -> None:
    settings.THREADPOOL_SIZE = settings.THREADPOOL_SIZE_MIN = 2
    daemon = start()
    numbered = make_class("session")
    numbers = call_from_many(daemon.register(numbered, "numbered"), connect)
    assert sorted(numbers) == list(range(1, 101))
    assert daemon.transportServer.worker_count <= 2
