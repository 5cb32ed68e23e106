"""A server that says what a test tells it to: for peers that misbehave."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any, Final, Self

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
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["Peer", "ScriptedServer"]

_LARGEST: Final = 1 << 30


class Peer:
    """The server's end of one connection, moved by hand.

    Attributes:
        sock: the socket.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(DEADLINE)
        self.sock = sock
        self._decoder = Decoder(_LARGEST, 256, frozenset(MessageType))

    def receive(self) -> Frame:
        """Return the next message of the client."""
        while (frame := self._decoder.next_frame()) is None:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError("the client has closed the connection")
            self._decoder.receive_data(data)
        return frame

    def wait_for_end(self) -> None:
        """Wait until the client has closed the connection."""
        while self.sock.recv(65536):
            continue

    def send(
        self,
        kind: int,
        request: Frame,
        payload: bytes,
        *,
        flags: int = 0,
        sequence: int | None = None,
        serializer_id: int | None = None,
        annotations: Mapping[str, Any] = NO_ANNOTATIONS,
    ) -> None:
        """Answer a message with bytes as they are."""
        self.sock.sendall(
            b"".join(
                encode_frame(
                    kind,
                    request.serializer_id if serializer_id is None else serializer_id,
                    flags,
                    request.sequence if sequence is None else sequence,
                    payload,
                    annotations,
                )
            )
        )

    def admit(
        self,
        *,
        methods: Iterable[str] = ("add", "slow"),
        oneway: Iterable[str] = (),
        attributes: Iterable[str] = (),
    ) -> Frame:
        """Take part in the handshake and return the client's CONNECT."""
        connect = self.receive()
        serializer = serializers_by_id[connect.serializer_id]
        metadata = {
            "methods": list(methods),
            "oneway": list(oneway),
            "attrs": list(attributes),
        }
        payload = serializer.dumps({"handshake": "hello", "meta": metadata})
        self.send(MessageType.CONNECTOK, connect, payload)
        return connect

    def answer(self, request: Frame, value: object, *, flags: int = 0) -> None:
        """Answer a call with a value, or with an exception if the flags say so."""
        payload = serializers_by_id[request.serializer_id].dumps(value)
        self.send(MessageType.RESULT, request, payload, flags=flags)

    def call_of(self, request: Frame) -> tuple[str, str, Any, Any]:
        """Return object id, method, arguments and keywords of a request."""
        return serializers_by_id[request.serializer_id].loads_call(request.payload)

    def refuse(self, reason: str) -> None:
        """Turn the client away."""
        connect = self.receive()
        payload = serializers["marshal"].dumps(reason)
        self.send(
            MessageType.CONNECTFAIL,
            connect,
            payload,
            serializer_id=serializers["marshal"].id,
        )


class ScriptedServer:
    """Listens, and plays a script to each connection, one after the other.

    Leaving the ``with`` block raises what went wrong in a script.

    Args:
        scripts: one function for each connection that is expected; after the
            last, nobody listens any more.

    Attributes:
        uri: the URI of its only object.
    """

    def __init__(self, *scripts: Callable[[Peer], object]) -> None:
        self._scripts = scripts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(DEADLINE)
        host, port = self._listener.getsockname()
        self.uri = f"PYRO:thing@{host}:{port}"
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="scripted server")

    def _run(self) -> None:
        try:
            for script in self._scripts:
                sock, _client = self._listener.accept()
                with sock:
                    script(Peer(sock))
        except BaseException as error:  # noqa: BLE001 - raised where the test can see it
            self._failure = error
        finally:
            self._listener.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, exc_type: object, *_exc_info: object) -> None:
        self._thread.join(2 * DEADLINE)
        assert not self._thread.is_alive(), "the script does not end"
        if self._failure is not None and exc_type is None:
            raise self._failure
