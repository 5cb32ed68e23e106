"""When the network or the server fails: what is raised, and what happens next."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from pyro_client import Proxy
from pyro_protocol.errors import (
    CommunicationError,
    ConnectionClosedError,
    ProtocolError,
    SerializeError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.serializers import serializers
from pyro_protocol.wire import FLAG_EXCEPTION, MessageType, encode_frame
from support.hosting import DEADLINE, HostThread
from support.scripted import Peer, ScriptedServer
from support.workbench import Workbench

if TYPE_CHECKING:
    from pathlib import Path

SHORT = 0.1
LONG_ENOUGH = 30.0


def serve_add(peer: Peer) -> None:
    request = peer.receive()
    _object, _method, (a, b), _kwargs = peer.call_of(request)
    peer.answer(request, a + b)


def admit_and_add(peer: Peer) -> None:
    peer.admit()
    serve_add(peer)
    peer.wait_for_end()


# Time


def test_a_call_that_takes_too_long_is_a_timeout_error(
    proxy: Proxy, bench: Workbench
) -> None:
    proxy._pyroBind()
    proxy._pyroTimeout = SHORT
    with pytest.raises(TimeoutError, match="timeout") as caught:
        proxy.slow()
    assert caught.value.outcome == "unknown"
    assert isinstance(caught.value, CommunicationError)
    assert proxy._pyroConnection is None


def test_after_a_timeout_the_next_call_gets_its_own_answer(
    proxy: Proxy, bench: Workbench
) -> None:
    proxy._pyroBind()
    proxy._pyroTimeout = SHORT
    with pytest.raises(TimeoutError):
        proxy.slow()
    bench.release.set()
    proxy._pyroTimeout = None
    assert proxy.add(1, 2) == 3


def test_the_timeout_applies_at_once_to_a_live_connection(
    proxy: Proxy, bench: Workbench
) -> None:
    proxy._pyroTimeout = LONG_ENOUGH
    assert proxy.add(1, 2) == 3
    proxy._pyroTimeout = SHORT
    with pytest.raises(TimeoutError):
        proxy.slow()


@pytest.mark.parametrize("none", [None, 0])
def test_without_a_timeout_a_call_waits_for_ever(
    proxy: Proxy, none: float | None
) -> None:
    proxy._pyroTimeout = LONG_ENOUGH
    assert proxy.add(1, 2) == 3
    proxy._pyroTimeout = none
    assert proxy.add(1, 2) == 3
    assert proxy._pyroTimeout is None
    assert proxy._pyroConnection is not None
    assert proxy._pyroConnection.sock.gettimeout() is None


def test_the_timeout_covers_the_whole_answer_not_each_piece_of_it() -> None:
    gave_up = threading.Event()

    def drip(peer: Peer) -> None:
        peer.admit()
        request = peer.receive()
        payload = serializers["serpent"].dumps(3)
        answer = b"".join(
            encode_frame(MessageType.RESULT, 1, 0, request.sequence, payload)
        )
        try:
            # As a whole this takes much longer than the timeout, each pause less.
            for byte in answer:
                peer.sock.sendall(bytes([byte]))
                if gave_up.wait(SHORT / 2):
                    return
        except OSError:
            return

    with ScriptedServer(drip) as server, Proxy(server.uri) as proxy:
        proxy._pyroBind()
        proxy._pyroTimeout = SHORT
        with pytest.raises(TimeoutError):
            proxy.add(1, 2)
        gave_up.set()


def test_the_timeout_covers_the_whole_handshake() -> None:
    gave_up = threading.Event()

    def drip(peer: Peer) -> None:
        peer.receive()
        try:
            for byte in b"PYRO" + (502).to_bytes(2, "big") + b"\2\1" + bytes(60):
                peer.sock.sendall(bytes([byte]))
                if gave_up.wait(SHORT / 2):
                    return
        except OSError:
            return

    with ScriptedServer(drip) as server:
        proxy = Proxy(server.uri)
        proxy._pyroTimeout = SHORT
        with pytest.raises(TimeoutError) as caught:
            proxy._pyroBind()
        gave_up.set()
    assert caught.value.outcome == "not_sent"


def test_a_server_that_accepts_and_keeps_silent_is_a_timeout_error() -> None:
    with ScriptedServer(lambda peer: peer.wait_for_end()) as server:
        proxy = Proxy(server.uri)
        proxy._pyroTimeout = SHORT
        with pytest.raises(TimeoutError) as caught:
            proxy.add(1, 2)
        assert caught.value.outcome == "not_sent"


def test_a_server_that_does_not_read_is_a_timeout_error_that_says_so() -> None:
    gave_up = threading.Event()

    def stop_reading(peer: Peer) -> None:
        peer.admit()
        gave_up.wait(DEADLINE)

    with ScriptedServer(stop_reading) as server, Proxy(server.uri) as proxy:
        proxy._pyroBind()
        proxy._pyroTimeout = SHORT
        with pytest.raises(TimeoutError, match="sending") as caught:
            proxy.add(bytes(100_000_000), 2)
        gave_up.set()
    assert caught.value.outcome == "not_sent"


# Lost connections


def test_a_server_that_dies_during_a_call_is_a_connection_closed_error() -> None:
    def die(peer: Peer) -> None:
        peer.admit()
        peer.receive()

    with (
        ScriptedServer(die, admit_and_add) as server,
        Proxy(server.uri) as proxy,
    ):
        with pytest.raises(ConnectionClosedError) as caught:
            proxy.add(1, 2)
        assert caught.value.outcome == "unknown"
        assert proxy._pyroConnection is None
        assert proxy.add(1, 2) == 3


@pytest.mark.parametrize("received", [0, 1, 6, 39, 40, 50])
def test_an_answer_that_breaks_off_anywhere_is_a_connection_closed_error(
    received: int,
) -> None:
    def break_off(peer: Peer) -> None:
        peer.admit()
        request = peer.receive()
        payload = serializers["serpent"].dumps(3)
        answer = b"".join(
            encode_frame(MessageType.RESULT, 1, 0, request.sequence, payload)
        )
        assert received < len(answer)
        peer.sock.sendall(answer[:received])

    with ScriptedServer(break_off, admit_and_add) as server, Proxy(server.uri) as proxy:
        with pytest.raises(ConnectionClosedError) as caught:
            proxy.add(1, 2)
        assert caught.value.outcome == "unknown"
        assert proxy.add(1, 2) == 3


def test_a_restarted_server_is_one_error_and_then_works_again(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with Proxy(f"PYRO:bench@./u:{path}") as proxy:
        with HostThread(unixsocket=path) as host:
            host.register(Workbench(), "bench")
            assert proxy.add(1, 2) == 3
        with HostThread(unixsocket=path) as host:
            host.register(Workbench(), "bench")
            with pytest.raises(ConnectionClosedError):
                proxy.add(1, 2)
            assert proxy.add(1, 2) == 3


def test_a_request_that_was_not_wholly_sent_was_not_run(tmp_path: Path) -> None:
    def hang_up(peer: Peer) -> None:
        peer.admit()
        peer.sock.recv(1000)

    with (
        ScriptedServer(hang_up) as server,
        Proxy(server.uri) as proxy,
        pytest.raises(ConnectionClosedError, match="sending") as caught,
    ):
        proxy.add(bytes(50_000_000), 2)
    assert caught.value.outcome == "not_sent"


def test_a_connection_that_a_pyro5_server_is_about_to_close_is_not_used_again() -> None:
    def script(peer: Peer) -> None:
        peer.admit()
        failure = SerializeError("unsupported class")
        failure._pyroTraceback = ["remote"]  # type: ignore[attr-defined] # documented
        peer.answer(peer.receive(), failure, flags=FLAG_EXCEPTION)
        peer.wait_for_end()

    with ScriptedServer(script, admit_and_add) as server, Proxy(server.uri) as proxy:
        proxy._pyroMaxRetries = 3
        with pytest.raises(SerializeError, match="unsupported class"):
            proxy.add(1, 2)
        assert proxy._pyroConnection is None
        assert proxy.add(1, 2) == 3


# Answers that are none


def test_an_answer_to_another_request_ends_the_connection() -> None:
    def script(peer: Peer) -> None:
        peer.admit()
        request = peer.receive()
        payload = serializers["serpent"].dumps("not yours")
        sequence = request.sequence + 1
        peer.send(MessageType.RESULT, request, payload, sequence=sequence)
        peer.wait_for_end()

    with ScriptedServer(script, admit_and_add) as server, Proxy(server.uri) as proxy:
        with pytest.raises(ProtocolError, match="2"):
            proxy.add(1, 2)
        assert proxy._pyroConnection is None
        assert proxy.add(1, 2) == 3


def test_an_answer_given_twice_is_not_taken_for_that_of_the_next_call() -> None:
    def script(peer: Peer) -> None:
        peer.admit()
        request = peer.receive()
        peer.answer(request, 3)
        peer.receive()
        peer.answer(request, "once more")
        peer.wait_for_end()

    with ScriptedServer(script, admit_and_add) as server, Proxy(server.uri) as proxy:
        assert proxy.add(1, 2) == 3
        with pytest.raises(ProtocolError):
            proxy.add(1, 2)
        assert proxy.add(1, 2) == 3


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"x" * 40, id="text"),
        pytest.param(b"PYRO\x01\xf6\x09" + bytes(33), id="unknown message type"),
        pytest.param(b"PYRO\x01\xf7\x05" + bytes(33), id="another version"),
        pytest.param(b"PYRO\x01\xf6\x05" + bytes(33), id="no magic number"),
        pytest.param(
            b"PYRO\x01\xf6\x05\x01\0\0\0\1\xff\xff\xff\xff" + bytes(22) + b"\x4d\xc5",
            id="4 GiB announced",
        ),
        pytest.param(
            b"PYRO\x01\xf6\x05\x01\0\0\0\1\0\0\0\0\0\0\0\x09"
            + bytes(18)
            + b"\x4d\xc5ABCD\0\0\0\x05x",
            id="annotation past its end",
        ),
        pytest.param(
            b"PYRO\x01\xf6\x05\x01\0\x02\0\1\0\0\0\x04" + bytes(22) + b"\x4d\xc5zlib",
            id="not compressed",
        ),
    ],
)
def test_garbage_for_an_answer_ends_the_connection(garbage: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.admit()
        peer.receive()
        peer.sock.sendall(garbage)
        peer.wait_for_end()

    with ScriptedServer(script, admit_and_add) as server, Proxy(server.uri) as proxy:
        with pytest.raises(ProtocolError) as caught:
            proxy.add(1, 2)
        assert caught.value.outcome == "unknown"
        assert proxy._pyroConnection is None
        assert proxy.add(1, 2) == 3


@pytest.mark.parametrize("payload", [b"", b"(", b"\xff\xfe", b"# serpent utf-8\nx()"])
def test_an_undecodable_result_is_a_protocol_error(payload: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.admit()
        peer.send(MessageType.RESULT, peer.receive(), payload)
        serve_add(peer)

    with ScriptedServer(script) as server, Proxy(server.uri) as proxy:
        with pytest.raises(ProtocolError):
            proxy.add(1, 2)
        assert proxy.add(1, 2) == 3


def test_a_server_that_speaks_before_it_is_asked_is_refused() -> None:
    def script(peer: Peer) -> None:
        payload = serializers["serpent"].dumps("hello")
        for part in encode_frame(MessageType.RESULT, 1, 0, 0, payload):
            peer.sock.sendall(part)
        peer.wait_for_end()

    with ScriptedServer(script) as server, pytest.raises(CommunicationError) as caught:
        Proxy(server.uri).add(1, 2)
    assert caught.value.outcome == "not_sent"


# Interruptions


class InterruptedWaitError(Exception):
    """Raised by a signal handler."""


@pytest.mark.skipif(os.name != "posix", reason="sends a signal to a thread")
@pytest.mark.parametrize("exception", [KeyboardInterrupt, InterruptedWaitError])
def test_after_an_interrupted_wait_the_next_call_gets_its_own_answer(
    proxy: Proxy, bench: Workbench, exception: type[BaseException]
) -> None:
    def interrupt(_number: int, _frame: object) -> None:
        raise exception

    def interrupt_and_release() -> None:
        assert bench.started.acquire(timeout=DEADLINE)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        helper = threading.Thread(target=interrupt_and_release)
        helper.start()
        with pytest.raises(exception):
            proxy.slow()
        helper.join(DEADLINE)
    finally:
        signal.signal(signal.SIGUSR1, before)
    bench.release.set()
    assert proxy.add(1, 2) == 3
