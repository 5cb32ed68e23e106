"""A relay between client and server that cuts the line where a test wants it."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Final, Self

from .hosting import DEADLINE

__all__ = ["CuttingRelay"]

_SIZE: Final = 65536


class CuttingRelay:
    """Passes on what client and server say to each other.

    Args:
        location: host and port of the server.

    Attributes:
        location: where clients connect to.
    """

    def __init__(self, location: str) -> None:
        host, _, port = location.rpartition(":")
        self._server = host, int(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.location = "{}:{}".format(*self._listener.getsockname())
        # How many more bytes of answers, or of requests, get through.
        self._room: dict[bool, int | None] = {True: None, False: None}
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._ended = False
        self._threads = [threading.Thread(target=self._accept, name="relay")]

    def lose_next_answer(self) -> None:
        """Cut the connection, instead of passing on what the server says next."""
        self.cut_after(0, answers=True)

    def cut_after(self, count: int, *, answers: bool) -> None:
        """Cut the connection after some bytes more.

        Args:
            count: how many bytes still get through.
            answers: whether those of the server are counted, or those of the client.
        """
        with self._lock:
            self._room[answers] = count

    def cut(self) -> None:
        """Cut all connections."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _cut(pair)

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            if self._ended:
                client.close()
                return
            try:
                server = socket.create_connection(self._server, DEADLINE)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            pair = client, server
            with self._lock:
                self._pairs.append(pair)
            for source, target in (pair, pair[::-1]):
                thread = threading.Thread(
                    target=self._pass_on, args=(source, target, source is server)
                )
                self._threads.append(thread)
                thread.start()

    def _pass_on(
        self, source: socket.socket, target: socket.socket, is_answer: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_SIZE):
                with self._lock:
                    room = self._room[is_answer]
                    ends = room is not None and room <= len(data)
                    if room is not None:
                        self._room[is_answer] = None if ends else room - len(data)
                target.sendall(data[:room] if ends else data)
                if ends:
                    break
        _cut((source, target))

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._ended = True
        # Wakes the thread that waits for clients; closing the listener would not.
        with contextlib.suppress(OSError):
            socket.create_connection(self._listener.getsockname(), DEADLINE).close()
        self._threads[0].join(DEADLINE)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(DEADLINE)
            assert not thread.is_alive(), "the relay does not end"


def _cut(pair: tuple[socket.socket, ...]) -> None:
    for sock in pair:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
    for sock in pair:
        sock.close()
