"""Ways to end a daemon, and that nothing is left of it."""

from __future__ import annotations

import gc
import selectors
import signal
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import URI, expose
from pyro_protocol.errors import CommunicationError, ConnectionClosedError
from pyro_protocol.transport import BlockingChannel
from pyro_protocol.wire import FLAG_ONEWAY
from pyro_server import Daemon
from support.daemons import eventually, serving
from support.gate import Gate
from support.hosting import DEADLINE
from support.programs import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_protocol.config import Configuration


@expose
class Switch:
    """Shuts its daemon down in several ways."""

    def __init__(self) -> None:
        self.daemon: Daemon | None = None
        self.lines_left = threading.Semaphore(0)

    def _off(self) -> None:
        assert self.daemon is not None
        self.daemon.shutdown()

    def off(self) -> str:
        self._off()
        return "good night"

    async def off_async(self) -> str:
        self._off()
        return "good night"

    def look(self) -> str:
        return "on"

    def lines(self) -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            self.lines_left.release()


@pytest.fixture
def thread() -> Iterator[Callable[..., threading.Thread]]:
    """Runs a function in a thread that has to end."""
    threads: list[threading.Thread] = []

    def run(function: Callable[..., Any], *args: Any) -> threading.Thread:
        threads.append(threading.Thread(target=function, args=args))
        threads[-1].start()
        return threads[-1]

    yield run
    for one in threads:
        one.join(DEADLINE)
        assert not one.is_alive()


def open_descriptors() -> set[str]:
    gc.collect()
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("needs /proc")
    return {str(one.readlink()) for one in folder.iterdir() if one.is_symlink()}


@pytest.mark.parametrize("method", ["off", "off_async"])
def test_an_exposed_method_may_shut_the_daemon_down_and_is_answered(
    settings: Configuration, connect: Callable[..., BlockingChannel], method: str
) -> None:
    switch = Switch()
    with Daemon(config=settings) as switch.daemon:
        uri = switch.daemon.register(switch, "switch")
        loop = threading.Thread(target=switch.daemon.requestLoop)
        loop.start()
        channel, idle = connect(uri), connect(uri)
        assert idle.call("switch", "look") == "on"
        assert channel.call("switch", method) == "good night"
        loop.join(DEADLINE)
        assert not loop.is_alive()
        # The loop returns when everything is closed, and not before.
        assert switch.daemon.sock.fileno() == -1
        with pytest.raises(CommunicationError):
            idle.call("switch", "look")
        with pytest.raises(CommunicationError):
            connect(uri)


def test_a_oneway_method_may_shut_the_daemon_down(
    settings: Configuration, connect: Callable[..., BlockingChannel]
) -> None:
    switch = Switch()
    with Daemon(config=settings) as switch.daemon:
        uri = switch.daemon.register(switch, "switch")
        loop = threading.Thread(target=switch.daemon.requestLoop)
        loop.start()
        connect(uri).call("switch", "off", flags=FLAG_ONEWAY)
        loop.join(DEADLINE)
        assert not loop.is_alive()


def test_another_thread_shuts_the_daemon_down_and_waits_for_it(
    settings: Configuration,
    connect: Callable[..., BlockingChannel],
    thread: Callable[..., threading.Thread],
) -> None:
    daemon = Daemon(config=settings)
    uri = daemon.register(Switch(), "switch")
    loop = thread(daemon.requestLoop)
    channel = connect(uri)
    assert channel.call("switch", "look") == "on"
    daemon.shutdown()
    assert daemon.sock.fileno() == -1
    with pytest.raises(CommunicationError):
        channel.call("switch", "look")
    loop.join(DEADLINE)


def test_closing_a_daemon_ends_its_loop_too(
    settings: Configuration, thread: Callable[..., threading.Thread]
) -> None:
    daemon = Daemon(config=settings)
    loop = thread(daemon.requestLoop)
    daemon.close()
    loop.join(DEADLINE)
    assert not loop.is_alive()


def test_a_daemon_can_be_shut_down_at_any_moment(
    settings: Configuration, thread: Callable[..., threading.Thread]
) -> None:
    # Before, while, or after the loop begins: the loop ends in any case.
    for _ in range(30):
        daemon = Daemon(config=settings)
        thread(daemon.requestLoop)
        thread(daemon.shutdown)
        daemon.shutdown()


def test_a_loop_that_is_begun_after_the_shutdown_returns_at_once(
    settings: Configuration,
) -> None:
    daemon = Daemon(config=settings)
    daemon.shutdown()
    daemon.requestLoop()


