from __future__ import annotations

import select
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

import pytest

from pyro_protocol import expose
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
    from support.capable_client import CapableClient


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


@pytest.fixture
def uri_with_free_worker(
    start: Callable[..., Daemon], settings: Configuration, raw: Callable[..., RawClient]
) -> Any:
    """The URI of a gate whose daemon has a worker with nothing to do."""
    settings.HANDSHAKE_TIMEOUT = 0.2
    daemon = start()
    uri = daemon.register(Gate(), "gate")
    with raw(uri) as client:
        client.shake_hands()
        assert client.call("look") == "closed"
    host: Any = daemon.transportServer
    eventually(lambda: host._pool.is_idle)
    return uri


def test_a_free_worker_takes_a_client_that_speaks_in_pieces(
    uri_with_free_worker: Any, raw: Callable[..., RawClient]
) -> None:
    client = raw(uri_with_free_worker)
    message = client.connect_message()
    for start in range(0, len(message), 20):
        client.send(message[start : start + 20])
    assert client.receive().kind == MessageType.CONNECTOK
    assert [client.call("look"), client.call("look")] == ["closed", "closed"]


def test_a_free_worker_gives_a_silent_client_up_so_that_it_is_dropped_in_time(
    uri_with_free_worker: Any,
    raw: Callable[..., RawClient],
    caplog: pytest.LogCaptureFixture,
) -> None:
    silent, talker = raw(uri_with_free_worker), raw(uri_with_free_worker)
    talker.shake_hands()
    silent.wait_for_end()
    eventually(lambda: caplog.text.count("no handshake in time") == 1)
    # Once admitted, a client may be silent for as long as it likes.
    assert talker.call("look") == "closed"


def test_a_free_worker_refuses_a_client_and_serves_the_next(
    uri_with_free_worker: Any, raw: Callable[..., RawClient]
) -> None:
    stranger = raw(f"PYRO:nobody@{uri_with_free_worker.location}")
    stranger.send(stranger.connect_message())
    assert "unknown object" in stranger.refusal()
    client = raw(uri_with_free_worker)
    client.shake_hands()
    assert client.call("look") == "closed"


class Keeper:
    """Keeps what it is given, and returns a stream once its gate is open."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.kept: object = None
        self.closed = threading.Event()

    @expose
    def keep(self, items: object) -> None:
        self.kept = items

    @expose
    def items(self) -> Any:
        self.gate.enter()
        return self

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> int:
        return 1

    def close(self) -> None:
        self.closed.set()


class WatchingDaemon(Daemon):
    """A daemon that notes what its gate has let through when a client has left."""

    def __init__(self, gate: Gate, config: Configuration) -> None:
        super().__init__(config=config)
        self.gate = gate
        self.passed: list[int] | None = None
        self.left = threading.Event()

    def clientDisconnect(self, conn: object) -> None:
        del conn
        self.passed = [*self.gate.passed]
        self.left.set()


def test_a_client_that_the_loop_finds_gone_has_left_when_its_call_is_over(
    settings: Configuration, capable: Callable[..., CapableClient]
) -> None:
    settings.ITER_STREAM_LINGER = 0
    keeper = Keeper()
    with WatchingDaemon(keeper.gate, settings) as daemon:
        host: Any = daemon.transportServer
        uri = daemon.register(keeper, "keeper")
        serving = threading.Event()
        serving.set()
        loop = threading.Thread(target=daemon.requestLoop, args=(serving.is_set,))
        loop.start()
        try:
            client = capable(uri)
            client.call("keep", iter([1]))
        finally:
            # From here on the loop turns when it is told to, so that it does not take
            # the connection from the worker before it looks after it.
            serving.clear()
            host.wake()
            loop.join(DEADLINE)
        (connection,) = host.connections

        def waits_for_a_call() -> bool:
            daemon.events(())
            return connection.watched and not host._is_shared(connection)

        def is_held() -> bool:
            daemon.events(())
            return bool(connection.held)

        eventually(waits_for_a_call)
        client.send("items")
        eventually(is_held)
        keeper.gate.wait_for_visitors()
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        assert select.select([connection.sock], (), (), DEADLINE)[0]
        # The client is to be told of it, which cannot be written.
        keeper.kept = None
        daemon.events(())
        seen = connection.at_end, connection.said_farewell
        keeper.gate.open()
        assert seen == (True, False)
        assert keeper.closed.wait(DEADLINE)
        assert daemon.left.wait(DEADLINE)
        assert daemon.passed == [0]
        assert len(daemon.streaming_responses) == 0
