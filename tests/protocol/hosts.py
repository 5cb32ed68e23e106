"""Real servers for tests: a host in a thread, and servers that follow a script."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any, Self

from protocol.conversation import Link, Server
from pyro_protocol import URI, Configuration
from pyro_protocol.serializers import serializers
from pyro_protocol.transport import AsyncioHost
from pyro_protocol.wire import HEADER_SIZE, Decoder, Frame, MessageType, encode_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "PATIENCE",
    "Peer",
    "RunningHost",
    "ScriptedServer",
    "new_config",
    "serve_in_memory",
]

PATIENCE = 20.0
"""How many seconds a test waits for something that should happen at once."""

_SERPENT = serializers["serpent"]


def new_config(**items: Any) -> Configuration:
    """Return the default settings, changed as given."""
    config = Configuration(use_environment=False)
    config.HOST = "127.0.0.1"
    for item, value in items.items():
        setattr(config, item, value)
    return config


class RunningHost:
    """An `AsyncioHost` that serves some objects in a thread of its own."""

    def __init__(
        self,
        objects: Mapping[str, object],
        *,
        config: Configuration | None = None,
        host: str | None = None,
        unixsocket: str | None = None,
        **options: Any,
    ) -> None:
        self._objects = objects
        self._config = config or new_config()
        self._where = {"host": host, "unixsocket": unixsocket}
        self._options = options
        self._started: threading.Event = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self.host: AsyncioHost
        self.loop: asyncio.AbstractEventLoop
        self.problems: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(PATIENCE)
        if self._failure is not None:
            self._thread.join(PATIENCE)
            raise self._failure
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        assert self.problems == []

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - told to the test
            self._failure = error
            self._started.set()

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(
            lambda _loop, problem: self.problems.append(problem)
        )
        self._stop = asyncio.Event()
        self.host = AsyncioHost(config=self._config, **self._options)
        await self.host.start(**self._where)  # type: ignore[arg-type] # as given to us
        for object_id, target in self._objects.items():
            self.host.register(target, object_id)
        self._started.set()
        await self._stop.wait()
        await self.host.stop()

    def uri(self, object_id: str = "thing") -> URI:
        """Return where an object is."""
        return self.host.uri_for(object_id)

    def in_loop(self, function: Callable[[], Any]) -> Any:
        """Run a function in the thread of the host and return its result."""

        async def call() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(PATIENCE)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is true in the thread of the host."""

        async def wait() -> None:
            async with asyncio.timeout(PATIENCE):
                while not condition():  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.001)

        asyncio.run_coroutine_threadsafe(wait(), self.loop).result(PATIENCE + 1)


class Peer:
    """One end of a connection that is handled by hand."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(PATIENCE)
        self._decoder = Decoder(1 << 30, 256, range(1, 7))

    @classmethod
    def connect(cls, uri: URI) -> Peer:
        """Connect to the location of a URI, without any handshake."""
        if uri.sockname is not None:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.connect(uri.sockname)
        else:
            assert uri.host is not None
            assert uri.port is not None
            sock = socket.create_connection((uri.host, uri.port), PATIENCE)
        return cls(sock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.sock.sendall(data)

    def receive(self) -> Frame:
        """Wait for the next message."""
        while (frame := self._decoder.next_frame()) is None:
            data = self.sock.recv(1 << 16)
            assert data, "the connection was closed"
            self._decoder.receive_data(data)
        return frame

    def read_to_end(self) -> bytes:
        """Return all that comes until the connection is closed."""
        received = b""
        # A server that did not read all may close with a reset.
        with contextlib.suppress(ConnectionError):
            while data := self.sock.recv(1 << 16):
                received += data
        return received

    def shake_hands(self, object_id: str = "thing") -> Frame:
        """Connect as a client and return the server's answer."""
        payload = _SERPENT.dumps({"handshake": "hello", "object": object_id})
        self.send(b"".join(encode_frame(MessageType.CONNECT, 1, 0, 0, payload)))
        return self.receive()

    def admit(self, **fields: Any) -> Frame:
        """Wait for a client's CONNECT and admit it."""
        frame = self.receive()
        meta = {"methods": ["echo"], "oneway": [], "attrs": []}
        value = {"handshake": "hello", "meta": meta}
        self.send(
            b"".join(
                encode_frame(
                    MessageType.CONNECTOK, 1, 0, 0, _SERPENT.dumps(value), **fields
                )
            )
        )
        return frame

    def call(
        self, method: str, *args: object, sequence: int = 1, flags: int = 0
    ) -> bytes:
        """Return the bytes of a call of the object ``thing``."""
        payload = _SERPENT.dumps_call("thing", method, args, {})
        return b"".join(encode_frame(MessageType.INVOKE, 1, flags, sequence, payload))

    def answer(self, request: Frame, value: object, **fields: Any) -> bytes:
        """Return the bytes of the answer to a request."""
        serializer_id = fields.pop("serializer_id", request.serializer_id)
        payload = serializers["serpent"].dumps(value)
        sequence = fields.pop("sequence", request.sequence)
        flags = fields.pop("flags", 0)
        return b"".join(
            encode_frame(
                MessageType.RESULT, serializer_id, flags, sequence, payload, **fields
            )
        )


class ScriptedServer:
    """Accepts connections and does with each what a script says.

    Args:
        script: called with the `Peer` and with an event that is set when the test
            is over.
    """

    def __init__(self, script: Callable[[Peer, threading.Event], object]) -> None:
        self._script = script
        self._over = threading.Event()
        self._sock = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run)
        self.failure: BaseException | None = None
        self.uri = URI(f"PYRO:thing@127.0.0.1:{self._sock.getsockname()[1]}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._over.set()
        # Wakes an accept that still waits.
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        self._sock.close()
        assert not self._thread.is_alive()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                sock, _address = self._sock.accept()
            except OSError:
                return
            try:
                with Peer(sock) as peer:
                    self._script(peer, self._over)
            except ConnectionError:
                # The client under test may go at any time.
                continue
            except BaseException as error:  # noqa: BLE001 - told to the test
                self.failure = error
                return


def serve_in_memory(server: Server, sock: socket.socket) -> threading.Thread:
    """Serve a connected socket, without handshake, until its other end is closed."""
    link = Link(server, connected=True)

    def run() -> None:
        while data := sock.recv(HEADER_SIZE):
            sock.sendall(link.send(data))

    thread = threading.Thread(target=run)
    thread.start()
    return thread