def test_the_condition_ends_the_loop_and_the_loop_can_go_on(
    settings: Configuration,
    connect: Callable[..., BlockingChannel],
    thread: Callable[..., threading.Thread],
) -> None:
    settings.POLLTIMEOUT = 0.05
    go_on = threading.Event()
    with Daemon(config=settings) as daemon:
        uri = daemon.register(Switch(), "switch")
        daemon.requestLoop(go_on.is_set)
        go_on.set()
        loop = thread(daemon.requestLoop, go_on.is_set)
        channel = connect(uri)
        assert channel.call("switch", "look") == "on"
        go_on.clear()
        loop.join(DEADLINE)
        assert not loop.is_alive()
        go_on.set()
        loop = thread(daemon.requestLoop, go_on.is_set)
        assert channel.call("switch", "look") == "on"
        go_on.clear()
        loop.join(DEADLINE)


def test_the_condition_may_shut_the_daemon_down(settings: Configuration) -> None:
    daemon = Daemon(config=settings)

    def condition() -> bool:
        daemon.shutdown()
        return True

    daemon.requestLoop(condition)
    assert daemon.sock.fileno() == -1


def test_established_connections_are_served_no_more(
    settings: Configuration,
    connect: Callable[..., BlockingChannel],
    thread: Callable[..., threading.Thread],
) -> None:
    # Also those of a client that calls so often that a worker stays with it.
    with serving(Daemon(config=settings)) as daemon:
        channel = connect(daemon.register(Switch(), "switch"))
        called, ended = threading.Event(), threading.Event()

        def call_for_ever() -> None:
            try:
                while True:
                    channel.call("switch", "look")
                    called.set()
            except CommunicationError:
                ended.set()

        thread(call_for_ever)
        assert called.wait(DEADLINE)
        daemon.shutdown()
        assert ended.wait(DEADLINE)


def test_a_call_that_is_running_is_still_answered(
    settings: Configuration,
    connect: Callable[..., BlockingChannel],
    thread: Callable[..., threading.Thread],
) -> None:
    gate = Gate()
    with serving(Daemon(config=settings)) as daemon:
        channel = connect(daemon.register(gate, "gate"))
        answers: list[int] = []
        calling = thread(lambda: answers.append(channel.call("gate", "enter", (7,))))
        gate.wait_for_visitors()
        ending = thread(daemon.shutdown)
        gate.open()
        calling.join(DEADLINE)
        assert answers == [7]
        ending.join(DEADLINE)


def test_requests_that_wait_for_a_worker_are_not_begun(
    connect: Callable[..., BlockingChannel],
    settings: Configuration,
    servertype: str,
    thread: Callable[..., threading.Thread],
) -> None:
    settings.THREADPOOL_SIZE = settings.THREADPOOL_SIZE_MIN = 1
    gate = Gate()
    with serving(Daemon(config=settings)) as daemon:
        uri = daemon.register(gate, "gate")
        first, second = connect(uri), connect(uri)
        calling = thread(first.call, "gate", "enter", (1,))
        gate.wait_for_visitors()
        lost = threading.Event()

        def call() -> None:
            with pytest.raises(ConnectionClosedError):
                second.call("gate", "enter", (2,))
            lost.set()

        thread(call)
        if servertype == "thread":
            eventually(daemon.transportServer._pool.work_waits)  # type: ignore[union-attr] # a thread host
        ending = thread(daemon.shutdown)
        eventually(lambda: daemon.transportServer._stopping)
        gate.open()
        for one in (calling, ending):
            one.join(DEADLINE)
        assert lost.wait(DEADLINE)
        assert gate.passed == [1]


def test_streams_are_ended_with_their_clean_up(
    settings: Configuration, connect: Callable[..., BlockingChannel]
) -> None:
    switch = Switch()
    with serving(Daemon(config=settings)) as daemon:
        channel = connect(daemon.register(switch, "switch"))
        stream = channel.call("switch", "lines")
        item = ("Pyro.Daemon", "get_next_stream_item", (stream.stream_id,))
        assert channel.call(*item) == 0
        assert len(daemon.streaming_responses) == 1
        daemon.shutdown()
        assert switch.lines_left.acquire(blocking=False)
        assert len(daemon.streaming_responses) == 0


