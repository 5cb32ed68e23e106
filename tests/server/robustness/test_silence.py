"""Clients that say nothing, or not all, or slowly."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from pyro_protocol.wire import MessageType
from server.robustness.world import WORKERS, Callers
from support.daemons import RawClient
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.robustness.world import ServerProcess

_OWN_THREADS: Final = 4
"""Threads of a server that are no workers, at most: loops."""

_HALVES: Final = (1, 6, 39, 40, 60)
"""Bytes of a message that is sent in part: around the ends of its header's parts."""

_MIB: Final = 1024 * 1024


def test_300_silent_clients_keep_nobody_waiting(
    server: ServerProcess, callers: Callers, attack: Callable[[], RawClient]
) -> None:
    for _ in range(300):
        attack()
    callers.wait_for_answers(20)
    assert server.thread_count() <= WORKERS + _OWN_THREADS


def test_clients_with_half_a_handshake_keep_nobody_waiting(
    server: ServerProcess, callers: Callers, attack: Callable[[], RawClient]
) -> None:
    for size in 20 * _HALVES:
        client = attack()
        client.send(client.connect_message()[:size])
    callers.wait_for_answers(5)
    assert server.thread_count() <= WORKERS + _OWN_THREADS


def test_clients_with_half_a_call_keep_nobody_waiting(
    server: ServerProcess, callers: Callers, attack: Callable[[], RawClient]
) -> None:
    for size in 20 * _HALVES:
        client = attack()
        client.shake_hands()
        client.send(client.call_message("add", 1, 2)[:size])
    callers.wait_for_answers(5)
    assert server.thread_count() <= WORKERS + _OWN_THREADS


def test_clients_that_announce_a_gigabyte_and_send_little_get_little_memory(
    server: ServerProcess, callers: Callers, attack: Callable[[], RawClient]
) -> None:
    before = server.peak_memory()
    for _ in range(50):
        client = attack()
        client.shake_hands()
        message = bytearray(client.message(MessageType.INVOKE))
        # The size of the payload, as the header announces it.
        message[12:16] = (1_000_000_000).to_bytes(4, "big")
        client.send(message + bytes(1000))
    callers.wait_for_answers(5)
    assert server.peak_memory() - before < 32 * _MIB


def test_clients_that_drip_their_bytes_keep_nobody_waiting(
    callers: Callers, attack: Callable[[], RawClient]
) -> None:
    handshakes = [attack() for _ in range(20)]
    calls = [attack() for _ in range(20)]
    for client in calls:
        client.shake_hands()
    drips = [
        *((client, client.connect_message()) for client in handshakes),
        *((client, client.call_message("add", 4, 5)) for client in calls),
    ]
    for client, _ in drips:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for position in range(max(len(message) for _, message in drips)):
        for client, message in drips:
            client.send(message[position : position + 1])
        callers.wait_for_answers()
    for client in handshakes:
        assert client.receive().kind == MessageType.CONNECTOK
    for client in calls:
        assert client.receive_value() == 9


def test_a_handshake_that_drips_is_ended_when_it_is_due(
    serve: Callable[..., ServerProcess],
) -> None:
    server = serve(settings={"PYRO_HANDSHAKE_TIMEOUT": "1"})
    with Callers(server.uri()) as callers, RawClient(server.uri()) as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        message = client.connect_message(handshake="x" * 8000)
        sent = drip_until_the_end(client, message, callers)
        assert sent < len(message)


def test_a_call_that_drips_is_ended_when_it_is_due(
    serve: Callable[..., ServerProcess],
) -> None:
    server = serve(settings={"PYRO_MESSAGE_TIMEOUT": "1"})
    with Callers(server.uri()) as callers, RawClient(server.uri()) as client:
        client.shake_hands()
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        message = client.call_message("size", "x" * 100_000)
        sent = drip_until_the_end(client, message, callers)
        assert sent < len(message)


def drip_until_the_end(client: RawClient, message: bytes, callers: Callers) -> int:
    """Send a byte for each answer of the others; return how many until the end."""
    for position in range(len(message)):
        try:
            client.send(message[position : position + 1])
            client.sock.settimeout(0)
            assert client.sock.recv(1) == b""
        except BlockingIOError:
            client.sock.settimeout(DEADLINE)
            callers.wait_for_answers()
        except OSError:
            return position
        else:
            return position
    return len(message)
