"""The loop of a host: what makes it go round, and what ends it."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.logs import log_exception

from ..workers import WorkerPool
from .epoll import new_selector
from .listener import ACCEPT_PAUSE, Listener
from .timeouts import Timeouts

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from pyro_protocol.config import Configuration
    from pyro_protocol.dispatch import StreamTable
    from pyro_protocol.session import Service

    from ..connection import Connection
    from ..coroutines import CoroutineLoop

__all__ = ["LONGEST_WAIT", "LOOK_SECONDS", "TICK_SECONDS", "LoopHost"]

_logger = logging.getLogger("pyro.server")

_READ: Final = selectors.EVENT_READ
_WRITE: Final = selectors.EVENT_WRITE
LONGEST_WAIT: Final = 2.0
"""Seconds after which the loop looks around although nothing has happened."""

LOOK_SECONDS: Final = 0.25
"""How often those are looked at that are in the midst of a message or of draining."""

TICK_SECONDS: Final = 0.01
"""How often it is looked at most whose time is up. To do so after each small call would
take as long as the call."""

# How long an item of a stream may wait for others to travel with it, in seconds.
_LAG: Final = 0.002
# With a poll time-out of zero the loop would spin.
_SHORTEST_WAIT: Final = 0.05
_STOP_SECONDS: Final = 5.0


class LoopHost(ABC):
    """The loop that waits for all connections, and the workers beside it.

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
        # All of these, to take out a connection that has ended.
        self._waits: tuple[dict[Connection, Any], ...] = (
            self._handshaking.since,
            self._idle.since,
            self._unwritten.since,
            self._departing.since,
            self._quiet.since,
            self._pinged.since,
            self._receiving,
        )
        self._returned: deque[Connection] = deque()
        self._attended: deque[Connection] = deque()
        # Those that may have something to send which nobody sends: since when.
        self._lagging: dict[Connection, float] = {}
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
        self._next_housekeeping = time.monotonic() + LONGEST_WAIT
        self._next_look = 0.0
        self._next_tick = 0.0
        # The time of the last tick that was not left out, and how long the loop may
        # wait if nothing special is going on.
        self._moment = 0.0
        self._usual_wait = _SHORTEST_WAIT
        # The host whose loop serves the connections: this one, unless combined.
        self.driver: LoopHost = self
        self.combined: list[LoopHost] = []
        self._pool = WorkerPool(
            config.THREADPOOL_SIZE_MIN,
            config.THREADPOOL_SIZE,
            config.THREADPOOL_QUEUE_SIZE,
            f"pyro-worker-{sock.fileno()}",
        )
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)  # noqa: FBT003 - the name tells
        self._wake_writer.setblocking(False)  # noqa: FBT003 - the name tells
        self.selector: selectors.BaseSelector = new_selector()
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
    def settings(self) -> Configuration:
        """The settings."""
        return self._config

    @property
    def streams(self) -> StreamTable:
        """The open item streams."""
        return self._streams

    @property
    def coroutines(self) -> CoroutineLoop:
        """The event loop for calls that are awaited."""
        return self._coroutines

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
        if self._lagging:
            return _LAG
        wait = self._usual_wait
        if self._postponed:
            wait = _SHORTEST_WAIT
        if self._receiving or self._drained_at is not None:
            wait = min(wait, LOOK_SECONDS)
        if self.listener.resumes_at:
            wait = min(wait, ACCEPT_PAUSE)
        return wait

    def _find_usual_wait(self) -> float:
        settings = self._config
        waits = [settings.POLLTIMEOUT or LONGEST_WAIT, LONGEST_WAIT]
        if settings.HEARTBEAT_INTERVAL > 0:
            waits += settings.HEARTBEAT_INTERVAL, settings.HEARTBEAT_TIMEOUT
        return max(min(waits), _SHORTEST_WAIT)

    def turn(self, timeout: float) -> None:
        """Wait at most ``timeout`` seconds for events, and handle them."""
        self.turn_thread = self.loop_thread or threading.current_thread()
        try:
            for key, _mask in self.selector.select(timeout):
                handler: Callable[[Any], None] = key.data
                handler(key.fileobj)
            self.tick()
            if self.combined:
                for host in tuple(self.combined):
                    host.tick()
        finally:
            self.turn_thread = None
        if self.combined:
            for host in tuple(self.combined):
                host.release_if_stopped()
        if self._release is not None:
            self.release_if_stopped()

    def combine(self, other: LoopHost) -> None:
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
        if wait and not self.would_wait_for_itself():
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
        elif wait and not self.would_wait_for_itself():
            self._released.wait(seconds + _STOP_SECONDS)

    def would_wait_for_itself(self) -> bool:
        """Whether the calling thread would keep the loop from what it waits for."""
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
        for connection in list(self._connections):
            # Whoever waits for a client goes on, and can still be answered.
            if connection.exchange is not None:
                connection.exchange.abandon()
        if self._drained_at is None:
            # Before the connections: what is being worked on can still be answered.
            self._pool.stop()
        connections = list(self._connections)
        for connection in connections:
            self._end(connection)
        self._pool.stop()
        self._run_submitted()
        self._run_postponed()
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
        for _ in range(len(self._attended)):
            self._guarded(self._look_after, self._attended.popleft())

    def _guarded(
        self, step: Callable[[Connection], None], connection: Connection
    ) -> None:
        """Do something for a connection; what goes wrong costs only that one."""
        try:
            step(connection)
        except OSError as error:
            _logger.info("connection of %s lost: %s", connection.client, error)
            self._lose(connection)
        except (Exception, SystemExit):  # noqa: BLE001 - logged
            log_exception(_logger, "serving %s failed", connection.client)
            self._lose(connection)

    def _lose(self, connection: Connection) -> None:
        """End a connection that cannot go on, or have the worker do so that holds it.

        That one may be in the midst of a call, which is to be over before all that the
        client held is released; and it may be about to use the descriptor.
        """
        if connection.held:
            connection.give_up()
        else:
            self._end(connection)

    def submit(self, job: Callable[[], None]) -> bool:
        """Have a job run where methods run; whether there is room for it."""
        return self._pool.submit(job)

    def run_soon(self, job: Callable[[], None]) -> None:
        """Have a job run where methods run; never in the calling thread."""
        if self._stopping or not self.submit(job):
            self._postponed.append(job)
            self.wake()

    def has_waiting_work(self) -> bool:
        """Whether others wait for the thread that runs a job."""
        return self._pool.backlog > 0

    def _run_submitted(self) -> None:
        """Run what was submitted to the loop, and it has not come to."""
        return

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

    def give_back(self, connection: Connection) -> None:
        """Have the loop go on with a connection; callable from any thread."""
        self._returned.append(connection)
        self.wake()

    def attend(self, connection: Connection) -> None:
        """Have the loop write what a connection has to send; from any thread.

        This is safe in a finalizer too: it waits for no lock.
        """
        if not connection.attended:
            connection.attended = True
            self._attended.append(connection)
            self.wake()

    def attend_later(self, connection: Connection) -> None:
        """Have the same done in a moment, if there is something by then."""
        if connection not in self._lagging:
            first = not self._lagging
            self._lagging[connection] = time.monotonic()
            if first:
                self.wake()

    def _look_after_lagging(self) -> None:
        latest = time.monotonic() - _LAG
        for connection, since in list(self._lagging.items()):
            if since <= latest:
                self._lagging.pop(connection, None)
                self._guarded(self._look_after, connection)

    def _look_after(self, connection: Connection) -> None:
        connection.attended = False
        if connection.ended or connection.exchange is None:
            return
        connection.exchange.tidy()
        if connection.held:
            connection.flush(wait=False)
        else:
            self.take_back(connection)

    @abstractmethod
    def take_back(self, connection: Connection) -> None:
        """Go on with a connection, in the thread of the loop."""

    @abstractmethod
    def tick(self) -> None:
        """Do what depends on time; called after each turn of the loop."""

    @abstractmethod
    def _admit(self, sock: socket.socket, address: Any) -> None:
        """Begin to serve a new connection."""

    @abstractmethod
    def _end(self, connection: Connection) -> None:
        """Close a connection and forget it."""

    @abstractmethod
    def _say_farewell(self, connection: Connection) -> None:
        """Release what the client of a connection that has ended held."""
