"""Requests that nobody waits for: their order, their bound, their end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import current_context, expose
from pyro_protocol.wire import FLAG_BATCH, FLAG_ONEWAY, MessageType
from pyro_server import behavior
from support.daemons import RawClient, eventually
from support.gate import Gate
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_protocol.config import Configuration
    from pyro_protocol.transport import BlockingChannel
    from pyro_server import Daemon


def test_they_run_in_the_order_in_which_they_were_sent(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    gate = Gate()
    gate.open()
    channel = connect(start().register(gate, "gate"))
    for number in range(500):
        channel.call("gate", "send_through", (number,), flags=FLAG_ONEWAY)
    gate.wait_for_visitors(500)
    eventually(lambda: len(gate.passed) == 500)
    assert gate.passed == list(range(500))


def test_the_caller_does_not_wait_and_its_next_call_is_answered_meanwhile(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    gate = Gate()
    channel = connect(start().register(gate, "gate"))
    assert channel.call("gate", "send_through", (1,), flags=FLAG_ONEWAY) is None
    gate.wait_for_visitors()
    assert channel.call("gate", "look") == "closed"
    gate.open()


def test_any_method_can_be_called_so(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    gate = Gate()
    gate.open()
    channel = connect(start().register(gate, "gate"))
    channel.call("gate", "enter", (1,), flags=FLAG_ONEWAY)
    channel.call(
        "gate",
        "<batch>",
        [("enter", (2,), {}), ("enter", (3,), {})],
        flags=FLAG_ONEWAY | FLAG_BATCH,
    )
    # A method that is marked oneway is answered to who waits for it.
    assert channel.call("gate", "send_through", (4,)) is None
    gate.wait_for_visitors(4)
    eventually(lambda: sorted(gate.passed) == [1, 2, 3, 4])
    assert sorted(gate.passed, key=lambda one: one == 4)[:3] == [1, 2, 3]


@pytest.mark.parametrize("most", [0, 1, 3])
def test_only_so_many_wait_and_then_the_client_has_to(
    start: Callable[..., Daemon],
    settings: Configuration,
    raw: Callable[..., RawClient],
    connect: Callable[..., BlockingChannel],
    most: int,
) -> None:
    settings.MAX_ONEWAY_QUEUE = most
    gate, daemon = Gate(), start()
    uri = daemon.register(gate, "gate")
    client = raw(uri)
    client.shake_hands()
    for number in range(200):
        client.send(client.call_message("send_through", number, flags=FLAG_ONEWAY))
    client.send(client.call_message("look"))
    gate.wait_for_visitors()
    (connection,) = daemon.transportServer.connections  # type: ignore[union-attr] # not the host of one socket
    eventually(lambda: connection.parked, "the connection is not read any more")
    assert len(connection.oneway or ()) <= max(most, 1)
    # The others are served, and nobody forgets this one.
    assert connect(uri).call("gate", "look") == "closed"
    gate.open()
    assert client.receive_value() == "open"
    gate.wait_for_visitors(199)
    eventually(lambda: len(gate.passed) == 200)
    assert gate.passed == list(range(200))


def test_where_no_worker_is_free_they_run_all_the_same(
    start: Callable[..., Daemon],
    settings: Configuration,
    connect: Callable[..., BlockingChannel],
) -> None:
    settings.THREADPOOL_SIZE = settings.THREADPOOL_SIZE_MIN = 1
    settings.THREADPOOL_QUEUE_SIZE = 0
    settings.MAX_ONEWAY_QUEUE = 2
    gate = Gate()
    gate.open()
    channel = connect(start().register(gate, "gate"))
    for number in range(100):
        channel.call("gate", "send_through", (number,), flags=FLAG_ONEWAY)
    assert channel.call("gate", "look") == "open"
    eventually(lambda: len(gate.passed) == 100)
    assert gate.passed == list(range(100))


def test_one_that_fails_is_logged_and_the_next_one_runs(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = Gate()
    gate.open()
    channel = connect(start().register(gate, "gate"))
    channel.call("gate", "send_through", ("too", "many"), flags=FLAG_ONEWAY)
    channel.call("gate", "nonsense", flags=FLAG_ONEWAY)
    channel.call("gate", "send_through", (1,), flags=FLAG_ONEWAY)
    gate.wait_for_visitors()
    assert channel.call("gate", "look") == "open"
    assert "send_through" in caplog.text


def test_a_ping_is_answered_whatever_its_flags(
    start: Callable[..., Daemon], raw: Callable[..., RawClient]
) -> None:
    client = raw(start().register(Gate(), "gate"))
    client.shake_hands()
    for _ in range(3):
        client.send(client.message(MessageType.PING, b"ping", flags=FLAG_ONEWAY))
        answer = client.receive()
        assert (answer.kind, answer.payload) == (MessageType.PING, b"pong")


@behavior(instance_mode="session")
class Diary:
    """What a session does, and when it ends."""

    gate = Gate()
    written: list[int]
    closed: threading.Event

    def __init__(self) -> None:
        current_context.track_resource(self)

    @expose
    def write(self, number: int) -> None:
        self.gate.enter()
        self.written.append(number)

    def close(self) -> None:
        self.closed.set()


def test_the_client_is_gone_for_its_objects_only_after_the_last_one(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    class OneDiary(Diary):
        gate = Gate()
        written: list[int] = []  # noqa: RUF012 - this test's own
        closed = threading.Event()

    daemon = start()
    channel = connect(daemon.register(OneDiary, "diary"))
    for number in range(5):
        channel.call("diary", "write", (number,), flags=FLAG_ONEWAY)
    OneDiary.gate.wait_for_visitors()
    channel.close()
    eventually(lambda: not daemon.transportServer.connections)  # type: ignore[union-attr] # not the host of one socket
    assert not OneDiary.closed.is_set()
    OneDiary.gate.open()
    assert OneDiary.closed.wait(DEADLINE)
    assert OneDiary.written == list(range(5))


def test_those_that_wait_at_a_shutdown_are_dropped(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    gate, daemon = Gate(), start()
    channel = connect(daemon.register(gate, "gate"))
    for number in range(50):
        channel.call("gate", "send_through", (number,), flags=FLAG_ONEWAY)
    gate.wait_for_visitors()
    ending = threading.Thread(target=daemon.shutdown)
    ending.start()
    eventually(lambda: daemon.transportServer._stopping)
    gate.open()
    ending.join(DEADLINE)
    assert gate.passed == [0]


def test_the_context_tells_who_sent_it(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    told: list[Any] = []
    done = threading.Event()

    @expose
    class Curious:
        def look(self) -> None:
            told.append(tuple(current_context.client_sock_addr))
            done.set()

    channel = connect(start().register(Curious(), "curious"))
    channel.call("curious", "look", flags=FLAG_ONEWAY)
    assert done.wait(DEADLINE)
    assert told == [channel.sock.getsockname()]
