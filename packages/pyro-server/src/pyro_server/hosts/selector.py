"""The selector loop: one thread that waits on all idle connections.

It accepts connections, reads requests, and finishes writing to slow readers; it
never waits for a single peer. Where a request is then handled is for the hosts
built on it to decide.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import selectors
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.session import ConnectRequest, Service
from pyro_protocol.transport.addresses import prepare_connected
from pyro_protocol.wire import FLAG_ONEWAY, Frame, MessageType

from ..byte_streams import open_byte_stream
from ..connection import Connection
from ..workers import WorkerPool
from .timeouts import Timeouts

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from pyro_protocol.config import Configuration
    from pyro_protocol.dispatch import StreamTable
    from pyro_protocol.session.server import ServerEvent

__all__ = ["INVOKE", "SelectorHost"]

_logger = logging.getLogger("pyro.server")

INVOKE: Final = int(MessageType.INVOKE)
_READ: Final = selectors.EVENT_READ
_WRITE: Final = selectors.EVENT_WRITE
# New connections may not keep those that are open from being served.
_ACCEPTED_AT_ONCE: Final = 64
# Out of descriptors, accepting is tried again after this time; until then the
# system's own queue holds the newcomers.
_ACCEPT_PAUSE: Final = 0.5
_OUT_OF_RESOURCES: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
)
_LONGEST_WAIT: Final = 2.0
# With a poll time-out of zero the loop would spin.
_SHORTEST_WAIT: Final = 0.05
_STOP_SECONDS: Final = 5.0
# How long a peer that is sent away may go on sending: to close at once while it
# does would destroy the answer that is on its way to it.
_FAREWELL_SECONDS: Final = 2.0


class SelectorHost(ABC):
    """The part that all hosts with a selector loop share.

    Args:
        service: what the connections share.
        sock: the listening socket, non-blocking.
        config: the settings.
        streams: the open item streams.
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
        self._housekeeping = housekeeping
        self._tls = tls
        self._inline_handshake = inline_handshake
        self._inline_farewell = inline_farewell
        self._connections: set[Connection] = set()
        self._handshaking: Timeouts[Connection] = Timeouts()
        self._idle: Timeouts[Connection] = Timeouts()
        self._departing: Timeouts[Connection] = Timeouts()
        self._returned: deque[Connection] = deque()
        self._stopping = False
        self._release: Callable[[], None] | None = None
        self._released = threading.Event()
        self.loop_thread: threading.Thread | None = None
        self.turn_thread: threading.Thread | None = None
        self._next_housekeeping = time.monotonic() + _LONGEST_WAIT
        self._accept_again = 0.0
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
        self.selector.register(sock, _READ, self._accept)
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
                self.turn(self._wait_time())
        finally:
            self.loop_thread = None
            self.release_if_stopped()

    def _wait_time(self) -> float:
        wait = min(self._config.POLLTIMEOUT or _LONGEST_WAIT, _LONGEST_WAIT)
        if self._accept_again:
            wait = min(wait, _ACCEPT_PAUSE)
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
        self._stopping = True
        self.wake()
        driver = self.driver
        own = threading.current_thread()
        if own in (driver.turn_thread, driver.loop_thread):
            return
        if self._pool.runs_current_thread():
            return
        if driver.loop_thread is None and driver.turn_thread is None:
            self.release_if_stopped()
        if wait:
            self._released.wait(_STOP_SECONDS)

    def release_if_stopped(self) -> None:
        """Release everything, if that has been asked for."""
        release, self._release = self._release, None
        if release is not None:
            release()
            self._released.set()

    def close(self) -> None:
        """End all connections and release everything; the loop must have ended."""
        self._stopping = True
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(self.sock)
        self.sock.close()
        # Before the connections: what is being worked on can still be answered.
        self._pool.stop()
        for connection in list(self._connections):
            self._end(connection)
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
        # Those that come back while this is done have their own wake-up.
        for _ in range(len(self._returned)):
            self._guarded(self._take_back, self._returned.popleft())

    def _guarded(
        self, step: Callable[[Connection], None], connection: Connection
    ) -> None:
        """Do something for a connection; what goes wrong costs only that one."""
        try:
            step(connection)
        except OSError as error:
            self._lost(connection, error)
        except (Exception, SystemExit):
            _logger.exception("serving %s failed", connection.client)
            self._end(connection)

    def give_back(self, connection: Connection) -> None:
        """Hand a connection over to the loop, from any thread."""
        self._returned.append(connection)
        self.wake()

    def _take_back(self, connection: Connection) -> None:
        """Go on with a connection, in the thread of the loop."""
        if connection.ended or self._stopping:
            # When the host is closed, all its connections are ended.
            return
        if not connection.flush(wait=False):
            self._watch(connection, _WRITE)
        elif self._park(connection):
            self._unwatch(connection)
        elif connection.events:
            self._process(connection)
        elif connection.session.closing:
            self._dismiss(connection)
        else:
            self._watch(connection, _READ)

    def _park(self, connection: Connection) -> bool:
        """Leave a connection alone until fewer of its oneway requests wait.

        Whoever runs them gives it back then.
        """
        if not connection.oneway_running:
            return False
        with connection.oneway_lock:
            connection.parked = self._is_full(connection)
            return connection.parked

    def _is_full(self, connection: Connection) -> bool:
        waiting = len(connection.oneway)
        return waiting > 0 and waiting >= self._config.MAX_ONEWAY_QUEUE

    def _accept(self, listener: Any) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                sock, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _OUT_OF_RESOURCES:
                    _logger.warning("cannot accept connections for now: %s", error)
                    self.selector.unregister(listener)
                    self._accept_again = time.monotonic() + _ACCEPT_PAUSE
                elif not self._stopping:
                    _logger.info(
                        "a connection was lost while it was accepted: %s", error
                    )
                return
            self._admit(sock, address)

    def _admit(self, sock: socket.socket, address: Any) -> None:
        most = self._config.MAX_CONNECTIONS
        if most and len(self._connections) >= most:
            _logger.warning("a connection was refused: there are %d already", most)
            sock.close()
            return
        try:
            prepare_connected(sock, self._config)
            if self._tls is not None:
                sock.setblocking(False)  # noqa: FBT003 - the name tells
                sock = self._tls.wrap_socket(
                    sock, server_side=True, do_handshake_on_connect=False
                )
            connection = Connection(self._service, open_byte_stream(sock), address)
        except OSError as error:
            _logger.info("a connection was lost while it was accepted: %s", error)
            sock.close()
            return
        self._connections.add(connection)
        self._handshaking.start(connection)
        connection.shaken = self._tls is None
        self._watch(connection, _READ)
        if connection.shaken:
            # The first message has often arrived together with the connection.
            self._ready(connection)

    def _watch(self, connection: Connection, events: int) -> None:
        self._idle.start(connection)
        if connection.watched == events:
            return
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

    def _ready(self, connection: Connection) -> None:
        """Read from, or write to, a connection that is ready for it."""
        if not connection.ended:
            self._guarded(self._advance, connection)

    def _advance(self, connection: Connection) -> None:
        if not connection.shaken:
            connection.shaken = connection.stream.handshake()
            if not connection.shaken:
                wants_write = connection.stream.wants_write
                self._watch(connection, _WRITE if wants_write else _READ)
                return
        if connection.outbox:
            # Also when not all of it could be written: the time-out begins anew.
            self._take_back(connection)
            return
        if connection.departing:
            self._see_off(connection)
            return
        if connection.read() is None:
            self._watch(connection, _READ)
            return
        if connection.events or connection.session.closing:
            self._process(connection)
        else:
            # In the middle of a message, or past one that was refused already.
            self._take_back(connection)

    def _process(self, connection: Connection) -> None:
        """Handle what has arrived, here or elsewhere."""
        if self._inline_handshake and self._handle_handshake(connection):
            return
        if connection.events:
            self.run(connection)
        else:
            self._take_back(connection)

    def _handle_handshake(self, connection: Connection) -> bool:
        """Answer a handshake in the loop; whether that was all there was to do."""
        if (
            len(connection.events) != 1
            or type(connection.events[0]) is not ConnectRequest
        ):
            return False
        connection.served.handle(connection.events.pop())
        connection.events += connection.session.events_received()
        if connection.session.closing or connection.events:
            return False
        self._handshaking.cancel(connection)
        self._take_back(connection)
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

    @abstractmethod
    def run(self, connection: Connection) -> None:
        """Handle the events of a connection, which belongs to the one who does.

        Where that is another thread, the connection must not be watched meanwhile.
        Afterwards it is given back with `give_back`, or in the thread of the loop
        with `_take_back`.
        """

    def handle(self, connection: Connection, event: ServerEvent) -> bool:
        """Handle one request; whether the connection can take the next one.

        A oneway request is queued for the workers: those of one connection are
        run one after the other, in the order in which they were sent, beside its
        other requests.

        Raises:
            OSError: the connection is lost.
        """
        if type(event) is Frame and event.flags & FLAG_ONEWAY and event.kind == INVOKE:
            return self._queue_oneway(connection, event)
        connection.served.handle(event)
        if type(event) is ConnectRequest:
            connection.events += connection.session.events_received()
        return connection.flush(wait=self.may_wait_for_writing)

    def _queue_oneway(self, connection: Connection, frame: Frame) -> bool:
        with connection.oneway_lock:
            connection.oneway.append(frame)
            full = self._is_full(connection)
            running, connection.oneway_running = connection.oneway_running, True
        if running:
            return not full
        if not self._pool.submit(partial(self._run_oneway, connection)):
            # No worker has time, so the one that brought it does it itself.
            self._run_oneway(connection)
            return True
        return not full

    def _run_oneway(self, connection: Connection) -> None:
        while (frame := self._next_oneway(connection)) is not None:
            try:
                connection.served.handle(frame)
            except Exception:
                _logger.exception("a oneway request of %s failed", connection.client)

    def _next_oneway(self, connection: Connection) -> Frame | None:
        """Return the next oneway request; after the last, do what waited for it."""
        with connection.oneway_lock:
            if connection.oneway and not self._stopping:
                return connection.oneway.popleft()
            connection.oneway.clear()
            connection.oneway_running = False
            parked, connection.parked = connection.parked, False
            ended = connection.ended
        if ended:
            connection.served.close()
        elif parked:
            self.give_back(connection)
        return None

    def _lost(self, connection: Connection, error: OSError) -> None:
        _logger.info("connection of %s lost: %s", connection.client, error)
        self._end(connection)

    def _report(self, connection: Connection) -> None:
        """Take a note of why a connection is ended by this side."""
        session = connection.session
        if session.error:
            _logger.warning("%s was dropped: %s", connection.client, session.error)
            session.error = None

    def _end(self, connection: Connection) -> None:
        """Close a connection and forget it."""
        with connection.oneway_lock:
            if connection.ended:
                return
            connection.ended = True
            # Whoever runs the oneway requests says farewell after the last one.
            farewell = not connection.oneway_running
        self._report(connection)
        self._unwatch(connection)
        self._handshaking.cancel(connection)
        self._departing.cancel(connection)
        self._connections.discard(connection)
        connection.stream.close()
        self._streams.client_gone(connection.client)
        if farewell:
            self._say_farewell(connection)

    def _say_farewell(self, connection: Connection) -> None:
        """Release what the client held; what is not our own code may take its time."""
        client = connection.client
        quick = self._inline_farewell and not (
            client.session_instances or client.tracked_resources
        )
        if quick or not self._pool.submit(connection.served.close):
            connection.served.close()

    def tick(self) -> None:
        """Do what depends on time."""
        settings = self._config
        for connection in self._handshaking.take_expired(settings.HANDSHAKE_TIMEOUT):
            # One that a worker has, or that is being sent away, has spoken in time.
            if connection.watched and not (
                connection.client.established or connection.departing
            ):
                connection.session.error = "no handshake in time"
                self._end(connection)
        for connection in self._departing.take_expired(_FAREWELL_SECONDS):
            self._end(connection)
        if settings.COMMTIMEOUT > 0:
            for connection in self._idle.take_expired(settings.COMMTIMEOUT):
                _logger.info("%s was idle for too long", connection.client)
                self._end(connection)
        now = time.monotonic()
        if self._accept_again and now >= self._accept_again:
            self._accept_again = 0.0
            self.selector.register(self.sock, _READ, self._accept)
        if now >= self._next_housekeeping:
            self._next_housekeeping = now + _LONGEST_WAIT
            self._streams.expire()
            self._housekeeping()
