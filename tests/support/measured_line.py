"""A relay that cuts the line between client and server after a number of bytes."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from typing import Final, Self

from .hosting import DEADLINE

__all__ = ["MeasuredLine"]

_SIZE: Final = 65536
# Closing then tells the peer that the connection was lost, and drops what is under way.
_ABORT: Final = struct.pack("ii", 1, 0)


class _Pair:
    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.ends = {client: server, server: client}
        self.client = client

    def close(self, *, abort: bool) -> None:
        for end in self.ends:
            if abort:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            end.close()


class MeasuredLine:
    """Passes on what client and server say, until so many bytes were passed on.

    Args:
        location: host and port of the server.

    Attributes:
        location: where clients connect to.
        to_server: how many bytes the server has got since `measure` or `cut_after`.
        to_client: how many bytes the client has got since then.
    """

    def __init__(self, location: str) -> None:
        host, _, port = location.rpartition(":")
        self._server = host, int(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.location = "{}:{}".format(*self._listener.getsockname())
        self._lock = threading.Lock()
        self.to_server = 0
        self.to_client = 0
        self._most_to_server: int | None = None
        self._most_to_client: int | None = None
        self._abort = False
        self._selector = selectors.DefaultSelector()
        self._waker, alarm = socket.socketpair()
        self._alarm = alarm
        self._selector.register(alarm, selectors.EVENT_READ, None)
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._pairs: set[_Pair] = set()
        self._thread = threading.Thread(target=self._run, name="measured line")
        self._thread.start()

    def measure(self) -> None:
        """Count from now on, and cut nothing."""
        self.cut_after()

    def cut_after(
        self,
        *,
        to_server: int | None = None,
        to_client: int | None = None,
        abort: bool = False,
    ) -> None:
        """Cut the connection once so many bytes more were passed on.

        Args:
            to_server: bytes for the server; None for any number.
            to_client: bytes for the client; None for any number.
            abort: whether both ends see a lost connection rather than its end.
        """
        with self._lock:
            self.to_server = self.to_client = 0
            self._most_to_server = to_server
            self._most_to_client = to_client
            self._abort = abort

    def _run(self) -> None:
        while True:
            for key, _events in self._selector.select():
                if key.fileobj is self._alarm:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                elif key.data in self._pairs:
                    self._pass_on(key.fileobj, key.data)  # type: ignore[arg-type] # a socket

    def _accept(self) -> None:
        client, _address = self._listener.accept()
        try:
            server = socket.create_connection(self._server, DEADLINE)
        except OSError:
            client.close()
            return
        pair = _Pair(client, server)
        self._pairs.add(pair)
        for end in pair.ends:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(end, selectors.EVENT_READ, pair)

    def _pass_on(self, source: socket.socket, pair: _Pair) -> None:
        try:
            data = source.recv(_SIZE)
        except OSError:
            data = b""
        if not data:
            self._drop(pair, abort=False)
            return
        cut = False
        with self._lock:
            upwards = source is pair.client
            most = self._most_to_server if upwards else self._most_to_client
            count = self.to_server if upwards else self.to_client
            if most is not None and count + len(data) >= most:
                data = data[: most - count]
                cut = True
            if upwards:
                self.to_server += len(data)
            else:
                self.to_client += len(data)
            abort = self._abort and cut
            if cut:
                self._most_to_server = self._most_to_client = None
        with contextlib.suppress(OSError):
            pair.ends[source].sendall(data)
        if cut:
            self._drop(pair, abort=abort)

    def _drop(self, pair: _Pair, *, abort: bool) -> None:
        self._pairs.discard(pair)
        for end in pair.ends:
            self._selector.unregister(end)
        pair.close(abort=abort)

    def close(self) -> None:
        """Cut all connections and stop."""
        self._waker.send(b"\0")
        self._thread.join(DEADLINE)
        for pair in list(self._pairs):
            self._drop(pair, abort=False)
        self._selector.close()
        for sock in (self._listener, self._waker, self._alarm):
            sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()
