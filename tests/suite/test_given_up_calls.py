"""Calls that take too long, and what becomes of them and of the others."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pyro_suite import (
    Configuration,
    Daemon,
    Proxy,
    errors,
    expose,
    oneway,
    with_timeout,
)
from support.daemons import eventually
from support.hosting import DEADLINE
from support.scripted import Peer, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHORT = 0.1


@expose
class Waiting:
    """Waits until it is let go, or stopped."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.stopped = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.noted: list[int] = []

    async def wait_in_loop(self) -> str:
        self.begun.release()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.stopped.release()
            raise
        return "late"

    def wait(self) -> str:
        self.begun.release()
        assert self.go_on.wait(DEADLINE)
        return "late"

    def add(self, one: int, other: int) -> int:
        return one + other

    @oneway
    def note(self, number: int) -> None:
        self.noted.append(number)


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    waiting = Waiting()
    yield waiting
    waiting.go_on.set()


@pytest.mark.parametrize("interval", [0, 20])
def test_a_late_call_is_cancelled_and_disturbs_nobody(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    client_settings: Configuration,
    server_settings: Configuration,
    servertype: str,
    waiting: Waiting,
    interval: float,
) -> None:
    server_settings.SERVERTYPE = servertype
    client_settings.HEARTBEAT_INTERVAL = interval
    daemon = start(waiting)
    proxy = connect(daemon)
    proxy._pyroBind()
    connection: Any = proxy._pyroConnection
    with ThreadPoolExecutor(4) as pool:
        # One of them reads for the others.
        others = [pool.submit(proxy.wait_in_loop) for _ in range(2)]
        for _ in others:
            assert waiting.begun.acquire(timeout=DEADLINE)
        for _ in range(3):
            with pytest.raises(
                errors.TimeoutError, match=r"thing\.wait_in_loop\(\) after 0\.\d+ s"
            ) as caught:
                with_timeout(proxy, SHORT).wait_in_loop()
            assert caught.value.outcome == "unknown"
            assert waiting.stopped.acquire(timeout=DEADLINE)
            assert proxy.add(1, 2) == 3
        assert not any(call.done() for call in others)
        assert proxy._pyroConnection == connection
        assert len(daemon.connections()) == 1
        eventually(lambda: connection.session.calls_in_flight == 2)
        proxy._pyroRelease()
        for call in others:
            with pytest.raises(errors.ConnectionClosedError):
                call.result(DEADLINE)


def test_the_answer_to_a_late_call_is_dropped(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], waiting: Waiting
) -> None:
    proxy = connect(start(waiting))
    for _ in range(3):
        with pytest.raises(errors.TimeoutError, match="wait"):
            with_timeout(proxy, SHORT).wait()
    waiting.go_on.set()
    for number in range(100):
        assert proxy.add(number, 1) == number + 1
        assert proxy.wait() == "late"


def test_who_follows_goes_on_reading_when_the_reader_gives_up(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    client_settings: Configuration,
    waiting: Waiting,
) -> None:
    client_settings.HEARTBEAT_INTERVAL = 0
    proxy = connect(start(waiting))
    with ThreadPoolExecutor(9) as pool:
        late = [
            pool.submit(with_timeout(proxy, SHORT * (1 + number % 3)).wait)
            for number in range(8)
        ]
        patient = pool.submit(proxy.wait)
        for call in late:
            with pytest.raises(errors.TimeoutError):
                call.result(DEADLINE)
        waiting.go_on.set()
        assert patient.result(DEADLINE) == "late"


@pytest.mark.parametrize("most", [1, 2, 3])
def test_calls_wait_until_the_server_takes_another(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    client_settings: Configuration,
    server_settings: Configuration,
    waiting: Waiting,
    most: int,
) -> None:
    client_settings.HEARTBEAT_INTERVAL = 0
    server_settings.MAX_IN_FLIGHT = most
    proxy = connect(start(waiting))
    assert proxy.add([1], [2]) == [1, 2]
    with ThreadPoolExecutor(20) as pool:
        sums = pool.map(lambda one: proxy.add([one], [1]), range(400), timeout=DEADLINE)
        assert list(sums) == [[one, 1] for one in range(400)]
        long = [pool.submit(proxy.wait) for _ in range(most)]
        for _ in range(most):
            assert waiting.begun.acquire(timeout=DEADLINE)
        with pytest.raises(errors.TimeoutError) as caught:
            with_timeout(proxy, SHORT).add(1, 2)
        assert caught.value.outcome == "not_sent"
        waiting.go_on.set()
        assert [call.result(DEADLINE) for call in long] == ["late"] * most
        assert proxy.add(1, 2) == 3


def test_calls_without_answer_arrive_in_order(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    waiting: Waiting,
) -> None:
    proxy = connect(start(waiting))
    for number in range(2000):
        proxy.note(number)
        if number % 10 == 0:
            assert proxy.add(number, 1) == number + 1
    eventually(lambda: len(waiting.noted) == 2000)
    assert waiting.noted == list(range(2000))


@pytest.mark.parametrize("seconds", [1e7, 1e12, 1e18])
@pytest.mark.parametrize("value", [1, [1]])
def test_a_limit_may_be_as_long_as_one_likes(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    waiting: Waiting,
    seconds: float,
    value: Any,
) -> None:
    proxy = connect(start(waiting), timeout=None)
    proxy._pyroBind()
    assert with_timeout(proxy, seconds).add(value, value) == value + value
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(with_timeout(proxy, seconds).wait) for _ in range(3)]
        for _ in calls:
            assert waiting.begun.acquire(timeout=DEADLINE)
        waiting.go_on.set()
        assert [call.result(DEADLINE) for call in calls] == ["late"] * 3


