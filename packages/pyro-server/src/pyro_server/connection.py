"""One connection of a host: its bytes, its requests, and where they stand."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from pyro_protocol.dispatch import ClientConnection
from pyro_protocol.session import ServerConnection, ServerSession, Service

if TYPE_CHECKING:
    import socket

    from pyro_protocol.session.server import ServerEvent
    from pyro_protocol.wire import Buffer, Frame

    from .byte_streams import ByteStream

__all__ = ["Connection"]


class Connection:
    """One connection, owned by one thread at a time.

    Either the selector waits for it, or a worker handles its requests; whoever
    has it may touch it, nobody else. Only the queue of oneway requests is shared.

    Attributes:
        stream: the bytes.
        client: the client, as the hooks see it.
        served: the conversation and the service behind it.
        session: the conversation.
        events: requests that have arrived and are not handled yet.
        outbox: what could not be written yet.
        watched: the selector mask it is registered with, or 0.
        oneway: requests without an answer that wait for their turn.
        oneway_running: whether somebody is working on them.
        parked: whether it belongs to nobody until they are fewer.
        at_end: whether the client has sent its last.
        departing: whether it is only open for the client to read the last answer.
        ended: whether it was closed.
    """

    __slots__ = (
        "__weakref__",
        "at_end",
        "client",
        "departing",
        "ended",
        "events",
        "oneway",
        "oneway_lock",
        "oneway_running",
        "outbox",
        "parked",
        "served",
        "session",
        "shaken",
        "stream",
        "watched",
    )

    def __init__(
        self,
        service: Service,
        stream: ByteStream,
        peer_address: Any,
        *,
        connected: bool = False,
    ) -> None:
        self.stream: ByteStream = stream
        self.client: ClientConnection = ClientConnection(peer_address, stream.sock)
        self.served: ServerConnection = ServerConnection(
            service, self.client, connected=connected
        )
        self.session: ServerSession = self.served.session
        self.events: list[ServerEvent] = []
        self.outbox: list[Buffer] = []
        self.watched: int = 0
        self.shaken: bool = False
        self.oneway: deque[Frame] = deque()
        self.oneway_lock: threading.Lock = threading.Lock()
        self.oneway_running: bool = False
        self.parked: bool = False
        self.at_end: bool = False
        self.departing: bool = False
        self.ended: bool = False

    @property
    def sock(self) -> socket.socket:
        """The socket."""
        return self.stream.sock

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return self.stream.sock.fileno()

    def read(self, *, wait: bool = False) -> int | None:
        """Read once and take in what has arrived.

        Args:
            wait: whether to wait a moment for the first byte.

        Returns:
            How many bytes that was, 0 at the end, None if nothing has arrived.

        Raises:
            OSError: the connection is lost.
        """
        space = self.session.space
        if space is None:
            data = self.stream.read_soon() if wait else self.stream.read()
            if data is not None:
                self.receive(data)
            return None if data is None else len(data)
        count = self.stream.read_into(space, wait=wait)
        if count == 0:
            self.receive(b"")
        elif count is not None:
            self.session.receive_written(count)
            self._take_events()
        return count

    def receive(self, data: bytes) -> None:
        """Take in what was read; b"" means the end."""
        if data:
            self.session.receive_data(data)
        else:
            self.at_end = True
            self.session.receive_eof()
        self._take_events()

    def _take_events(self) -> None:
        arrived = self.session.events_received()
        if arrived:
            self.events = [*self.events, *arrived] if self.events else arrived

    def give_up(self, reason: str | None = None) -> None:
        """Forget all that was to be done, as the connection cannot go on.

        Args:
            reason: what went wrong, if that is worth a note.
        """
        self.at_end = True
        self.events = []
        self.outbox = []
        self.session.receive_eof()
        self.session.data_to_send()
        self.session.error = reason

    def flush(self, *, wait: bool) -> bool:
        """Write what is queued; whether all of it could be written.

        What could not is copied where it may change: it may take long until it is
        written, and the program goes on with its objects.

        Raises:
            OSError: the connection is lost.
        """
        queued = self.session.data_to_send()
        if self.outbox:
            queued = [*self.outbox, *queued]
        if not queued:
            return True
        rest = self.stream.write(queued, wait=wait)
        self.outbox = [*map(_unchanging, rest)] if rest else rest
        return not rest


def _unchanging(buffer: Buffer) -> Buffer:
    """Return the bytes of a buffer in an object that nobody can change."""
    if memoryview(buffer).readonly:
        return buffer
    return bytes(buffer)
