from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pyro_protocol.errors import CommunicationError, DaemonError, ServerBusyError
from pyro_protocol.wire import MessageType
from pyro_server import Daemon
from support.daemons import RawClient, eventually
from support.gate import Gate
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_protocol.config import Configuration
    from pyro_protocol.transport import BlockingChannel


@pytest.fixture(params=["thread"])
def servertype(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_calls_of_different_clients_run_at_the_same_time(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    gate = Gate()
    uri = start().register(gate, "gate")
    with ThreadPoolExecutor(5) as pool:
        answers = [
            pool.submit(connect(uri).call, "gate", "enter", (number,))
            for number in range(5)
        ]
        gate.wait_for_visitors(5)
        gate.open()
        assert [one.result(DEADLINE) for one in answers] == [0, 1, 2, 3, 4]


def test_calls_of_one_client_run_one_after_the_other(
    start: Callable[..., Daemon], raw: Callable[..., RawClient]
) -> None:
    gate = Gate()
    client = raw(start().register(gate, "gate"))
    client.shake_hands()
    client.send(client.call_message("enter", 1) + client.call_message("enter", 2))
    gate.wait_for_visitors()
    assert not gate._entered.acquire(blocking=False)
    gate.open()
    assert [client.receive_value(), client.receive_value()] == [1, 2]


def test_no_more_calls_run_than_there_are_workers_and_the_rest_wait(
    start: Callable[..., Daemon],
    settings: Configuration,
    connect: Callable[..., BlockingChannel],
) -> None:
    settings.THREADPOOL_SIZE = settings.THREADPOOL_SIZE_MIN = 2
    gate, daemon = Gate(), start()
    uri = daemon.register(gate, "gate")
    with ThreadPoolExecutor(6) as pool:
        answers = [
            pool.submit(connect(uri).call, "gate", "enter", (number,))
            for number in range(6)
        ]
        gate.wait_for_visitors(2)
        eventually(lambda: daemon.transportServer._pool.work_waits() == 4)  # type: ignore[union-attr] # a thread host
        assert not gate._entered.acquire(blocking=False)
        gate.open()
        assert [one.result(DEADLINE) for one in answers] == list(range(6))
    assert daemon.transportServer.worker_count == 2


class Full:
    """A daemon whose only worker is busy, and whose queue is full."""

    def __init__(
        self,
        daemon: Daemon,
        connect: Callable[..., BlockingChannel],
        raw: Callable[..., RawClient],
    ) -> None:
        self.gate = Gate()
        self.uri = daemon.register(self.gate, "gate")
        self.victim, self.raw_victim = connect(self.uri), raw(self.uri)
        self.raw_victim.shake_hands()
        self.busy = [raw(self.uri) for _ in range(2)]
        for client in self.busy:
            client.shake_hands()
        for number, client in enumerate(self.busy):
            client.send(client.call_message("enter", number))
            if number == 0:
                self.gate.wait_for_visitors()
        pool = daemon.transportServer._pool  # type: ignore[union-attr] # a thread host
        eventually(lambda: pool.work_waits() == 1)

    def relax(self) -> None:
        self.gate.open()
        for number, client in enumerate(self.busy):
            assert client.receive_value() == number


@pytest.fixture
def full(
    start: Callable[..., Daemon],
    settings: Configuration,
    connect: Callable[..., BlockingChannel],
    raw: Callable[..., RawClient],
) -> Full:
    settings.THREADPOOL_SIZE = settings.THREADPOOL_SIZE_MIN = 1
    settings.THREADPOOL_QUEUE_SIZE = 1
    return Full(start(), connect, raw)


def test_beyond_the_queue_a_call_is_refused_and_the_connection_stays(
    full: Full, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        with pytest.raises(ServerBusyError, match="the call was not run"):
            full.victim.call("gate", "look")
    assert "no worker and no place in the queue" in caplog.text
    full.relax()
    assert full.victim.call("gate", "look") == "open"
    assert full.gate.passed == [0, 1]


def test_beyond_the_queue_clients_still_connect_and_leave(
    full: Full, connect: Callable[..., BlockingChannel]
) -> None:
    for _ in range(20):
        connect(full.uri).close()
    with pytest.raises(ServerBusyError):
        connect(full.uri).call("gate", "look")
    full.relax()


def test_beyond_the_queue_several_requests_are_refused_one_by_one(full: Full) -> None:
    client = full.raw_victim
    client.send(client.call_message("look") + client.call_message("look"))
    for _ in range(2):
        # Serpent is for Pyro5 too, which knows no more exact class.
        answer = client.receive_value()
        assert isinstance(answer, DaemonError)
        assert "the call was not run" in str(answer)
    full.relax()
    assert client.call("look") == "open"


def test_a_handshake_with_a_hook_is_refused_when_there_is_no_worker_for_it(
    start: Callable[..., Daemon],
    settings: Configuration,
    connect: Callable[..., BlockingChannel],
    raw: Callable[..., RawClient],
) -> None:
    settings.THREADPOOL_SIZE = settings.THREADPOOL_SIZE_MIN = 1
    settings.THREADPOOL_QUEUE_SIZE = 1

    class Hooked(Daemon):
        def validateHandshake(self, conn: object, data: object) -> object:
            return data

    full = Full(start(Hooked), connect, raw)
    with pytest.raises(CommunicationError, match="rejected: no free workers"):
        connect(full.uri)
    full.relax()
    assert connect(full.uri).call("gate", "look") == "open"


def test_a_worker_that_stays_with_a_client_turns_to_others_that_wait(
    start: Callable[..., Daemon],
    settings: Configuration,
    connect: Callable[..., BlockingChannel],
) -> None:
    settings.THREADPOOL_SIZE = settings.THREADPOOL_SIZE_MIN = 1
    gate = Gate()
    uri = start().register(gate, "gate")
    busy, other = connect(uri), connect(uri)
    stop, called = threading.Event(), threading.Event()

    def call_for_ever() -> None:
        while not stop.is_set():
            busy.call("gate", "look")
            called.set()

    thread = threading.Thread(target=call_for_ever)
    thread.start()
    try:
        assert called.wait(DEADLINE)
        for _ in range(20):
            assert other.call("gate", "look") == "closed"
    finally:
        stop.set()
        thread.join(DEADLINE)


def test_a_ping_is_answered_by_a_worker_too(
    start: Callable[..., Daemon], raw: Callable[..., RawClient]
) -> None:
    client = raw(start().register(Gate(), "gate"))
    client.shake_hands()
    for _ in range(3):
        client.send(client.message(MessageType.PING, b"ping", serializer_id=42))
        answer = client.receive()
        assert (answer.kind, answer.serializer_id) == (MessageType.PING, 42)
        assert client.call("look") == "closed"