# Servers that do not take what is sent


def test_a_server_that_says_nothing_is_waited_for_as_long_as_is_allowed() -> None:
    gone = threading.Event()

    def say_nothing(peer: Peer) -> None:
        peer.receive()
        gone.wait(DEADLINE)

    with ScriptedServer(say_nothing) as server, Proxy(server.uri) as proxy:
        with pytest.raises(errors.TimeoutError) as caught:
            with_timeout(proxy, SHORT).add(1, 2)
        assert caught.value.outcome == "not_sent"
        gone.set()


class Stopped:
    """A server that has stopped, with clients connected."""

    def __init__(self, daemon: Daemon) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.location = "{}:{}".format(*self._listener.getsockname())
        host, _, port = daemon.locationStr.rpartition(":")
        self._server = socket.create_connection((host, int(port)))
        self._flows = threading.Event()
        self._flows.set()
        self._threads: list[threading.Thread] = []
        accepting = threading.Thread(target=self._accept)
        accepting.start()
        self._threads.append(accepting)
        self._client: socket.socket | None = None

    def _accept(self) -> None:
        self._client, _address = self._listener.accept()
        for ends in (
            (self._client, self._server),
            (self._server, self._client),
        ):
            thread = threading.Thread(target=self._pass_on, args=ends)
            thread.start()
            self._threads.append(thread)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self._flows.wait(DEADLINE)
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def stop(self) -> None:
        self._flows.clear()

    def go_on(self) -> None:
        self._flows.set()

    def close(self) -> None:
        self.go_on()
        for sock in (self._client, self._server, self._listener):
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
                sock.close()
        for thread in self._threads:
            thread.join(DEADLINE)


@pytest.fixture
def stopped(start: Callable[..., Daemon], waiting: Waiting) -> Iterator[Stopped]:
    stopped = Stopped(start(waiting))
    yield stopped
    stopped.close()


def test_what_the_server_does_not_read_has_a_limit(
    stopped: Stopped, connect: Callable[..., Proxy]
) -> None:
    proxy = connect(f"PYRO:thing@{stopped.location}")
    assert proxy.add(1, 2) == 3
    stopped.stop()
    with pytest.raises(errors.TimeoutError, match="sending") as caught:
        with_timeout(proxy, SHORT).add(bytes(64 << 20), b"")
    assert caught.value.outcome == "not_sent"
    # There is no other way to tell the server that the rest will not come.
    assert not proxy._pyro_binding.connected


def test_a_call_of_which_nothing_was_written_leaves_the_connection_open(
    stopped: Stopped, connect: Callable[..., Proxy]
) -> None:
    proxy = connect(f"PYRO:thing@{stopped.location}")
    assert proxy.add(1, 2) == 3
    connection = proxy._pyroConnection
    stopped.stop()
    with ThreadPoolExecutor(1) as pool:
        large = pool.submit(proxy.add, bytes(64 << 20), b"x")
        eventually(lambda: connection._writing)  # type: ignore[union-attr] # it is there
        for value in (1, [1]):
            with pytest.raises(errors.TimeoutError) as caught:
                with_timeout(proxy, SHORT).add(value, value)
            assert caught.value.outcome == "not_sent"
        stopped.go_on()
        assert len(large.result(DEADLINE)) == (64 << 20) + 1
    assert proxy.add(1, 2) == 3
    assert proxy._pyroConnection is connection


# Signs of life


def test_a_dead_server_ends_the_calls_that_wait_for_it(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    client_settings: Configuration,
    stopped: Stopped,
) -> None:
    client_settings.HEARTBEAT_INTERVAL = SHORT
    client_settings.HEARTBEAT_TIMEOUT = 3 * SHORT
    proxy = connect(f"PYRO:thing@{stopped.location}")
    assert proxy.add(1, 2) == 3
    stopped.stop()
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(proxy.wait_in_loop) for _ in range(4)]
        for call in calls:
            with pytest.raises(errors.ConnectionClosedError, match="no sign of life"):
                call.result(DEADLINE)
    assert not proxy._pyro_binding.connected


def test_a_server_that_dies_while_nobody_calls_is_noticed(
    connect: Callable[..., Proxy],
    client_settings: Configuration,
    stopped: Stopped,
) -> None:
    client_settings.HEARTBEAT_INTERVAL = SHORT
    client_settings.HEARTBEAT_TIMEOUT = 3 * SHORT
    proxy = connect(f"PYRO:thing@{stopped.location}")
    assert proxy.add(1, 2) == 3
    stopped.stop()
    eventually(lambda: not proxy._pyro_binding.connected)


def test_a_busy_client_answers_its_servers_pings_and_an_idle_one_as_well(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    server_settings: Configuration,
    servertype: str,
    waiting: Waiting,
) -> None:
    server_settings.SERVERTYPE = servertype
    server_settings.HEARTBEAT_INTERVAL = SHORT
    server_settings.HEARTBEAT_TIMEOUT = 10 * SHORT
    proxy = connect(start(waiting))
    assert proxy.add(1, 2) == 3
    connection: Any = proxy._pyroConnection
    # Each sign of life that is asked for is given.
    threading.Event().wait(15 * SHORT)
    assert proxy.add(1, 2) == 3
    assert proxy._pyroConnection is connection


def test_that_the_server_has_hung_up_is_noticed_before_the_next_call(
    stopped: Stopped, connect: Callable[..., Proxy]
) -> None:
    proxy = connect(f"PYRO:thing@{stopped.location}")
    assert proxy.add(1, 2) == 3
    stopped.close()
    eventually(lambda: not proxy._pyro_binding.connected)
