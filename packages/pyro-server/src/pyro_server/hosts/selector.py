"""The selector loop: one thread that waits on all idle connections.

It reads requests, and finishes writing to slow readers; it never waits for a single
peer. Where a request is then handled is for the hosts built on it to decide.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import time
from abc import abstractmethod
from typing import Any, Final

from pyro_protocol.session import ConnectRequest
from pyro_protocol.session.capabilities import HEARTBEAT

from ..byte_streams import open_byte_stream
from ..connection import Connection
from . import loop
from .requests import RequestHost

__all__ = ["SelectorHost"]

_logger = logging.getLogger("pyro.server")

_READ: Final = selectors.EVENT_READ
_WRITE: Final = selectors.EVENT_WRITE
# How long a peer that is sent away may go on sending: to close at once while it
# does would destroy the answer that is on its way to it.
_FAREWELL_SECONDS: Final = 2.0
# A message that takes longer than MESSAGE_TIMEOUT must come at least this fast, in
# bytes per second: the slowest network that anybody uses is faster, and a client
# that means to hold the server up sends a byte now and then.
_LEAST_RATE: Final = 1024


class SelectorHost(RequestHost):
    """The part of a host that reads connections, and ends them.

    The arguments are those of `LoopHost`.
    """

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

    def _admit(self, sock: socket.socket, address: Any) -> None:
        """Begin to serve a new connection.

        Raises:
            OSError: it is lost already.
        """
        connection = self._enter(sock, address)
        try:
            self._watch(connection, _READ)
        except OSError:
            self._end(connection)
            raise
        if connection.shaken:
            # The first message has often arrived together with the connection.
            self._ready(connection)

    def _enter(self, sock: socket.socket, address: Any) -> Connection:
        """Return what stands for a new connection, which counts from now on."""
        stream = open_byte_stream(sock, lingers=self.listener.lingers)
        connection = Connection(self._service, stream, address, since=time.time())
        self._connections.add(connection)
        self._handshaking.start(connection)
        connection.shaken = self._shaken_at_once
        return connection

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

    def _unregister(self, connection: Connection) -> None:
        if connection.watched:
            connection.watched = 0
            with contextlib.suppress(KeyError, ValueError):
                self.selector.unregister(connection)

    def _unwatch(self, connection: Connection) -> None:
        self._unregister(connection)
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
            # Also when another thread has written it: requests may wait for that.
            self.take_back(connection)
            return
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
        self._received(connection, count)

    def _received(self, connection: Connection, count: int) -> None:
        """Go on with a connection from which so many bytes were taken in."""
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
        connection.admitted(self)
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
        self._unregister(connection)
        for waiting in self._waits:
            if waiting:
                waiting.pop(connection, None)
        self._connections.discard(connection)
        connection.close()
        connection.served.abandon()
        for running in tasks or ():
            running.cancel()
        if self._is_last(connection):
            self._say_farewell(connection)
        else:
            # Whoever still works for it says farewell after the last of it.
            self._streams.client_gone(connection.client)

    def tick(self) -> None:
        """Do what depends on time; called after each turn of the loop."""
        if self._lagging:
            self._look_after_lagging()
        if self._postponed:
            self._run_postponed()
        now = time.monotonic()
        if now < self._next_tick and self._drained_at is None:
            return
        self._next_tick = now + loop.TICK_SECONDS
        self._moment = now
        self._usual_wait = self._find_usual_wait()
        settings = self._config
        for connection in self._handshaking.take_expired(settings.HANDSHAKE_TIMEOUT):
            self._give_up_waiting(connection)
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
        if now >= self._next_look:
            self._next_look = now + loop.LOOK_SECONDS
            self._look_around(now)
        if now >= self._next_housekeeping:
            self._next_housekeeping = now + loop.LONGEST_WAIT
            self._expire_streams()
            self._housekeeping()

    def _give_up_waiting(self, connection: Connection) -> None:
        """Drop a connection that has not shaken hands in time, if it is its fault."""
        # One that is being sent away has spoken in time.
        if connection.client.established or connection.departing:
            return
        if connection.watched:
            self._drop(connection, "no handshake in time")
        elif connection.held:
            # Its worker may be waiting for its first word just now.
            self._handshaking.start(connection)

    def _expire_streams(self) -> None:
        """End the streams that have existed for too long."""
        self._streams.expire()
        if self._streams.lifetime > 0:
            for connection in self.connections:
                # Workers end connections meanwhile, and take up others.
                exchange = connection.exchange
                if exchange is not None:
                    exchange.expire_streams(self._streams.oldest)

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
        left = [one for one in self.connections if not one.departing]
        if (not left or now >= until) and not self._stopping:
            if left:
                _logger.warning(
                    "closing %d connections on which something was still going on",
                    len(left),
                )
            self._release = self._release_drained
            self._stopping = True
