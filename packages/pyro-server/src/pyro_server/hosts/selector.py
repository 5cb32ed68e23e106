"""The selector loop: one thread that waits on all idle connections.

It reads requests, and finishes writing to slow readers; it never waits for a single
peer. Where a request is then handled is for the hosts built on it to decide.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import PyroError
from pyro_protocol.logs import log_exception
from pyro_protocol.session import ConnectRequest, Service
from pyro_protocol.session.capabilities import HEARTBEAT
from pyro_protocol.wire import FLAG_ONEWAY, Frame, MessageType

from ..byte_streams import open_byte_stream
from ..connection import Connection
from ..workers import WorkerPool
from .listener import ACCEPT_PAUSE, Listener
from .timeouts import Timeouts

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Iterable

    from pyro_protocol.config import Configuration
    from pyro_protocol.dispatch import StreamTable
    from pyro_protocol.session.server import ServerEvent

    from ..coroutines import CoroutineLoop, RunningCoroutine

__all__ = ["GO_ON", "INVOKE", "LET_GO", "TO_LOOP", "Next", "SelectorHost"]

_logger = logging.getLogger("pyro.server")

INVOKE: Final = int(MessageType.INVOKE)
_READ: Final = selectors.EVENT_READ
_WRITE: Final = selectors.EVENT_WRITE
_LONGEST_WAIT: Final = 2.0
# With a poll time-out of zero the loop would spin.
_SHORTEST_WAIT: Final = 0.05
_STOP_SECONDS: Final = 5.0
# How long a peer that is sent away may go on sending: to close at once while it
# does would destroy the answer that is on its way to it.
_FAREWELL_SECONDS: Final = 2.0
# How often those are looked at that are in the midst of a message or of draining.
_LOOK_SECONDS: Final = 0.25
# A message that takes longer than MESSAGE_TIMEOUT must come at least this fast, in
# bytes per second: the slowest network that anybody uses is faster, and a client
# that means to hold the server up sends a byte now and then.
_LEAST_RATE: Final = 1024


class Next(Enum):
    """What the one who has handled a request does with the connection next."""

    REQUEST = "take the next request"
    LOOP = "leave it to the loop"
    NOTHING = "leave it alone, it is another's already"


# Python 3.11 looks members of enumerations up slowly.
GO_ON: Final = Next.REQUEST
TO_LOOP: Final = Next.LOOP
LET_GO: Final = Next.NOTHING


class SelectorHost(ABC):
    """The part that all hosts with a selector loop share.

    Args:
        service: what the connections share.
        sock: the listening socket, non-blocking.
        config: the settings.
        streams: the open item streams.
        coroutines: the event loop for calls that are awaited.
        housekeeping: called every few seconds.
        tls: the context to accept connections with, or None.
        inline_handshake: whether a handshake runs nothing but our own code, so
            that it can be answered in the loop.
        inline_farewell: the same for the end of a connection.
    """

    may_wait_for_writing = True
    """Whether the thread that runs a call may wait a moment for a slow reader."""

    def __init__(
        self,
        service: Service,
        sock: socket.socket,
        config: Configuration,
        streams: StreamTable,
        coroutines: CoroutineLoop,
        *,
        housekeeping: Callable[[], None],
        tls: ssl.SSLContext | None = None,
        inline_handshake: bool = True,
        inline_farewell: bool = True,
    ) -> None:
        self._service = service
        self.sock = sock
        self._config = config
        self._streams = streams
        self._coroutines = coroutines
        self._housekeeping = housekeeping
        self._inline_handshake = inline_handshake
        self._inline_farewell = inline_farewell
        self._connections: set[Connection] = set()
        self._handshaking: Timeouts[Connection] = Timeouts()
        self._idle: Timeouts[Connection] = Timeouts()
        self._unwritten: Timeouts[Connection] = Timeouts()
        self._departing: Timeouts[Connection] = Timeouts()
        self._quiet: Timeouts[Connection] = Timeouts()
        self._pinged: Timeouts[Connection] = Timeouts()
        # Those in the midst of a message: since when, and the bytes since then.
        self._receiving: dict[Connection, tuple[float, int]] = {}
        self._returned: deque[Connection] = deque()
        # What waits for a worker to have time, and may not be refused.
        self._postponed: deque[Callable[[], None]] = deque()
        self._stopping = False
        # Also while it is draining: workers shall not stay with a connection.
        self._ending = False
        # When a draining host stops at the latest, and what releases it then.
        self._drained_at: float | None = None
        self._release_drained: Callable[[], None] | None = None
        self._release: Callable[[], None] | None = None
        self._released = threading.Event()
        self.loop_thread: threading.Thread | None = None
        self.turn_thread: threading.Thread | None = None
        self._next_housekeeping = time.monotonic() + _LONGEST_WAIT
        self._next_look = 0.0
        # The host whose loop serves the connections: this one, unless combined.
        self.driver: SelectorHost = self
        self.combined: list[SelectorHost] = []
        self._pool = WorkerPool(
            config.THREADPOOL_SIZE_MIN,
            config.THREADPOOL_SIZE,
            config.THREADPOOL_QUEUE_SIZE,
            f"pyro-worker-{sock.fileno()}",
        )
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)  # noqa: FBT003 - the name tells
        self._wake_writer.setblocking(False)  # noqa: FBT003 - the name tells
        self.selector: selectors.BaseSelector = selectors.DefaultSelector()
        self.listener: Listener = Listener(
            sock, config, tls, lambda: len(self._connections), self._admit
        )
        self._shaken_at_once = tls is None
        self.listener.watch(self.selector)
        self.selector.register(self._wake_reader, _READ, self._woken)

    @property
    def sockets(self) -> list[Any]:
        """What a foreign event loop has to watch for reading.

        While an answer waits for a slow reader, the selector is among the sockets:
        it becomes readable as soon as more of the answer can be written.
        """
        watched = list(self.selector.get_map().values())
        sockets = [getattr(key.fileobj, "sock", key.fileobj) for key in watched]
        if any(key.events & _WRITE for key in watched) and hasattr(
            self.selector, "fileno"
        ):
            sockets.append(self.selector)
        return sockets

    @property
    def connections(self) -> list[Connection]:
        """The open connections."""
        return list(self._connections)

    @property
    def worker_count(self) -> int:
        """How many worker threads there are."""
        return self._pool.thread_count

    def loop(self, condition: Callable[[], bool]) -> None:
        """Serve until ``condition`` is false, or `stop` is called."""
        self.loop_thread = threading.current_thread()
        try:
            while not self._stopping and condition():
                self.turn(self.wait_time())
        finally:
            self.loop_thread = None
            self.release_if_stopped()

    def wait_time(self) -> float:
        """Return how many seconds the loop may wait before it has to look around."""
        wait = min(self._config.POLLTIMEOUT or _LONGEST_WAIT, _LONGEST_WAIT)
        if self.listener.paused:
            wait = min(wait, ACCEPT_PAUSE)
        if self._postponed:
            wait = _SHORTEST_WAIT
        if self._receiving or self._drained_at is not None:
            wait = min(wait, _LOOK_SECONDS)
        if self._quiet or self._pinged:
            settings = self._config
            wait = min(wait, settings.HEARTBEAT_INTERVAL, settings.HEARTBEAT_TIMEOUT)
        return max(wait, _SHORTEST_WAIT)

    def turn(self, timeout: float) -> None:
        """Wait at most ``timeout`` seconds for events, and handle them."""
        self.turn_thread = threading.current_thread()
        try:
            self._handle_events(timeout)
        finally:
            self.turn_thread = None
        for host in (*self.combined, self):
            host.release_if_stopped()

    def _handle_events(self, timeout: float) -> None:
        for key, _mask in self.selector.select(timeout):
            handler: Callable[[Any], None] = key.data
            handler(key.fileobj)
        for host in (self, *self.combined):
            host.tick()

    def combine(self, other: SelectorHost) -> None:
        """Let this loop serve the connections of another host as well."""
        for key in list(other.selector.get_map().values()):
            self.selector.register(key.fileobj, key.events, key.data)
        other.selector.close()
        for host in (other, *other.combined):
            host.selector = self.selector
            host.listener.moved(self.selector)
            host.driver = self
            self.combined.append(host)
        other.combined = []

    def stop(self, release: Callable[[], None], *, wait: bool = True) -> None:
        """End the loop, and have everything released that belongs to it.

        That is done at the end of the loop's turn, so that requests being handled
        are answered first, the one to stop among them. Without a loop it is done
        here.

        Args:
            release: what releases everything, `close` included.
            wait: whether to wait up to 5 seconds for it, unless the loop would
                have to wait for the caller.
        """
        self._release = release
        self._stopping = self._ending = True
        self.wake()
        driver = self.driver
        idle = driver.loop_thread is None and driver.turn_thread is None
        if idle and not self._pool.runs_current_thread():
            # The loop may be doing it just now, as the last thing it does.
            self.release_if_stopped()
        if wait and not self._would_wait_for_itself():
            self._released.wait(_STOP_SECONDS)

    def drain(
        self, release: Callable[[], None], seconds: float, *, wait: bool = True
    ) -> None:
        """Stop when what is being done now is done, or the time is over.

        No connection is accepted any more, and those on which nothing is going on
        are closed.

        Args:
            release: what releases everything, `close` included.
            seconds: how long that may take.
            wait: whether to wait for it, unless the loop would have to wait for the
                caller.
        """
        # The loop may look at any moment, and ends when it finds nothing left.
        self._release_drained = release
        self._drained_at = time.monotonic() + seconds
        # At once: whoever is still accepted is sent away before the first call.
        self._next_look = 0.0
        self._ending = True
        self.wake()
        driver = self.driver
        if driver.loop_thread is None and driver.turn_thread is None:
            # Nobody serves what is still to be answered.
            self.stop(release, wait=wait)
        elif wait and not self._would_wait_for_itself():
            self._released.wait(seconds + _STOP_SECONDS)

    def _would_wait_for_itself(self) -> bool:
        own = threading.current_thread()
        driver = self.driver
        return (
            own in (driver.turn_thread, driver.loop_thread)
            or self._pool.runs_current_thread()
        )

    def release_if_stopped(self) -> None:
        """Release everything, if that has been asked for."""
        release, self._release = self._release, None
        if release is not None:
            release()
            self._released.set()

    def close(self) -> None:
        """End all connections and release everything; the loop must have ended."""
        self._stopping = self._ending = True
        self.listener.close()
        if self._drained_at is None:
            # Before the connections: what is being worked on can still be answered.
            self._pool.stop()
        connections = list(self._connections)
        for connection in connections:
            self._end(connection)
        self._pool.stop()
        for connection in connections:
            self._say_farewell(connection)
        self._run_postponed()
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(self._wake_reader)
        self._wake_reader.close()
        self._wake_writer.close()
        if self.driver is not self:
            self.driver.combined.remove(self)
        if not self.selector.get_map():
            self.selector.close()

    def wake(self) -> None:
        """Have the loop look at what was handed to it."""
        with contextlib.suppress(OSError):
            self._wake_writer.send(b"\0")

    def _woken(self, sock: Any) -> None:
        with contextlib.suppress(BlockingIOError):
            sock.recv(4096)
        if self._drained_at is not None:
            self.listener.close()
        # Those that come back while this is done have their own wake-up.
        for _ in range(len(self._returned)):
            self._guarded(self.take_back, self._returned.popleft())

    def _guarded(
        self, step: Callable[[Connection], None], connection: Connection
    ) -> None:
        """Do something for a connection; what goes wrong costs only that one."""
        try:
            step(connection)
        except OSError as error:
            _logger.info("connection of %s lost: %s", connection.client, error)
            self._end(connection)
        except (Exception, SystemExit):  # noqa: BLE001 - logged
            log_exception(_logger, "serving %s failed", connection.client)
            self._end(connection)

    def submit(self, job: Callable[[], None]) -> bool:
        """Have a job run where methods run; whether there is room for it."""
        return self._pool.submit(job)

    def give_back(self, connection: Connection) -> None:
        """Have the loop go on with a connection; callable from any thread."""
        self._returned.append(connection)
        self.wake()

    def take_back(self, connection: Connection) -> None:  # noqa: PLR0912 - one decision
        """Go on with a connection, in the thread of the loop.

        Whatever there is to be done is found out here, so that calling it once too
        often is harmless. What a worker reads is left to it.
        """
        if connection.ended or connection.held or self._stopping:
            # When the host is closed, all its connections are ended.
            return
        if connection.departing:
            if not connection.watched:
                self._see_off(connection)
        elif not connection.flush(wait=False):
            self._watch(connection, _WRITE)
        elif self._park(connection):
            self._unwatch(connection)
        elif connection.at_end and (
            connection.served.calls is not None or connection.pending
        ):
            # Nobody is left to read answers; what is awaited is stopped.
            self._end(connection)
        elif connection.waiting:
            if connection.outbox:
                # Another thread is writing; it may not be done soon.
                self._watch(connection, _WRITE)
            elif connection.may_begin:
                self._process(connection)
            elif self._reads_ahead(connection):
                self._watch(connection, _READ)
            else:
                # Whoever ends what is going on gives it back.
                self._unwatch(connection)
        elif connection.session.closing:
            if connection.at_end:
                self._end(connection)
            elif not connection.busy:
                self._dismiss(connection)
            else:
                if connection.served.calls is not None:
                    # It is not read any more, so nobody would see the client leave.
                    connection.served.abandon()
                self._unwatch(connection)
        elif self._drained_at is not None and not connection.busy:
            self._drain(connection)
        else:
            # Also while a call is awaited, to see that the client goes.
            self._watch(connection, _READ)

    def _reads_ahead(self, connection: Connection) -> bool:
        """Whether to read on while requests wait: one of them may be cancelled."""
        waiting = len(connection.waiting)
        return (
            connection.served.calls is not None and waiting < self._config.MAX_IN_FLIGHT
        )

    def _drain(self, connection: Connection) -> None:
        """Close a connection on which nothing is going on; what was sent, counts."""
        if connection.read() is not None and connection.waiting:
            self._process(connection)
        elif connection.session.missing and not connection.at_end:
            self._watch(connection, _READ)
        else:
            self._dismiss(connection)

    def read_on(self, connection: Connection) -> None:
        """Read on while requests are being handled, if that is wise."""
        if connection.outbox:
            self._watch(connection, _WRITE)
        elif self._park(connection):
            self._unwatch(connection)
        else:
            self._watch(connection, _READ)

    def _park(self, connection: Connection) -> bool:
        """Leave a connection alone until fewer of its oneway requests wait.

        Whoever runs them gives it back then.
        """
        if not connection.oneway_running:
            return False
        with connection.lock:
            connection.parked = self._is_full(connection)
            return connection.parked

    def _is_full(self, connection: Connection) -> bool:
        waiting = len(connection.oneway or ())
        return waiting > 0 and waiting >= self._config.MAX_ONEWAY_QUEUE

    def _admit(self, sock: socket.socket, address: Any) -> None:
        """Begin to serve a new connection.

        Raises:
            OSError: it is lost already.
        """
        connection = Connection(
            self._service, open_byte_stream(sock), address, since=time.time()
        )
        self._connections.add(connection)
        self._handshaking.start(connection)
        connection.shaken = self._shaken_at_once
        try:
            self._watch(connection, _READ)
        except OSError:
            self._end(connection)
            raise
        if connection.shaken:
            # The first message has often arrived together with the connection.
            self._ready(connection)

    def _watch(self, connection: Connection, events: int) -> None:
        self._idle.start(connection)
        if connection.watched == events:
            return
        if events == _WRITE:
            self._unwritten.start(connection)
            # It cannot go on with its message while nobody reads it.
            self._receiving.pop(connection, None)
        else:
            self._unwritten.cancel(connection)
            self._observe(connection, 0)
        if connection.watched:
            self.selector.modify(connection, events, self._ready)
        else:
            self.selector.register(connection, events, self._ready)
        connection.watched = events

    def _unwatch(self, connection: Connection) -> None:
        if connection.watched:
            connection.watched = 0
            with contextlib.suppress(KeyError, ValueError):
                self.selector.unregister(connection)
        self._idle.cancel(connection)
        self._unwritten.cancel(connection)
        self._receiving.pop(connection, None)

    def _ready(self, connection: Connection) -> None:
        """Read from, or write to, a connection that is ready for it."""
        if not connection.ended and not connection.held:
            self._guarded(self._advance, connection)

    def _advance(self, connection: Connection) -> None:
        if not connection.shaken:
            connection.shaken = connection.stream.handshake()
            if not connection.shaken:
                wants_write = connection.stream.wants_write
                self._watch(connection, _WRITE if wants_write else _READ)
                return
        if connection.watched == _WRITE:
            # Also when not all of it can be written: the time-out begins anew.
            self._unwritten.start(connection)
        if connection.outbox:
            self.take_back(connection)
            return
        if connection.departing:
            self._see_off(connection)
            return
        count = connection.read()
        if count is None:
            self._watch(connection, _READ)
            return
        self._observe(connection, count)
        if connection.served.calls is not None:
            # Answers to pings and to what was cancelled leave at once.
            self._heard(connection)
            if not connection.flush(wait=False):
                self._watch(connection, _WRITE)
                return
        if connection.waiting and connection.may_begin and not connection.outbox:
            self._process(connection)
        else:
            # In the middle of a message, or past one that was refused already.
            self.take_back(connection)

    def _observe(self, connection: Connection, count: int) -> None:
        """Take note of how a message that comes in pieces goes on."""
        if not connection.session.missing:
            if self._receiving:
                self._receiving.pop(connection, None)
            return
        since, received = self._receiving.get(connection, (time.monotonic(), 0))
        self._receiving[connection] = since, received + count

    def _heard(self, connection: Connection) -> None:
        """Take note of a sign of life, where those are agreed on."""
        if HEARTBEAT in connection.session.capabilities:
            self._pinged.cancel(connection)
            self._quiet.start(connection)

    def _process(self, connection: Connection) -> None:
        """Handle what has arrived, here or elsewhere."""
        if self._inline_handshake and self._handle_handshake(connection):
            return
        if connection.waiting:
            self.run(connection)
        else:
            self.take_back(connection)

    def _handle_handshake(self, connection: Connection) -> bool:
        """Answer a handshake in the loop; whether that was all there was to do."""
        if (
            len(connection.waiting) != 1
            or type(connection.waiting[0]) is not ConnectRequest
        ):
            return False
        connection.served.handle(connection.waiting.pop())
        with connection.lock:
            connection.take_events()
        if connection.session.closing or connection.waiting:
            return False
        self._handshaking.cancel(connection)
        if connection.served.calls is not None:
            self._heard(connection)
        self.take_back(connection)
        return True

    def _dismiss(self, connection: Connection) -> None:
        """Close a connection on which nothing more is to be said."""
        if connection.at_end:
            self._end(connection)
            return
        self._report(connection)
        connection.stream.sock.shutdown(socket.SHUT_WR)
        connection.departing = True
        self._departing.start(connection)
        self._watch(connection, _READ)
        self._see_off(connection)

    def _see_off(self, connection: Connection) -> None:
        """Ignore what a peer still sends that was told to go."""
        data = connection.stream.read()
        if data == b"":
            self._end(connection)
        elif not connection.watched:
            self._watch(connection, _READ)

    @abstractmethod
    def run(self, connection: Connection) -> None:
        """Handle the waiting requests of a connection, or some of them.

        Called in the thread of the loop. A thread that is to read the connection
        itself sets ``held``, and the connection must not be watched meanwhile; it is
        returned with `give_back`.
        """

    def handle(self, connection: Connection, event: ServerEvent) -> Next:
        """Handle one request, and say how the connection goes on.

        A oneway request is queued for the workers: those of one connection are
        run one after the other, in the order in which they were sent, beside its
        other requests.

        Raises:
            OSError: the connection is lost.
        """
        if type(event) is Frame and event.flags & FLAG_ONEWAY and event.kind == INVOKE:
            room = self.queue_oneway(connection, event)
            return GO_ON if room else TO_LOOP
        coroutine = connection.served.handle(event)
        if coroutine is not None:
            return self.start(connection, event, coroutine)  # type: ignore[arg-type] # only a frame is awaited
        if type(event) is ConnectRequest:
            with connection.lock:
                connection.take_events()
        written = connection.flush(wait=self.may_wait_for_writing)
        return GO_ON if written else TO_LOOP

    def start(
        self,
        connection: Connection,
        frame: Frame,
        coroutine: Coroutine[Any, Any, None],
    ) -> Next:
        """Have a call awaited, and say how the connection goes on."""
        parallel = connection.served.parallel
        with connection.lock:
            connection.pending += 1
            if not parallel:
                # It may be over, and another thread hold the connection, before this
                # thread has come to leave it alone.
                connection.held = connection.in_call = False
                if connection.detached:
                    connection.detached = False
                    connection.jobs -= 1
        calls = connection.served.calls
        call = None if calls is None else calls.find(frame)
        seconds = None
        if call is not None and call.deadline is not None:
            seconds = call.deadline.remaining()
        try:
            running = self._coroutines.start(
                coroutine, partial(self._awaited, connection)
            )
        except PyroError as error:
            connection.served.refuse(frame, error)
            self._awaited(connection, None)
            return GO_ON if parallel else LET_GO
        with connection.lock:
            if connection.ended:
                running.cancel()
            elif not running.ended:
                if connection.tasks is None:
                    connection.tasks = set()
                connection.tasks.add(running)
        if calls is not None and call is None:
            # It was cancelled, or its client has gone, before it came to this.
            running.cancel()
        elif calls is not None and call is not None:
            calls.attach(call, running.cancel)
            if seconds is not None:
                self._coroutines.call_soon(partial(calls.expire, call), delay=seconds)
        if not parallel and threading.current_thread() is not self.driver.turn_thread:
            # To see that it is cancelled, or that the client has gone.
            self.give_back(connection)
        return GO_ON if parallel else LET_GO

    def _awaited(
        self, connection: Connection, running: RunningCoroutine | None
    ) -> None:
        """Go on with a connection whose call was brought to its end."""
        with connection.lock:
            connection.pending -= 1
            if connection.tasks is not None and running is not None:
                connection.tasks.discard(running)
        self.settle(connection)

    def settle(self, connection: Connection) -> None:
        """Write what there is, and go on with a connection that nobody holds.

        Called by whoever has finished something for a connection that the loop, or
        another thread, reads.
        """
        written = False
        try:
            written = connection.flush(wait=False)
        except OSError as error:
            _logger.info("connection of %s lost: %s", connection.client, error)
            connection.give_up()
        if connection.ended:
            if self._is_last(connection):
                self._say_farewell(connection)
        elif (
            not written
            or connection.waiting
            or connection.crowded
            or not connection.served.parallel
            or connection.session.closing
            or self._drained_at is not None
        ):
            self.give_back(connection)

    def queue_oneway(self, connection: Connection, frame: Frame) -> bool:
        """Queue a oneway request; whether there is room for more of them."""
        with connection.lock:
            begin = self.add_oneway(connection, (frame,))
            full = self._is_full(connection)
        return (begin and self.begin_oneway(connection)) or not full

    def add_oneway(self, connection: Connection, frames: Iterable[Frame]) -> bool:
        """Queue oneway requests; the lock is held.

        Returns:
            Whether `begin_oneway` is to be called.
        """
        if connection.oneway is None:
            connection.oneway = deque()
        connection.oneway.extend(frames)
        running, connection.oneway_running = connection.oneway_running, True
        return not running

    def begin_oneway(self, connection: Connection) -> bool:
        """Have the oneway requests of a connection run; whether they have been run."""
        run = partial(self._run_oneway, connection)
        if self._pool.submit(run):
            return False
        if self.turn_thread is threading.current_thread():
            self._postpone(run)
            return False
        # No worker has time, so the one that brought them does it itself.
        run()
        return True

    def _run_oneway(self, connection: Connection) -> None:
        while (frame := self._next_oneway(connection)) is not None:
            try:
                coroutine = connection.served.handle(frame)
                if coroutine is not None:
                    self._coroutines.start(
                        coroutine, partial(self._oneway_awaited, connection)
                    )
                    return
            except Exception:  # noqa: BLE001 - logged
                log_exception(
                    _logger, "a oneway request of %s failed", connection.client
                )

    def _oneway_awaited(
        self, connection: Connection, _running: RunningCoroutine
    ) -> None:
        """Go on with the oneway requests after one that was awaited."""
        run = partial(self._run_oneway, connection)
        if not self._pool.submit(run):
            self._postpone(run)

    def _postpone(self, job: Callable[[], None]) -> None:
        """Have a job run by a worker as soon as one has time for it.

        For threads that must not wait for what is not our own code.
        """
        self._postponed.append(job)
        if self._stopping:
            self._run_postponed()

    def _run_postponed(self) -> None:
        """Find workers for the jobs that wait for one; in the end, do them here."""
        while self._postponed:
            try:
                job = self._postponed.popleft()
            except IndexError:
                return
            if self._pool.submit(job):
                continue
            if not self._stopping:
                self._postponed.appendleft(job)
                return
            job()

    def _next_oneway(self, connection: Connection) -> Frame | None:
        """Return the next oneway request; after the last, do what waited for it."""
        with connection.lock:
            if connection.oneway and not self._stopping:
                return connection.oneway.popleft()
            connection.oneway = None
            connection.oneway_running = False
            parked, connection.parked = connection.parked, False
        if connection.ended:
            if self._is_last(connection):
                self._say_farewell(connection)
        elif parked or connection.session.closing or self._drained_at is not None:
            self.give_back(connection)
        return None

    def disconnect(self, connection: Connection) -> None:
        """Close a connection, from any thread."""
        connection.give_up("it was closed by the program")
        # The client sees it at once, also if somebody is at work for it.
        connection.hang_up()
        self.give_back(connection)

    def _report(self, connection: Connection) -> None:
        """Take a note of why a connection is ended by this side."""
        session = connection.session
        if session.error:
            _logger.warning("%s was dropped: %s", connection.client, session.error)
            session.error = None

    def _end(self, connection: Connection) -> None:
        """Close a connection and forget it."""
        with connection.lock:
            if connection.ended:
                return
            connection.ended = True
            connection.waiting = []
            tasks, connection.tasks = connection.tasks, None
        self._report(connection)
        self._unwatch(connection)
        for timeouts in (self._handshaking, self._departing, self._quiet, self._pinged):
            timeouts.cancel(connection)
        self._receiving.pop(connection, None)
        self._connections.discard(connection)
        connection.close()
        connection.served.abandon()
        for running in tasks or ():
            running.cancel()
        self._streams.client_gone(connection.client)
        # Whoever still works for it says farewell after the last of it.
        if self._is_last(connection):
            self._say_farewell(connection)

    def _is_last(self, connection: Connection) -> bool:
        """Whether nobody works any more for a connection that has ended."""
        with connection.lock:
            return not connection.busy

    def _say_farewell(self, connection: Connection) -> None:
        """Release what the client held; what is not our own code may take its time."""
        with connection.lock:
            if connection.said_farewell:
                return
            connection.said_farewell = True
        client = connection.client
        # What was still running may have opened more.
        self._streams.client_gone(client)
        if self._inline_farewell and not client.holds_something:
            connection.served.close()
        elif not self._pool.submit(connection.served.close):
            self._postpone(connection.served.close)

    def tick(self) -> None:
        """Do what depends on time."""
        settings = self._config
        for connection in self._handshaking.take_expired(settings.HANDSHAKE_TIMEOUT):
            # One that a worker has, or that is being sent away, has spoken in time.
            if connection.watched and not (
                connection.client.established or connection.departing
            ):
                self._drop(connection, "no handshake in time")
        for connection in self._departing.take_expired(_FAREWELL_SECONDS):
            self._end(connection)
        if settings.COMMTIMEOUT > 0:
            for connection in self._idle.take_expired(settings.COMMTIMEOUT):
                if connection.busy:
                    self._idle.start(connection)
                    continue
                _logger.info("%s was idle for too long", connection.client)
                self._end(connection)
        self.listener.tick()
        self._run_postponed()
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_SECONDS
            self._look_around(now)
        if now >= self._next_housekeeping:
            self._next_housekeeping = now + _LONGEST_WAIT
            self._streams.expire()
            self._housekeeping()

    def _look_around(self, now: float) -> None:
        """Do what depends on time, and need not be done at once."""
        settings = self._config
        if settings.MESSAGE_TIMEOUT > 0:
            for connection, (since, received) in list(self._receiving.items()):
                late = now - since - settings.MESSAGE_TIMEOUT
                if late > 0 and received < (now - since) * _LEAST_RATE:
                    self._drop(connection, "a message did not arrive in time")
            for connection in self._unwritten.take_expired(settings.MESSAGE_TIMEOUT):
                self._drop(connection, "the client does not read its answers")
        if settings.HEARTBEAT_INTERVAL > 0:
            for connection in self._quiet.take_expired(settings.HEARTBEAT_INTERVAL):
                self._guarded(self._ping, connection)
            for connection in self._pinged.take_expired(settings.HEARTBEAT_TIMEOUT):
                if connection.watched == _READ:
                    self._drop(connection, "the client gives no sign of life")
                elif not connection.ended:
                    # Its answer may have arrived, and nobody reads it just now.
                    self._quiet.start(connection)
        if self._drained_at is not None:
            self._look_after_draining(now, self._drained_at)

    def _ping(self, connection: Connection) -> None:
        if connection.ended or connection.departing:
            return
        if connection.watched != _READ:
            self._quiet.start(connection)
            return
        with connection.lock:
            connection.session.send_ping()
        self._pinged.start(connection)
        self.take_back(connection)

    def _drop(self, connection: Connection, reason: str) -> None:
        """End a connection on which the client does not do its part."""
        if not connection.held:
            connection.session.error = reason
            self._end(connection)

    def _look_after_draining(self, now: float, until: float) -> None:
        self.listener.close()
        for connection in list(self._connections):
            self._guarded(self.take_back, connection)
        left = [one for one in self._connections if not one.departing]
        if (not left or now >= until) and not self._stopping:
            if left:
                _logger.warning(
                    "closing %d connections on which something was still going on",
                    len(left),
                )
            self._release = self._release_drained
            self._stopping = True
