"""One connection of a host: its bytes, its requests, and where they stand."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.dispatch import ClientConnection
from pyro_protocol.session import ServerConnection, ServerSession, Service
from pyro_protocol.session.capabilities import CALLBACKS, CHUNKS
from pyro_protocol.transport.credentials import peer_credentials

from .byte_streams import DONT_WAIT
from .exchange import ClientExchange

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from pyro_protocol.session.server import ServerEvent
    from pyro_protocol.wire import Buffer, Frame

    from .byte_streams import ByteStream
    from .coroutines import RunningCoroutine
    from .links import LinkHost

__all__ = ["Connection"]

# Shared by all that no worker holds, as most connections are idle.
_NOTHING: Final[list[object]] = []


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
        rest: bytes that were read, and that the session has not taken in; from
            ``rest_start`` on. A worker is carrying out what stands before them.
        answers: what it has to write for that.
        waiting: requests that have arrived and are not begun yet.
        outbox: what could not be written yet.
        pen: what the one who writes takes out, who then writes all there is; empty
            while somebody does.
        watched: the selector mask it is registered with, or 0.
        held: whether a worker reads it, rather than the loop.
        hold: what that worker is carrying out just now. The loop takes it out if that
            takes long, and with it the connection.
        detached: whether it has done so, and the worker has not noticed yet.
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
        exchange: the streams and callbacks; None if there can be none.
        stirred: the tick of the loop in which it was last noted that it is alive.
        attended: whether the loop was asked to look after it.
        said_farewell: whether what the client held was released.
    """

    __slots__ = (
        "__weakref__",
        "answers",
        "at_end",
        "attended",
        "client",
        "crowded",
        "departing",
        "detached",
        "ended",
        "exchange",
        "held",
        "hold",
        "jobs",
        "lock",
        "oneway",
        "oneway_running",
        "outbox",
        "parked",
        "pen",
        "pending",
        "queued",
        "rest",
        "rest_start",
        "said_farewell",
        "served",
        "session",
        "shaken",
        "shared_until",
        "since",
        "stirred",
        "stream",
        "tasks",
        "waiting",
        "watched",
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
        self.rest: bytes = b""
        self.rest_start: int = 0
        self.answers: list[bytes] = []
        self.waiting: list[ServerEvent] = []
        self.outbox: list[Buffer] = []
        # Taking and putting back is one step each, so neither needs the lock.
        self.pen: list[None] = [None]
        self.watched: int = 0
        self.shaken: bool = False
        self.held: bool = False
        self.hold: list[object] = _NOTHING
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
        self.exchange: ClientExchange | None = None
        self.stirred: float = 0.0
        self.attended: bool = False
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
        return bool(
            self.jobs
            or self.pending
            or self.oneway_running
            or (self.exchange is not None and self.exchange.link.active)
        )

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
        whole_size = self.session.whole_size if wait else 0
        space = None if whole_size else self.session.space
        if space is None:
            if whole_size:
                data = self.stream.read_whole(whole_size)
            else:
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
            had_rest = self.rest
            if had_rest:
                self._take_in_rest()
            if data:
                self.session.receive_data(data)
            else:
                self.at_end = True
                self.session.receive_eof()
                if not had_rest:
                    # All that came before was taken then.
                    return
            if not self.session.only_large:
                self.take_events()

    def leave_rest(self) -> None:
        """Leave what a worker has not come to, to whoever goes on; the lock is held."""
        if self.answers:
            self.outbox += self.answers
            self.answers.clear()
        if self.rest:
            self._take_in_rest()
            self.take_events()

    def _take_in_rest(self) -> None:
        rest, self.rest = self.rest, b""
        if self.rest_start < len(rest):
            self.session.receive_data(rest[self.rest_start :])

    def take_events(self) -> None:
        """Put the requests that have arrived where they wait; the lock is held."""
        arrived = self.session.events_received()
        if self.served.calls is not None:
            if arrived and self.exchange is not None:
                arrived = self.exchange.take_answers(arrived)
            self.served.arrived(arrived)
            self.served.act_on_signals()
        if arrived:
            self.waiting = [*self.waiting, *arrived] if self.waiting else arrived

    def admitted(self, host: LinkHost) -> None:
        """Take up what was agreed on in a handshake.

        Args:
            host: what serves the connection.
        """
        with self.lock:
            names = self.session.capabilities
            if CHUNKS in names or CALLBACKS in names:
                self.exchange = self.served.exchange = ClientExchange(self, host)
            self.take_events()

    def forget(self) -> None:
        """Let go of what refers back to this, as nobody works for it any more."""
        self.exchange = self.served.exchange = None

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
            self.rest = b""
            self.answers = []
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
            before = len(self.outbox)
            # First, as whoever writes looks for more after putting the pen back.
            self.outbox += queued
            if not self.outbox:
                return True
            if not self._take_pen():
                self.outbox[before:] = map(_unchanging, queued)
                return True
            queued, self.outbox = self.outbox, []
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
                    if self.exchange is not None:
                        self.exchange.written()
                    return True

    def _stop_writing(self) -> None:
        """Give the writing over to whoever is next; the lock is held."""
        self.pen.append(None)
        if self.ended:
            self.outbox = []
            self.stream.close()

    def _take_pen(self) -> bool:
        """Take the right to write, if nobody has it."""
        try:
            self.pen.pop()
        except IndexError:
            return False
        return True

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
            free = self._take_pen()
            if free:
                self.stream.close()
                self.pen.append(None)
        if not free:
            self.hang_up()

    def write(
        self, answer: bytes, send: Callable[[bytes, int], int], *, wait: bool = True
    ) -> bool:
        """Write one answer, and what is queued; whether all of it could be written.

        Other than with `flush`, the usual case needs no lock.

        Args:
            answer: the message.
            send: what `ByteStream.sender` has returned.
            wait: whether to wait a moment for a slow reader.

        Raises:
            OSError: the connection is lost.
        """
        try:
            self.pen.pop()
        except IndexError:
            with self.lock:
                self.outbox.append(answer)
            return self.flush(wait=wait)
        try:
            sent = 0 if self.outbox or self.ended else send(answer, DONT_WAIT)
        except BaseException as error:  # noqa: BLE001 - raised there
            return self.not_sent(answer, error, wait=wait)
        return self.sent(answer, sent, wait=wait)

    def not_sent(
        self, answer: bytes, error: BaseException, *, wait: bool = True
    ) -> bool:
        """Do what is left of `write` when sending has failed."""
        if isinstance(error, BlockingIOError):
            return self.sent(answer, 0, wait=wait)
        with self.lock:
            self._stop_writing()
        raise error

    def sent(self, answer: bytes, size: int, *, wait: bool = True) -> bool:
        """Do what is left of `write` when so many bytes have been sent."""
        if size < len(answer):
            with self.lock:
                rest = memoryview(answer)[size:]
                # What was begun must be ended first, and otherwise it does not matter.
                self.outbox = [rest, *self.outbox] if size else [*self.outbox, rest]
        self.pen.append(None)
        return self.look_again(wait=wait)

    def look_again(self, *, wait: bool = True) -> bool:
        """Do what others have left to `write`, which has put the pen back."""
        if self.ended:
            self.close()
        return self.flush(wait=wait) if self.outbox else True


def _unchanging(buffer: Buffer) -> Buffer:
    """Return the bytes of a buffer in an object that nobody can change."""
    if memoryview(buffer).readonly:
        return buffer
    return bytes(buffer)
