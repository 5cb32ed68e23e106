"""Oneway calls that a server carries out as they come, and as all others.

Those that a proxy writes with serpent are never carried out on the short way of the
server; in the native format, they are.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol.wire import FLAG_ONEWAY
from pyro_suite import (
    CallHook,
    Daemon,
    Proxy,
    behavior,
    concurrency,
    current_context,
    expose,
    oneway,
)
from support.daemons import eventually
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@expose
class Notebook:
    """Keeps what it is told, in order."""

    def __init__(self) -> None:
        self.notes: list[Any] = []
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.daemon: Daemon | None = None

    @oneway
    def note(self, *args: object, **kwargs: object) -> None:
        self.notes.append((*args, kwargs) if kwargs else args)

    @oneway
    def tell(self) -> None:
        context = current_context
        self.notes.append(
            (
                context.client is not None,
                context.client_sock_addr,
                context.seq > 0,
                context.msg_flags,
                {key: bytes(value) for key, value in context.annotations.items()},
                context.response_annotations,
                context.correlation_id is not None,
                context.remaining,
            )
        )

    @oneway
    def wait(self, number: int) -> None:
        self.begun.release()
        assert self.go_on.wait(DEADLINE)
        self.notes.append(number)

    @oneway
    def work(self) -> None:
        # Long enough for many of them to take long.
        threading.Event().wait(0.001)
        self.notes.append("worked")

    @oneway
    def fail(self) -> None:
        raise ValueError("as it was asked to")

    @oneway
    def leave(self) -> None:
        raise SystemExit

    @oneway
    async def think(self, thought: str) -> None:
        await asyncio.sleep(0)
        self.notes.append(thought)

    @oneway
    def think_later(self, thought: str) -> object:
        return self._thinking(thought)

    async def _thinking(self, thought: str) -> None:
        await asyncio.sleep(0)
        self.notes.append(thought)

    @oneway
    def begin(self) -> Iterator[int]:
        self.notes.append("begun")
        return iter((1, 2))

    @oneway
    def forget(self) -> None:
        assert self.daemon is not None
        self.daemon.unregister(self)

    def count(self) -> int:
        return len(self.notes)

    def release(self) -> None:
        self.go_on.set()


@pytest.fixture
def notebook() -> Iterator[Notebook]:
    notebook = Notebook()
    yield notebook
    notebook.go_on.set()


@pytest.fixture(params=["native", "serpent"])
def serializer(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def daemon(notebook: Notebook, start: Callable[..., Daemon]) -> Daemon:
    return start(notebook)


@pytest.fixture
def proxy(daemon: Daemon, connect: Callable[..., Proxy], serializer: str) -> Proxy:
    """A proxy whose oneway calls take the short way of the server, or never do."""
    proxy = connect(daemon)
    if serializer != "native":
        proxy._pyroSerializer = serializer
    assert proxy.count() == 0
    return proxy


def test_they_run_in_order_whatever_they_are(proxy: Proxy, notebook: Notebook) -> None:
    expected: list[Any] = []
    for number in range(50):
        proxy.note(number)
        proxy.note((number, "two"), [3])
        proxy.think(f"thought {number}")
        proxy.note(number, last=True)
        proxy.think_later(f"later {number}")
        proxy.begin()
        proxy.note("x" * 5_000)
        expected += [
            (number,),
            ((number, "two"), [3]),
            f"thought {number}",
            (number, {"last": True}),
            f"later {number}",
            "begun",
            ("x" * 5_000,),
        ]
    eventually(lambda: len(notebook.notes) == len(expected))
    assert notebook.notes == expected


@pytest.mark.parametrize("timeout", [None, DEADLINE])
def test_the_context_is_the_same(
    proxy: Proxy, notebook: Notebook, timeout: float | None
) -> None:
    proxy._pyroTimeout = timeout
    proxy.tell()
    proxy.tell()
    eventually(lambda: len(notebook.notes) == 2)
    annotations: dict[str, bytes] = {}
    if timeout is not None:
        annotations["DLIN"] = int(timeout * 1_000_000).to_bytes(8)
    told: tuple[Any, ...]
    told = (True, proxy._pyroLocalSocket, True, 4, annotations, {}, True, None)
    assert notebook.notes == [told] * 2


@pytest.mark.parametrize("method", ["fail", "leave", "missing", "count_to"])
def test_one_that_fails_is_logged_and_the_next_runs(
    proxy: Proxy, notebook: Notebook, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    with caplog.at_level("INFO", "pyro.server"):
        proxy._pyroInvoke(method, (), {}, FLAG_ONEWAY)
        proxy.note("next")
        eventually(lambda: notebook.notes == [("next",)])
    (record,) = (one for one in caplog.records if method in one.getMessage())
    assert "thing" in record.getMessage()


def test_the_error_handler_is_told(
    proxy: Proxy, daemon: Daemon, notebook: Notebook
) -> None:
    told: list[tuple[Any, ...]] = []
    daemon.methodcall_error_handler = lambda *details: told.append(details)
    proxy.fail()
    proxy.note("next")
    eventually(lambda: notebook.notes == [("next",)])
    ((of, client, method, args, kwargs, error),) = told
    assert (of, method, list(args), kwargs) == (daemon, notebook.fail, [], {})
    assert client.peer_address == proxy._pyroLocalSocket
    assert str(error) == "as it was asked to"


def test_hooks_are_told_of_them_from_then_on(
    proxy: Proxy, daemon: Daemon, notebook: Notebook
) -> None:
    class Hook(CallHook):
        def __init__(self) -> None:
            self.told: list[Any] = []

        def after_call(self, call: Any, result: Any, seconds: float) -> None:
            del result, seconds
            self.told.append((call.name, call.oneway))

    hook = Hook()
    proxy.note("first")
    eventually(lambda: len(notebook.notes) == 1)
    daemon.add_hook(hook)
    proxy.note("second")
    proxy.note("third")
    eventually(lambda: len(hook.told) == 2)
    assert hook.told == [("note", True)] * 2


def test_one_that_takes_long_holds_up_only_the_others(
    proxy: Proxy, notebook: Notebook
) -> None:
    for number in range(3):
        proxy.wait(number)
    notebook.begun.acquire(timeout=DEADLINE)
    for number in range(3, 6):
        proxy.note(number)
    assert proxy.count() == 0
    proxy.release()
    eventually(lambda: len(notebook.notes) == 6)
    assert notebook.notes == [0, 1, 2, (3,), (4,), (5,)]
    # Later on they are carried out as ever.
    for number in range(3):
        proxy.note(number)
    eventually(lambda: notebook.notes[6:] == [(0,), (1,), (2,)])


def test_one_that_takes_long_after_quick_ones_holds_up_only_the_others(
    proxy: Proxy, notebook: Notebook
) -> None:
    for number in range(100):
        proxy.note(number)
    proxy.wait(100)
    proxy.note(101)
    proxy.release()
    eventually(lambda: len(notebook.notes) == 102)
    assert notebook.notes[99:] == [(99,), 100, (101,)]


def test_many_that_take_long_together_hold_up_only_each_other(
    proxy: Proxy, notebook: Notebook
) -> None:
    for _ in range(800):
        proxy.work()
    assert proxy.count() < 800
    eventually(lambda: len(notebook.notes) == 800)


def test_one_that_takes_long_and_is_awaited_holds_up_only_the_others(
    proxy: Proxy, notebook: Notebook
) -> None:
    async def think(thought: str) -> None:
        await asyncio.to_thread(notebook.go_on.wait, DEADLINE)
        notebook.notes.append(thought)

    notebook._thinking = think  # type: ignore[method-assign] # for this test
    proxy.think_later("later")
    proxy.note("next")
    assert proxy.count() == 0
    proxy.release()
    eventually(lambda: notebook.notes == ["later", ("next",)])


def test_what_is_unregistered_by_one_is_not_there_for_the_next(
    proxy: Proxy, daemon: Daemon, notebook: Notebook
) -> None:
    notebook.daemon = daemon
    proxy.note("before")
    proxy.forget()
    proxy.note("after")
    # Whoever waits for an answer may be ahead of those who do not.
    eventually(lambda: notebook not in daemon.objectsById.values())
    with pytest.raises(Exception, match="unknown object"):
        proxy.count()
    assert notebook.notes == [("before",)]


def test_those_that_wait_at_a_shutdown_are_dropped(
    proxy: Proxy, daemon: Daemon, notebook: Notebook
) -> None:
    host: Any = daemon.transportServer
    for number in range(50):
        proxy.wait(number)
    assert notebook.begun.acquire(timeout=DEADLINE)
    ending = threading.Thread(target=daemon.shutdown)
    ending.start()
    eventually(lambda: host._stopping)
    notebook.go_on.set()
    ending.join(DEADLINE)
    assert notebook.notes == [0]


def test_they_reach_the_instance_of_their_client(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], serializer: str
) -> None:
    made: list[Any] = []

    @expose
    @behavior(instance_mode="session")
    class Session:
        def __init__(self) -> None:
            made.append(self)
            self.noted: list[int] = []
            self.inside = 0

        @oneway
        def note(self, number: int) -> None:
            self.inside += 1
            time.sleep(0)
            assert self.inside == 1
            self.noted.append(number)
            self.inside -= 1

        def look(self) -> int:
            assert self.inside == 0
            return len(self.noted)

    daemon = start(Session)
    proxies = [connect(daemon) for _ in range(2)]
    for proxy in proxies:
        proxy._pyroSerializer = None if serializer == "native" else serializer
        proxy.look()
        for number in range(100):
            proxy.note(number)
            if number % 10 == 0:
                proxy.look()
    eventually(lambda: all(len(one.noted) == 100 for one in made))
    assert [one.noted for one in made] == [[*range(100)]] * 2


@pytest.mark.parametrize("method", ["stay", "stay_later"])
def test_one_that_takes_long_is_alone_with_the_instance_of_its_client(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    serializer: str,
    method: str,
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    inside: list[str] = []

    @expose
    @behavior(instance_mode="session")
    class Session:
        @oneway
        def stay(self) -> None:
            inside.append("stays")
            begun.set()
            assert go_on.wait(DEADLINE)
            inside.remove("stays")

        @oneway
        def stay_later(self) -> object:
            return self._staying()

        async def _staying(self) -> None:
            await asyncio.to_thread(self.stay)

        def look(self) -> list[str]:
            return inside

    daemon = start(Session)
    proxy = connect(daemon)
    proxy._pyroSerializer = None if serializer == "native" else serializer
    assert proxy.look() == []
    host: Any = daemon.transportServer
    gates = host._service.dispatcher._gates
    with ThreadPoolExecutor() as pool:
        getattr(proxy, method)()
        assert begun.wait(DEADLINE)
        looking = pool.submit(proxy.look)
        try:
            eventually(
                lambda: any(getattr(one, "waiting", 0) for one in gates._gates.values())
            )
        finally:
            go_on.set()
        assert looking.result(DEADLINE) == []
    # Nobody is left inside.
    eventually(lambda: not gates._gates)


def test_they_keep_to_the_policy_of_their_object(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], serializer: str
) -> None:
    @expose
    @concurrency("serial")
    class Serial:
        def __init__(self) -> None:
            self.inside = self.worst = self.noted = 0

        @oneway
        def note(self) -> None:
            self.inside += 1
            self.worst = max(self.worst, self.inside)
            time.sleep(0)
            self.noted += 1
            self.inside -= 1

    thing = Serial()
    daemon = start(thing)
    proxies = [connect(daemon) for _ in range(3)]
    for proxy in proxies:
        proxy._pyroSerializer = None if serializer == "native" else serializer
    for _ in range(100):
        for proxy in proxies:
            proxy.note()
    eventually(lambda: thing.noted == 300)
    assert thing.worst == 1
