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
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from pyro_protocol.config import Configuration
from pyro_protocol.dispatch import StreamTable
from pyro_protocol.session import ConnectRequest, Service
from pyro_protocol.session.server import ServerEvent
from pyro_protocol.transport.addresses import prepare_connected
from pyro_protocol.wire import FLAG_ONEWAY, Frame

from ..byte_streams import open_byte_stream
from ..connection import Connection
from ..workers import WorkerPool

__all__ = ["SelectorHost"]

log = logging.getLogger("pyro.server")

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


class SelectorHost:
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
    """

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
    ) -> None:
        self._service = service
        self.sock = sock
        self._config = config
        self._streams = streams
        self._housekeeping = housekeeping
        self._tls = tls
        self._inline_handshake = inline_handshake
        self._connections: set[Connection] = set()
        # In order of time, the oldest first.
        self._handshaking: dict[Connection, float] = {}
        self._idle: dict[Connection, float] = {}
        self._returned: deque[Connection] = deque()
        self._stopping = False
        self._loop_thread: threading.Thread | None = None
        self._loop_ended = threading.Event()
        self._loop_ended.set()
        self._next_housekeeping = time.monotonic() + _LONGEST_WAIT
        self._accept_again = 0.0
        self._combined: list[SelectorHost] = []
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
    def sockets(self) -> list[socket.socket]:
        """The sockets that a foreign event loop has to watch for reading."""
        watched = self.selector.get_map().values()
        return [
            key.fileobj.stream.sock if isinstance(key.fileobj, Connection) else key.fileobj  # type: ignore[misc] # sockets, all of them
            for key in watched
        ]

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
        self._loop_thread = threading.current_thread()
        self._loop_ended.clear()
        try:
            while not self._stopping and condition():
                self.turn(self._wait_time())
        finally:
            self._loop_thread = None
            self._loop_ended.set()

    def _wait_time(self) -> float:
        wait = min(self._config.POLLTIMEOUT or _LONGEST_WAIT, _LONGEST_WAIT)
        if self._accept_again:
            wait = min(wait, _ACCEPT_PAUSE)
        return max(wait, _SHORTEST_WAIT)

    def turn(self, timeout: float) -> None:
        """Wait at most ``timeout`` seconds for events, and handle them."""
        try:
            ready = self.selector.select(timeout)
        except OSError:
            # A socket was closed while it was waited on.
            if self._stopping:
                return
            raise
        for key, _mask in ready:
            handler: Callable[[Any], None] = key.data
            handler(key.fileobj)
        self._tick()
        for other in self._combined:
            other._tick()

    def handle_ready(self, _sockets: Sequence[Any]) -> None:
        """Handle what is ready, on behalf of a foreign event loop."""
        self.turn(0)

    def combine(self, other: SelectorHost) -> None:
        """Let this loop serve the connections of another host as well."""
        for key in list(other.selector.get_map().values()):
            self.selector.register(key.fileobj, key.events, key.data)
        other.selector.close()
        other.selector = self.selector
        self._combined.append(other)

    def stop(self) -> None:
        """End the loop, and wait for it unless it is this thread that runs it."""
        self._stopping = True
        self.wake()
        own = threading.current_thread()
        if self._loop_thread is not own and not own.name.startswith("pyro-worker-"):
            self._loop_ended.wait(_STOP_SECONDS)

    def close(self) -> None:
        """End all connections and release everything."""
        self._stopping = True
        for connection in list(self._connections):
            if not connection.watched:
                # A worker has it: have it notice, but leave the descriptor alone,
                # which could become another socket's in its hands.
                with contextlib.suppress(OSError):
                    connection.stream.sock.shutdown(socket.SHUT_RDWR)
        self._pool.stop()
        for connection in list(self._connections):
            self._end(connection)
        with contextlib.suppress(KeyError, ValueError, OSError):
            self.selector.unregister(self.sock)
            self.selector.unregister(self._wake_reader)
        if not self._combined and not self.selector.get_map():
            self.selector.close()
        self.sock.close()
        self._wake_reader.close()
        self._wake_writer.close()

    def wake(self) -> None:
        """Have the loop look at what was handed to it."""
        with contextlib.suppress(OSError):
            self._wake_writer.send(b"\0")

    def _woken(self, sock: Any) -> None:
        with contextlib.suppress(BlockingIOError):
            sock.recv(4096)
        while self._returned:
            self._take_back(self._returned.popleft())

    def give_back(self, connection: Connection) -> None:
        """Hand a connection over to the loop, from any thread."""
        self._returned.append(connection)
        self.wake()

    def _take_back(self, connection: Connection) -> None:
        """Go on with a connection that a worker has had."""
        if connection.ended:
            return
        if self._stopping:
            self._end(connection)
        elif connection.outbox:
            self._watch(connection, _WRITE)
        elif connection.events:
            self._process(connection)
        elif connection.session.closing:
            self._end(connection)
        elif not connection.paused:
            self._watch(connection, _READ)

    def _accept(self, listener: Any) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                sock, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _OUT_OF_RESOURCES:
                    log.warning("cannot accept connections for now: %s", error)
                    self.selector.unregister(listener)
                    self._accept_again = time.monotonic() + _ACCEPT_PAUSE
                elif not self._stopping:
                    log.info("a connection was lost while it was accepted: %s", error)
                return
            self._admit(sock, address)

    def _admit(self, sock: socket.socket, address: Any) -> None:
        most = self._config.MAX_CONNECTIONS
        if most and len(self._connections) >= most:
            log.warning("a connection was refused: there are %d already", most)
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
            log.info("a connection was lost while it was accepted: %s", error)
            sock.close()
            return
        self._connections.add(connection)
        self._handshaking[connection] = time.monotonic() + self._config.HANDSHAKE_TIMEOUT
        connection.shaken = self._tls is None
        self._watch(connection, _READ)
        if connection.shaken:
            # The first message has often arrived together with the connection.
            self._ready(connection)

    def _watch(self, connection: Connection, events: int) -> None:
        if connection.watched == events:
            return
        if connection.watched:
            self.selector.modify(connection, events, self._ready)
        else:
            self.selector.register(connection, events, self._ready)
        connection.watched = events
        self._idle[connection] = time.monotonic()

    def _unwatch(self, connection: Connection) -> None:
        if connection.watched:
            connection.watched = 0
            with contextlib.suppress(KeyError, ValueError):
                self.selector.unregister(connection)
            self._idle.pop(connection, None)

    def _ready(self, connection: Connection) -> None:
        """Read from, or write to, a connection that is ready for it."""
        if connection.ended:
            return
        try:
            if not connection.shaken:
                self._shake_hands(connection)
                return
            if connection.outbox:
                if not connection.flush(wait=False):
                    return
                self._unwatch(connection)
                self._take_back(connection)
                return
            data = connection.stream.read(connection.session.missing)
            if data is None:
                return
            connection.receive(data)
        except OSError as error:
            self._lost(connection, error)
            return
        if connection.events or connection.session.closing:
            self._process(connection)
        else:
            # Still in the middle of a message; not idle, though.
            self._idle.pop(connection, None)
            self._idle[connection] = time.monotonic()

    def _shake_hands(self, connection: Connection) -> None:
        connection.shaken = connection.stream.handshake()
        wanted = _WRITE if connection.stream.wants_write else _READ
        self._watch(connection, _READ if connection.shaken else wanted)

    def _process(self, connection: Connection) -> None:
        """Handle what has arrived, here or elsewhere."""
        if self._inline_handshake and self._handle_handshake(connection):
            return
        self._unwatch(connection)
        if connection.events:
            self.run(connection)
        else:
            self._finish_closing(connection)

    def _handle_handshake(self, connection: Connection) -> bool:
        """Answer a handshake in the loop; whether that was all there was to do."""
        if len(connection.events) != 1 or type(connection.events[0]) is not ConnectRequest:
            return False
        connection.served.handle(connection.events.pop())
        connection.events += connection.session.events_received()
        try:
            written = connection.flush(wait=False)
        except OSError as error:
            self._lost(connection, error)
            return True
        if connection.session.closing or connection.events or not written:
            return False
        self._handshaking.pop(connection, None)
        return True

    def _finish_closing(self, connection: Connection) -> None:
        """Close a connection once everything is written."""
        try:
            written = connection.flush(wait=False)
        except OSError as error:
            self._lost(connection, error)
            return
        if written:
            self._end(connection)
        else:
            self._watch(connection, _WRITE)

    def run(self, connection: Connection) -> None:
        """Handle the events of a connection; it belongs to the one who does.

        Afterwards the connection is given back with `give_back`, or is handed on
        with `settle` in the thread of the loop.
        """
        raise NotImplementedError

    def settle(self, connection: Connection) -> None:
        """Go on with a connection in the thread of the loop."""
        self._take_back(connection)

    def handle(self, connection: Connection, event: ServerEvent) -> bool:
        """Handle one request; whether the connection can take the next one.

        A oneway request is queued for the workers: those of one connection are
        run one after the other, in the order in which they were sent, beside its
        other requests.

        Raises:
            OSError: the connection is lost.
        """
        if type(event) is Frame and event.flags & FLAG_ONEWAY:
            return self._queue_oneway(connection, event)
        connection.served.handle(event)
        if not connection.client.established:
            connection.events += connection.session.events_received()
        return connection.flush(wait=True)

    def _queue_oneway(self, connection: Connection, frame: Frame) -> bool:
        with connection.oneway_lock:
            connection.oneway.append(frame)
            connection.paused = len(connection.oneway) >= self._config.MAX_ONEWAY_QUEUE
            paused = connection.paused
            if connection.oneway_running:
                return not paused
            connection.oneway_running = True
        if not self._pool.submit(partial(self._run_oneway, connection)):
            # No worker has time, so the one that brought it does it itself.
            self._run_oneway(connection)
        return not connection.paused

    def _run_oneway(self, connection: Connection) -> None:
        while True:
            with connection.oneway_lock:
                if not connection.oneway:
                    connection.oneway_running = False
                    resume, connection.paused = connection.paused, False
                    break
                frame = connection.oneway.popleft()
            connection.served.handle(frame)
        if resume:
            self.give_back(connection)

    def _lost(self, connection: Connection, error: OSError) -> None:
        log.info("connection of %s lost: %s", connection.client, error)
        self._end(connection)

    def _end(self, connection: Connection) -> None:
        """Close a connection and forget it."""
        if connection.ended:
            return
        connection.ended = True
        if connection.session.error:
            log.warning(
                "%s was dropped: %s", connection.client, connection.session.error
            )
        self._unwatch(connection)
        self._handshaking.pop(connection, None)
        self._connections.discard(connection)
        connection.stream.close()
        self._streams.client_gone(connection.client)
        # What a program's hook does may take its time.
        if not self._pool.submit(connection.served.close):
            connection.served.close()

    def _tick(self) -> None:
        """Do what depends on time."""
        now = time.monotonic()
        while self._handshaking:
            connection, deadline = next(iter(self._handshaking.items()))
            if connection.client.established or connection.ended:
                del self._handshaking[connection]
            elif deadline > now:
                break
            else:
                connection.session.error = "no handshake in time"
                self._end(connection)
        timeout = self._config.COMMTIMEOUT
        while timeout > 0 and self._idle:
            connection, since = next(iter(self._idle.items()))
            if since + timeout > now:
                break
            log.info("%s was idle for too long", connection.client)
            self._end(connection)
        if self._accept_again and now >= self._accept_again:
            self._accept_again = 0.0
            self.selector.register(self.sock, _READ, self._accept)
        if now >= self._next_housekeeping:
            self._next_housekeeping = now + _LONGEST_WAIT
            self._streams.expire()
            self._housekeeping()
