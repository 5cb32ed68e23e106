from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pyro_protocol import expose
from pyro_protocol.config import Configuration
from pyro_protocol.errors import CommunicationError, PyroError
from pyro_server import Daemon
from support.daemons import RawClient, eventually, serving
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_protocol.transport import BlockingChannel
    from support.concurrent_client import ConcurrentClient


@pytest.fixture(params=["multiplex"])
def servertype(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@expose
class Where:
    def __init__(self) -> None:
        self.inside = 0

    def thread(self) -> str:
        self.inside += 1
        assert self.inside == 1, "calls must not overlap"
        name = threading.current_thread().name
        self.inside -= 1
        return name

    def make(self, size: int) -> bytes:
        return bytes(size)


def test_all_calls_run_in_the_thread_of_the_loop(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    daemon = start()
    uri = daemon.register(Where(), "where")
    channels = [connect(uri) for _ in range(8)]

    def call(channel: BlockingChannel) -> set[str]:
        return {channel.call("where", "thread") for _ in range(50)}

    with ThreadPoolExecutor(8) as pool:
        assert set().union(*pool.map(call, channels)) == {"request loop"}
    assert daemon.transportServer.worker_count == 0


def test_a_steady_but_slow_reader_keeps_nobody_waiting(
    start: Callable[..., Daemon],
    raw: Callable[..., RawClient],
    connect: Callable[..., BlockingChannel],
) -> None:
    uri = start().register(Where(), "where")
    slow, quick = raw(uri), connect(uri)
    slow.shake_hands()
    slow.send(slow.call_message("make", 50_000_000, serializer="msgpack"))
    for _ in range(100):
        assert slow.sock.recv(50_000)
        assert quick.call("where", "thread") == "request loop"


def test_one_loop_can_serve_several_daemons(
    start: Callable[..., Daemon],
    settings: Configuration,
    connect: Callable[..., BlockingChannel],
) -> None:
    main = start()
    with Daemon(config=settings) as second, Daemon(config=settings) as third:
        second.combine(third)
        main.combine(second)
        uris = [daemon.register(Where(), "where") for daemon in (main, second, third)]
        assert main.selector is second.selector is third.selector
        channels = [connect(uri) for uri in uris]
        for channel in channels:
            assert channel.call("where", "thread") == "request loop"
        # One of them ends, and the others do not notice.
        second.shutdown()
        with pytest.raises(CommunicationError):
            channels[1].call("where", "thread")
        for channel in (channels[0], channels[2]):
            assert channel.call("where", "thread") == "request loop"
        eventually(lambda: second.sock.fileno() == -1)


def test_a_combined_daemon_can_be_shut_down_by_a_method_of_its_own(
    start: Callable[..., Daemon],
    settings: Configuration,
    connect: Callable[..., BlockingChannel],
) -> None:
    main = start()
    with Daemon(config=settings) as second:

        @expose
        class Switch:
            def off(self) -> str:
                second.shutdown()
                return "good night"

        main.combine(second)
        assert connect(second.register(Switch(), "switch")).call("switch", "off")
        eventually(lambda: second.sock.fileno() == -1)
        uri = main.register(Where(), "where")
        assert connect(uri).call("where", "thread") == "request loop"


def test_the_house_of_combined_daemons_is_kept(
    start: Callable[..., Daemon],
    settings: Configuration,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pyro_server.hosts.loop.LONGEST_WAIT", 0.01)

    class Tidy(Daemon):
        kept = threading.Event()

        def housekeeping(self) -> None:
            self.kept.set()

    with Tidy(config=settings) as second:
        start().combine(second)
        assert second.kept.wait(DEADLINE)


def test_only_multiplex_daemons_can_be_combined(settings: Configuration) -> None:
    threaded = Configuration(use_environment=False)
    with (
        Daemon(config=settings) as multiplex,
        Daemon(config=threaded) as thread,
    ):
        for one, other in ((multiplex, thread), (thread, multiplex)):
            with pytest.raises(TypeError, match="multiplex"):
                one.combine(other)


def test_a_daemon_of_one_socket_cannot_be_combined(settings: Configuration) -> None:
    settings.POLLTIMEOUT = 0.05
    one, other = socket.socketpair()
    with (
        one,
        other,
        Daemon(connected_socket=one, config=settings) as connected,
        Daemon(config=settings) as multiplex,
        serving(connected),
        pytest.raises(PyroError, match="connected socket"),
    ):
        multiplex.combine(connected)


def test_calls_that_arrive_together_are_answered_one_by_one(
    start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
) -> None:
    answered = threading.Event()

    @expose
    class Steps:
        def __init__(self) -> None:
            self.done: list[object] = []

        def step(self, number: object) -> object:
            self.done.append(number)
            return number

        async def awaited(self, number: int) -> object:
            return self.step(number)

        def wait(self) -> list[object]:
            assert answered.wait(DEADLINE)
            return self.done

    one = client(start().register(Steps(), "steps"))
    one.flush = lambda: None  # type: ignore[method-assign] # held back for a moment
    calls = [one.send("step", number) for number in range(3)]
    calls.append(one.send("step", (3, {4})))
    awaited = one.send("awaited", 5)
    calls.append(one.send("step", "x" * 30_000))
    missing = one.send("missing")
    waiting = one.send("wait")
    after = one.send("step", 6)
    del one.flush
    one.sock.sendall(b"".join(one.session.data_to_send()))
    assert [one.answer(call) for call in calls] == [0, 1, 2, (3, {4}), "x" * 30_000]
    with pytest.raises(AttributeError):
        one.answer(missing)
    assert one.answer(awaited) == 5
    answered.set()
    assert one.answer(waiting)[:3] == [0, 1, 2]
    assert one.answer(after) == 6
