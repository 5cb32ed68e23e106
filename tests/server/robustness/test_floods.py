"""Clients that come in masses, or send without an end."""

from __future__ import annotations

import random
import select
import socket
import struct
import threading
from typing import TYPE_CHECKING, Final

import pytest

from pyro_protocol import URI
from pyro_protocol.wire import FLAG_BATCH, FLAG_ONEWAY, MessageType
from server.robustness.world import WORKERS, Callers
from support.daemons import RawClient, eventually
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from server.robustness.world import ServerProcess

_MIB: Final = 1024 * 1024
_OWN_THREADS: Final = 4
_DESCRIPTORS: Final = 64


@pytest.fixture
def flood(attack: Callable[[], RawClient]) -> Iterator[Callable[[bytes], None]]:
    """Has clients send the same bytes again and again, and reads what they get."""
    clients: list[RawClient] = []
    threads: list[threading.Thread] = []

    def send(client: RawClient, data: bytes) -> None:
        try:
            while True:
                client.send(data)
        except OSError:
            return

    def flood(data: bytes) -> None:
        client = attack()
        client.shake_hands()
        # What the system keeps for a client has to be worked off after the test.
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32 * 1024)
        clients.append(client)
        threads.append(threading.Thread(target=send, args=(client, data)))
        threads[-1].start()

    yield flood
    for client in clients:
        client.sock.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(DEADLINE)


def oneway_call(client: RawClient, count: int) -> bytes:
    return client.call_message("note", flags=FLAG_ONEWAY) * count


def oneway_batch(client: RawClient, count: int) -> bytes:
    flags = FLAG_ONEWAY | FLAG_BATCH
    return client.call_message("<batch>", *[("note", (), {})] * count, flags=flags)


@pytest.mark.parametrize("message", [oneway_call, oneway_batch])
def test_a_flood_of_oneway_calls_keeps_nobody_waiting(
    message: Callable[[RawClient, int], bytes],
    server: ServerProcess,
    callers: Callers,
    attack: Callable[[], RawClient],
    flood: Callable[[bytes], None],
) -> None:
    server.forget_peak_memory()
    before = server.peak_memory()
    data = message(attack(), 10)
    for _ in range(3):
        flood(data)
    callers.wait_for_answers(30)
    assert server.thread_count() <= WORKERS + _OWN_THREADS
    assert server.peak_memory() - before < 64 * _MIB


def test_2000_clients_that_connect_at_once_keep_nobody_waiting(
    server: ServerProcess, callers: Callers, many_descriptors: None
) -> None:
    uri = URI(server.uri())
    burst: list[socket.socket] = []
    try:
        for _ in range(2000):
            sock = socket.socket()
            sock.settimeout(0)
            burst.append(sock)
            sock.connect_ex((uri.host, uri.port))
        callers.wait_for_answers(10)
        for sock in burst:
            poll = select.poll()
            poll.register(sock, select.POLLOUT)
            assert poll.poll(DEADLINE * 1000)
            client = RawClient(uri, sock)
            client.send(client.connect_message())
        for sock in burst:
            assert RawClient(uri, sock).receive().kind == MessageType.CONNECTOK
        callers.wait_for_answers(3)
    finally:
        for sock in burst:
            sock.close()


def test_clients_that_connect_and_reset_keep_nobody_waiting(
    callers: Callers, attack: Callable[[], RawClient]
) -> None:
    for number in range(300):
        client = attack()
        client.send(client.connect_message()[: number % 60])
        # The system tells the server of a reset, not of an end.
        client.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        client.close()
    callers.wait_for_answers(5)


def test_a_flood_of_nonsense_keeps_nobody_waiting(
    server: ServerProcess, callers: Callers, attack: Callable[[], RawClient]
) -> None:
    chance = random.Random(3)
    for number in range(200):
        client = attack()
        if number % 2:
            client.shake_hands()
        message = bytearray(client.call_message("add", 1, 2))
        message[chance.randrange(len(message))] ^= 1 << chance.randrange(8)
        client.send(message if number % 3 else chance.randbytes(5000))
    callers.wait_for_answers(5)
    assert server.thread_count() <= WORKERS + _OWN_THREADS


def test_out_of_descriptors_the_server_waits_at_rest_and_goes_on(
    serve: Callable[..., ServerProcess],
) -> None:
    server = serve(descriptors=_DESCRIPTORS)
    # Those that connect anew would be kept waiting, as everybody who does.
    with Callers(server.uri(), staying=2, newcomers=0) as callers:
        crowd = [RawClient(server.uri()) for _ in range(2 * _DESCRIPTORS)]
        server.program.wait_for("cannot accept connections for now")
        callers.wait_for_answers(20)
    # It tries again every half a second; trying all the time would take all of it.
    before = server.cpu_seconds()
    for _ in range(2):
        server.program.wait_for("cannot accept connections for now")
    assert server.cpu_seconds() - before < 0.25
    for client in crowd:
        client.close()
    with Callers(server.uri()):
        pass


def test_a_crowd_beyond_the_limit_of_connections_leaves_the_others_alone(
    serve: Callable[..., ServerProcess],
) -> None:
    server = serve(settings={"PYRO_MAX_CONNECTIONS": "20"})
    with Callers(server.uri(), staying=3, newcomers=0) as callers:
        crowd = [RawClient(server.uri()) for _ in range(100)]
        most = 100 - (20 - 3)
        eventually(lambda: sum(map(has_ended, crowd)) >= most)
        callers.wait_for_answers(10)
        assert sum(map(has_ended, crowd)) == most
        for client in crowd:
            client.close()
    with Callers(server.uri(), staying=1, newcomers=0):
        pass


def has_ended(client: RawClient) -> bool:
    client.sock.settimeout(0)
    try:
        return client.sock.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