def test_nothing_is_left(
    settings: Configuration, tmp_path: Path, connect: Callable[..., BlockingChannel]
) -> None:
    path = tmp_path / "socket"
    before = open_descriptors()
    threads = set(threading.enumerate())
    with serving(Daemon(unixsocket=str(path), config=settings)) as daemon:
        uri = daemon.register(Switch(), "switch")
        channels = [BlockingChannel.connect(uri) for _ in range(5)]
        for channel in channels:
            assert channel.call("switch", "look") == "on"
            channel.call("switch", "look", flags=FLAG_ONEWAY)
        assert open_descriptors() - before
    for channel in channels:
        channel.close()
    assert not open_descriptors() - before
    assert not set(threading.enumerate()) - threads
    assert not path.exists()


def test_nothing_is_left_of_clients_that_have_gone(
    start: Callable[..., Daemon], servertype: str
) -> None:
    daemon = start()
    uri = daemon.register(Switch, "switch")
    with BlockingChannel.connect(uri).sock:
        pass
    before = None
    for _ in range(3):
        channels = [BlockingChannel.connect(uri) for _ in range(20)]
        for channel in channels:
            assert channel.call("switch", "look") == "on"
            channel.close()
        eventually(lambda: not daemon.transportServer.connections)  # type: ignore[union-attr] # not the host of one socket
        eventually(lambda: daemon.transportServer._pool.work_waits() == 0)  # type: ignore[union-attr] # as above
        now = len(list(Path("/proc/self/fd").iterdir()))
        assert before in (None, now)
        before = now


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_handler_may_shut_the_daemon_down(
    tmp_path: Path, servertype: str, number: signal.Signals
) -> None:
    script = tmp_path / "server.py"
    script.write_text(
        """
import signal, sys, threading
from pyro_server import Daemon, expose

@expose
class Thing:
    def look(self):
        return "on"

daemon = Daemon()
signal.signal(signal.SIGTERM, lambda *_: daemon.shutdown())
print("URI", daemon.register(Thing(), "thing"))
daemon.requestLoop()
print("loop has ended")
daemon.close()
print("threads", [one.name for one in threading.enumerate()])
"""
    )
    with Program(script, settings={"PYRO_SERVERTYPE": servertype}) as server:
        uri = server.wait_for(r"^URI (.*)$")[1]
        channel = BlockingChannel.connect(URI(uri))
        assert channel.call("thing", "look") == "on"
        assert server.end(number) == 0
        channel.close()
    assert server.lines[-2:] == ["loop has ended", "threads ['MainThread']"]


def test_a_foreign_event_loop_serves_a_daemon(
    settings: Configuration,
    connect: Callable[..., BlockingChannel],
    thread: Callable[..., threading.Thread],
) -> None:
    stop = threading.Event()
    waker, woken = socket.socketpair()
    with waker, woken, Daemon(config=settings) as daemon:
        assert daemon.sock in daemon.sockets

        def foreign_loop() -> None:
            while not stop.is_set():
                with selectors.DefaultSelector() as selector:
                    for sock in [*daemon.sockets, woken]:
                        selector.register(sock, selectors.EVENT_READ)
                    ready = [key.fileobj for key, _mask in selector.select()]
                    daemon.events([one for one in ready if one is not woken])

        loop = thread(foreign_loop)
        uri = daemon.register(Large(), "large")
        first, second = connect(uri), connect(uri)
        for _ in range(3):
            assert first.call("large", "size", (b"123",)) == 3
            assert second.call("large", "size", (b"12345",)) == 5
        # More than the system's buffers take, so that the rest waits to be written.
        assert len(first.call("large", "make", (30_000_000,))) == 30_000_000
        assert first.call("large", "size", (bytes(20_000_000),)) == 20_000_000
        stop.set()
        waker.send(b"x")
        loop.join(DEADLINE)


def test_a_method_may_shut_down_a_daemon_in_a_foreign_event_loop(
    settings: Configuration,
    connect: Callable[..., BlockingChannel],
    thread: Callable[..., threading.Thread],
) -> None:
    switch = Switch()
    with Daemon(config=settings) as switch.daemon:
        daemon = switch.daemon

        def foreign_loop() -> None:
            while daemon.sock.fileno() != -1:
                with selectors.DefaultSelector() as selector:
                    for sock in daemon.sockets:
                        selector.register(sock, selectors.EVENT_READ)
                    daemon.events([key.fileobj for key, _mask in selector.select()])

        uri = daemon.register(switch, "switch")
        loop = thread(foreign_loop)
        assert connect(uri).call("switch", "off") == "good night"
        loop.join(DEADLINE)
        assert not loop.is_alive()


@expose
class Large:
    def size(self, data: bytes) -> int:
        return len(data)

    def make(self, size: int) -> bytes:
        return bytes(size)
