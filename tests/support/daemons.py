"""Daemons that serve in a thread, and bare sockets that talk to them."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from pyro_protocol import URI
from pyro_protocol.serializers import serializers, serializers_by_id
from pyro_protocol.wire import (
    NO_ANNOTATIONS,
    Decoder,
    Frame,
    MessageType,
    encode_frame,
)

from .hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pyro_protocol.wire import Buffer
    from pyro_server import Daemon

__all__ = ["RawClient", "eventually", "serving"]

_LARGEST = 1 << 30


@contextlib.contextmanager
def serving(daemon: Daemon) -> Iterator[Daemon]:
    """Have a daemon serve in a thread, and shut it down at the end."""
    thread = threading.Thread(target=daemon.requestLoop, name="request loop")
    thread.start()
    try:
        yield daemon
    finally:
        daemon.shutdown()
        thread.join(DEADLINE)
        assert not thread.is_alive(), "the request loop does not end"


def eventually(condition: Callable[[], object], what: str = "") -> None:
    """Wait for a condition that nothing signals; it has to come true."""
    deadline = time.monotonic() + DEADLINE
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"never came true: {what or condition}"
        pause.wait(0.002)


class RawClient:
    """A client of which every byte is the test's own.

    Args:
        uri: the object, and where it is.
        sock: a connected socket to use instead of connecting.
    """

    def __init__(self, uri: URI | str, sock: socket.socket | None = None) -> None:
        self.uri = URI(uri)
        self.sock = sock or self._connect()
        self.sock.settimeout(DEADLINE)
        self._sequence = 0
        self._decoder = Decoder(_LARGEST, 256, frozenset(MessageType))

    def _connect(self) -> socket.socket:
        if self.uri.sockname is not None:
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(self.uri.sockname)
            return sock
        return socket.create_connection((self.uri.host, self.uri.port), DEADLINE)

    def send(self, data: Buffer) -> None:
        """Send bytes."""
        self.sock.sendall(data)

    def message(
        self,
        kind: int,
        payload: Buffer = b"",
        *,
        flags: int = 0,
        serializer_id: int = serializers["serpent"].id,
        annotations: Mapping[str, Any] = NO_ANNOTATIONS,
    ) -> bytes:
        """Return the bytes of the next message."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        buffers = encode_frame(
            kind, serializer_id, flags, self._sequence, payload, dict(annotations)
        )
        return b"".join(buffers)

    def connect_message(
        self, *, handshake: object = "hello", serializer: str = "serpent"
    ) -> bytes:
        """Return the bytes of a CONNECT."""
        value = {"handshake": handshake, "object": self.uri.object_id}
        chosen = serializers[serializer]
        payload = chosen.dumps(value)
        return self.message(MessageType.CONNECT, payload, serializer_id=chosen.id)

    def call_message(
        self,
        method: str,
        *args: Any,
        flags: int = 0,
        serializer: str = "serpent",
        object_id: str | None = None,
        annotations: Mapping[str, Any] = NO_ANNOTATIONS,
    ) -> bytes:
        """Return the bytes of an INVOKE."""
        chosen = serializers[serializer]
        payload = chosen.dumps_call(object_id or self.uri.object_id, method, args, {})
        return self.message(
            MessageType.INVOKE,
            payload,
            flags=flags,
            serializer_id=chosen.id,
            annotations=annotations,
        )

    def shake_hands(self, *, handshake: object = "hello") -> Frame:
        """Send CONNECT and return the answer, which is to be CONNECTOK."""
        self.send(self.connect_message(handshake=handshake))
        answer = self.receive()
        assert answer.kind == MessageType.CONNECTOK, _value(answer)
        return answer

    def call(self, method: str, *args: Any, **options: Any) -> Any:
        """Call a method and return its result; an exception is returned too."""
        self.send(self.call_message(method, *args, **options))
        answer = self.receive()
        assert answer.sequence == self._sequence
        return _value(answer)

    def receive(self) -> Frame:
        """Return the next message of the server."""
        while (frame := self._decoder.next_frame()) is None:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError("the server has closed the connection")
            self._decoder.receive_data(data)
        return frame

    def receive_value(self) -> Any:
        """Return what the next message of the server holds."""
        return _value(self.receive())

    def refusal(self) -> str:
        """Return the reason of the CONNECTFAIL that comes next, before the end."""
        answer = self.receive()
        assert answer.kind == MessageType.CONNECTFAIL, _value(answer)
        self.wait_for_end()
        return str(_value(answer))

    def wait_for_end(self) -> None:
        """Wait until the server has closed the connection, and says no more."""
        assert self._decoder.buffered == 0
        try:
            assert self.sock.recv(1) == b""
        except ConnectionResetError:
            # The server had not read everything.
            return

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()


def _value(frame: Frame) -> Any:
    return serializers_by_id[frame.serializer_id].loads(frame.payload)
