"""Ending a daemon without cutting off the calls that are running."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import expose
from pyro_protocol.errors import CommunicationError, ConnectionClosedError
from pyro_server import Daemon
from support.concurrent_client import ConcurrentClient
from support.daemons import eventually
from support.gate import Gate
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_protocol.transport import BlockingChannel

# Long enough for everything that a test waits for.
LONG = 60.0


@pytest.fixture(autouse=True)
def _methods_run_off_the_loop(servertype: str) -> None:
    if servertype == "multiplex":
        pytest.skip("there, a running method holds up the loop itself")


def peek(channel: BlockingChannel) -> bool:
    """Whether a connection is still open, seen from the client."""
    channel.sock.setblocking(False)  # noqa: FBT003 - the name tells
    try:
        return bool(channel.sock.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return True
    finally:
        channel.sock.setblocking(True)  # noqa: FBT003 - the name tells


def test_running_calls_are_answered_and_idle_connections_closed(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    gate, daemon = Gate(), start()
    uri = daemon.register(gate, "gate")
    idle, busy = connect(uri), connect(uri)
    results: list[Any] = []
    calling = threading.Thread(
        target=lambda: results.append(busy.call("gate", "enter", (5,)))
    )
    calling.start()
    gate.wait_for_visitors()
    ending = threading.Thread(target=daemon.shutdown, args=(LONG,))
    ending.start()
    eventually(lambda: not peek(idle))
    with pytest.raises(ConnectionClosedError):
        idle.call("gate", "look")
    with pytest.raises(CommunicationError):
        connect(uri)
    gate.open()
    for one in (calling, ending):
        one.join(DEADLINE)
        assert not one.is_alive()
    assert results == [5]
    assert "closed" in repr(daemon)


def test_several_calls_of_one_connection_are_all_answered(
    start: Callable[..., Daemon],
) -> None:
    gate, daemon = Gate(), start()
    with ConcurrentClient(daemon.register(gate, "gate")) as client:
        calls = [client.send("enter", number) for number in range(5)]
        gate.wait_for_visitors(5)
        ending = threading.Thread(target=daemon.shutdown, args=(LONG,))
        ending.start()
        eventually(lambda: daemon.transportServer._drained_at is not None)  # type: ignore[union-attr] # not the host of one socket
        gate.open()
        assert [client.answer(call) for call in calls] == list(range(5))
        ending.join(DEADLINE)
        assert not ending.is_alive()


def test_what_takes_longer_than_it_may_is_cut_off(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    gate, daemon = Gate(), start()
    channel = connect(daemon.register(gate, "gate"))
    lost = threading.Event()

    def call() -> None:
        with pytest.raises(ConnectionClosedError):
            channel.call("gate", "enter", (5,))
        lost.set()

    threading.Thread(target=call).start()
    gate.wait_for_visitors()
    ending = threading.Thread(target=daemon.shutdown, args=(0.1,))
    ending.start()
    assert lost.wait(DEADLINE)
    gate.open()
    ending.join(DEADLINE)
    assert not ending.is_alive()


def test_a_daemon_that_is_not_served_closes_at_once(settings: Any) -> None:
    daemon = Daemon(config=settings)
    daemon.shutdown(drain=LONG)
    assert "closed" in repr(daemon)


def test_an_exposed_method_may_ask_for_it(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    daemon = start()

    @expose
    class Switch:
        def off(self) -> str:
            daemon.shutdown(drain=LONG)
            return "off"

    channel = connect(daemon.register(Switch(), "switch"))
    assert channel.call("switch", "off") == "off"
    eventually(lambda: "closed" in repr(daemon))
