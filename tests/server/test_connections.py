"""What a daemon tells about its connections, and what becomes of silent ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol.errors import ConnectionClosedError
from pyro_protocol.session.capabilities import HEARTBEAT
from support.concurrent_client import ConcurrentClient
from support.daemons import RawClient, eventually
from support.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_protocol.transport import BlockingChannel
    from pyro_server import Daemon

# Where methods run in the thread of the loop, nobody would answer meanwhile.
WITH_HEARTBEAT = pytest.mark.parametrize("servertype", ["thread", "asyncio"])


def test_open_connections_are_described(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    servertype: str,
) -> None:
    gate, daemon = Gate(), start()
    uri = daemon.register(gate, "gate")
    assert daemon.connections() == []
    channel = connect(uri)
    channel.call("gate", "look")
    (info,) = daemon.connections()
    host, port = channel.sock.getsockname()[:2]
    assert info.peer in (f"{host}:{port}", f"[{host}]:{port}")
    assert info.age >= 0
    assert info.identity is None
    assert info.established
    assert info.streams == info.unsent == info.oneway_queued == 0
    assert "native" in info.capabilities
    eventually(lambda: daemon.connections()[0].calls_in_flight == 0)
    if servertype != "multiplex":
        with ConcurrentClient(uri) as client:
            call = client.send("enter")
            gate.wait_for_visitors()
            busy = [one for one in daemon.connections() if one.calls_in_flight]
            assert [one.calls_in_flight for one in busy] == [1]
            gate.open()
            client.answer(call)


def test_a_connection_can_be_closed(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    gate, daemon = Gate(), start()
    uri = daemon.register(gate, "gate")
    one, other = connect(uri), connect(uri)
    one.call("gate", "look")
    peer = one.sock.getsockname()[1]
    for info in daemon.connections():
        if info.peer.endswith(f":{peer}"):
            info.close()
    with pytest.raises(ConnectionClosedError):
        one.call("gate", "look")
    assert other.call("gate", "look") == "closed"
    eventually(lambda: len(daemon.connections()) == 1)


@WITH_HEARTBEAT
def test_a_client_is_asked_for_a_sign_of_life(
    start: Callable[..., Daemon], settings: Any
) -> None:
    settings.HEARTBEAT_INTERVAL = 0.01
    uri = start().register(Gate(), "gate")
    with ConcurrentClient(uri) as client:
        for _ in range(3):
            client.receive()
        assert client.call("look") == "closed"


@WITH_HEARTBEAT
def test_a_client_that_gives_no_sign_of_life_is_dropped(
    start: Callable[..., Daemon],
    settings: Any,
    caplog: pytest.LogCaptureFixture,
    connect: Callable[..., BlockingChannel],
) -> None:
    settings.HEARTBEAT_INTERVAL = settings.HEARTBEAT_TIMEOUT = 0.01
    daemon = start()
    uri = daemon.register(Gate(), "gate")
    # It has not agreed on anything of that kind.
    plain = connect(uri)
    with ConcurrentClient(uri) as client:
        eventually(lambda: len(daemon.connections()) == 1)
        assert client.sock.fileno() >= 0
    eventually(lambda: "no sign of life" in caplog.text)
    assert plain.call("gate", "look") == "closed"


@pytest.mark.parametrize("servertype", ["multiplex"])
def test_a_method_in_the_thread_of_the_loop_is_not_taken_for_death(
    start: Callable[..., Daemon],
) -> None:
    with ConcurrentClient(start().register(Gate(), "gate")) as client:
        assert HEARTBEAT not in client.session.capabilities


def test_a_message_must_arrive_in_time(
    start: Callable[..., Daemon],
    raw: Callable[..., RawClient],
    settings: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.MESSAGE_TIMEOUT = 0.05
    daemon = start()
    client = raw(daemon.register(Gate(), "gate"))
    client.shake_hands()
    client.send(client.call_message("look")[:-1])
    assert client.sock.recv(1) == b""
    eventually(lambda: "did not arrive in time" in caplog.text)
    eventually(lambda: not daemon.connections())
