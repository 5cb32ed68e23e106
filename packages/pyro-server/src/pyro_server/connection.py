"""One connection of a host: its bytes, its requests, and where they stand."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

from pyro_protocol.dispatch import ClientConnection
from pyro_protocol.session import ServerConnection, ServerSession, Service
from pyro_protocol.transport.credentials import peer_credentials

if TYPE_CHECKING:
    from collections import deque

    from pyro_protocol.session.server import ServerEvent
    from pyro_protocol.wire import Buffer, Frame

    from .byte_streams import ByteStream
    from .coroutines import RunningCoroutine

__all__ = ["Connection"]


class Connection:
    """One connection, read by one thread at a time.

    Either the selector loop reads it, or the worker that holds it. Requests may be
    handled by others at the same time, if the client can tell the answers apart; all
    of them write their answers themselves. The lock guards the session and what is
    counted here. It is never held while something is encoded, sent, or run.

    Attributes:
        stream: the bytes.
        client: the client, as the hooks see it.
        served: the conversation and the service behind it.
        session: the conversation.
        lock: guards the session, the queues and the counters.
        waiting: requests that have arrived and are not begun yet.
        outbox: what could not be written yet.
        writing: whether somebody is writing, who then writes all there is.
        watched: the selector mask it is registered with, or 0.
        held: whether a worker reads it, rather than the loop.
        in_call: whether that worker is carrying out a request just now.
        begun: how many requests it has begun.
        detached: whether the loop has taken the connection from it meanwhile.
        shared_until: until when the requests are given to several workers at once.
        jobs: how many workers carry out requests, the one that holds it not counted.
        queued: how many of them are still waiting for a thread.
        pending: how many calls are being awaited in the event loop.
        tasks: those that are stopped when the client goes; None if there are none.
        oneway: requests without an answer that wait for their turn; None at first.
        oneway_running: whether somebody is working on them.
        parked: whether nobody reads it until they are fewer.
        crowded: whether nobody reads it until fewer requests are waiting.
        at_end: whether the client has sent its last.
        departing: whether it is only open for the client to read the last answer.
        ended: whether it was closed.
        said_farewell: whether what the client held was released.
    """

    __slots__ = (
        "__weakref__",
        "at_end",
        "begun",
        "client",
        "crowded",
        "departing",
        "detached",
        "ended",
        "held",
        "in_call",
        "jobs",
        "lock",
        "oneway",
        "oneway_running",
        "outbox",
        "parked",
        "pending",
        "queued",
        "said_farewell",
        "served",
        "session",
        "shaken",
        "shared_until",
        "since",
        "stream",
        "tasks",
        "waiting",
        "watched",
        "writing",
    )

    def __init__(
        self,
        service: Service,
        stream: ByteStream,
        peer_address: Any,
        *,
        since: float = 0.0,
    ) -> None:
        self.stream: ByteStream = stream
        self.client: ClientConnection = ClientConnection(peer_address, stream.sock)
        if not isinstance(peer_address, tuple):
            self.client.peer_credentials = peer_credentials(stream.sock)
        self.lock: threading.Lock = threading.Lock()
        self.served: ServerConnection = ServerConnection(
            service, self.client, lock=self.lock
        )
        self.session: ServerSession = self.served.session
        self.since: float = since
        self.waiting: list[ServerEvent] = []
        self.outbox: list[Buffer] = []
        self.writing: bool = False
        self.watched: int = 0
        self.shaken: bool = False
        self.held: bool = False
        self.in_call: bool = False
        self.begun: int = 0
        self.detached: bool = False
        self.shared_until: float = 0.0
        self.jobs: int = 0
        self.queued: int = 0
        self.pending: int = 0
        self.tasks: set[RunningCoroutine] | None = None
        self.oneway: deque[Frame] | None = None
        self.oneway_running: bool = False
        self.parked: bool = False
        self.crowded: bool = False
        self.at_end: bool = False
        self.departing: bool = False
        self.ended: bool = False
        self.said_farewell: bool = False

    @property
    def sock(self) -> socket.socket:
        """The socket."""
        return self.stream.sock

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return self.stream.sock.fileno()

    @property
    def busy(self) -> bool:
        """Whether anybody but the one who reads it works for it."""
        return bool(self.jobs or self.pending or self.oneway_running)

    @property
    def may_begin(self) -> bool:
        """Whether the next request may be carried out now."""
        return self.served.parallel or not (self.jobs or self.pending)

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
            with self.lock:
                self.session.receive_written(count)
                self.take_events()
        return count

    def receive(self, data: bytes) -> None:
        """Take in what was read; b"" means the end."""
        with self.lock:
            if data:
                self.session.receive_data(data)
            else:
                self.at_end = True
                self.session.receive_eof()
            self.take_events()

    def take_events(self) -> None:
        """Put the requests that have arrived where they wait; the lock is held."""
        arrived = self.session.events_received()
        if self.served.calls is not None:
            self.served.arrived(arrived)
            self.served.act_on_signals()
        if arrived:
            self.waiting = [*self.waiting, *arrived] if self.waiting else arrived

    def next_event(self) -> ServerEvent | None:
        """Take the request that is next, if there is one."""
        with self.lock:
            return self.waiting.pop(0) if self.waiting else None

    def give_up(self, reason: str | None = None) -> None:
        """Forget all that was to be done, as the connection cannot go on.

        Args:
            reason: what went wrong, if that is worth a note.
        """
        with self.lock:
            self.at_end = True
            self.waiting = []
            self.outbox = []
            self.session.receive_eof()
            self.session.data_to_send()
            self.session.error = reason

    def flush(self, *, wait: bool) -> bool:
        """Write what is queued; whether all of it could be written.

        If somebody else is writing, that one writes this as well. What cannot be
        written at once is copied where it may change: the program goes on with its
        objects.

        Raises:
            OSError: the connection is lost.
        """
        with self.lock:
            queued = self.session.data_to_send()
            if self.ended:
                return True
            if self.writing:
                self.outbox += map(_unchanging, queued)
                return True
            if self.outbox:
                queued, self.outbox = [*self.outbox, *queued], []
            if not queued:
                return True
            self.writing = True
        while True:
            try:
                rest = self.stream.write(queued, wait=wait)
            except BaseException:
                with self.lock:
                    self._stop_writing()
                raise
            rest = [*map(_unchanging, rest)] if rest else rest
            with self.lock:
                if rest:
                    self.outbox = [*rest, *self.outbox]
                    self._stop_writing()
                    return False
                queued = self.session.data_to_send()
                if self.outbox:
                    queued, self.outbox = [*self.outbox, *queued], []
                if not queued:
                    self._stop_writing()
                    return True

    def _stop_writing(self) -> None:
        """Give the writing over to whoever is next; the lock is held."""
        self.writing = False
        if self.ended:
            self.outbox = []
            self.stream.close()

    def hang_up(self) -> None:
        """Have both ends see that nothing more is sent or received.

        The descriptor stays: another thread may be about to use it. Not the way of a
        TLS socket, which would forget its keys under the hands of that thread.
        """
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.stream.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket, now or when the one who is writing is done with it."""
        with self.lock:
            # A descriptor that is closed may be that of another connection at once.
            writing = self.writing
            if not writing:
                self.stream.close()
        if writing:
            self.hang_up()

    def flush_alone(self) -> bool:
        """Write what is queued, where nobody else can have anything to write.

        That is so while a worker holds a connection whose requests come one at a time.

        Raises:
            OSError: the connection is lost.
        """
        queued = self.session.data_to_send()
        if self.outbox or self.writing:
            self.outbox += queued
            return self.flush(wait=True)
        rest = self.stream.write(queued, wait=True)
        if rest:
            self.outbox = [*map(_unchanging, rest)]
        return not rest


def _unchanging(buffer: Buffer) -> Buffer:
    """Return the bytes of a buffer in an object that nobody can change."""
    if memoryview(buffer).readonly:
        return buffer
    return bytes(buffer)
