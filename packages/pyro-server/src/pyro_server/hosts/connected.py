"""The host of one socket that the program has connected itself."""

from __future__ import annotations

import logging
import ssl
import threading
import time
from typing import TYPE_CHECKING, Final

from pyro_protocol.dispatch import ClientConnection, StreamTable
from pyro_protocol.session import ServerConnection, Service
from pyro_protocol.transport.credentials import peer_credentials

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from pyro_protocol.config import Configuration
    from pyro_protocol.wire import Buffer

    from ..coroutines import CoroutineLoop

__all__ = ["ConnectedSocketHost"]

_logger = logging.getLogger("pyro.server")

_RECEIVE_SIZE: Final = 64 * 1024
_STOP_SECONDS: Final = 5.0
_LONGEST_WAIT: Final = 2.0
# With a poll time-out of zero the loop would spin.
_SHORTEST_WAIT: Final = 0.05


class ConnectedSocketHost:
    """Serves one socket, without a handshake, until its peer closes it.

    The calls run in the thread of the loop, one after the other. The socket stays
    the program's own: it is not closed here.

    Args:
        service: what the connections share.
        sock: the connected socket.
        config: the settings.
        streams: the open item streams.
        coroutines: the event loop for calls that are awaited.
        housekeeping: called every few seconds.

    Raises:
        OSError: the socket has no peer.
        ValueError: TLS is configured, and the socket is without.
    """

    def __init__(
        self,
        service: Service,
        sock: socket.socket,
        config: Configuration,
        streams: StreamTable,
        coroutines: CoroutineLoop,
        *,
        housekeeping: Callable[[], None],
    ) -> None:
        if config.SSL and not isinstance(sock, ssl.SSLSocket):
            raise ValueError("SSL is on, but the connected socket is without TLS")
        self.sock = sock
        self._config = config
        self._streams = streams
        self._coroutines = coroutines
        self._housekeeping = housekeeping
        self._client = ClientConnection(sock.getpeername(), sock)
        self._client.peer_credentials = peer_credentials(sock)
        self._served = ServerConnection(service, self._client, connected=True)
        self._stopping = False
        self._release: Callable[[], None] | None = None
        self._released = threading.Event()
        self._thread: threading.Thread | None = None
        self._next_housekeeping = time.monotonic() + _LONGEST_WAIT

    @property
    def worker_count(self) -> int:
        """Always 0: calls run in the thread of the loop."""
        return 0

    def loop(self, condition: Callable[[], bool]) -> None:
        """Serve until the peer closes, ``condition`` is false, or `stop` is called."""
        self._thread = threading.current_thread()
        before = self.sock.gettimeout()
        wait = min(self._config.POLLTIMEOUT or _LONGEST_WAIT, _LONGEST_WAIT)
        try:
            self.sock.settimeout(max(wait, _SHORTEST_WAIT))
            while not self._stopping and condition() and self._turn():
                pass
        finally:
            self._thread = None
            if self.sock.fileno() >= 0:
                self.sock.settimeout(before)
            self._release_if_stopped()

    def _turn(self) -> bool:
        """Handle what arrives next; whether the conversation goes on."""
        session = self._served.session
        try:
            if self._receive():
                for event in session.events_received():
                    coroutine = self._served.handle(event)
                    if coroutine is not None:
                        self._coroutines.run(coroutine)
                    self._send(session.data_to_send())
                self._send(session.data_to_send())
        except OSError as error:
            if not self._stopping:
                _logger.info("connection of %s lost: %s", self._client, error)
            session.receive_eof()
        self._keep_house()
        if not session.closing:
            return True
        if session.error:
            _logger.warning("%s was dropped: %s", self._client, session.error)
        self._farewell()
        return False

    def _receive(self) -> bool:
        """Take in what has arrived, or the end; whether there was anything."""
        session = self._served.session
        space = session.space
        try:
            if space is None:
                data = self.sock.recv(_RECEIVE_SIZE)
                count = len(data)
                if data:
                    session.receive_data(data)
            else:
                count = self.sock.recv_into(space)
                session.receive_written(count)
        except (TimeoutError, ssl.SSLWantReadError):
            return False
        if not count:
            session.receive_eof()
        return count > 0

    def _send(self, buffers: list[Buffer]) -> None:
        """Write everything, however slowly the peer reads.

        Raises:
            OSError: the connection is lost, or the loop is to end.
        """
        for buffer in buffers:
            rest = memoryview(buffer)
            while rest:
                try:
                    rest = rest[self.sock.send(rest) :]
                except (TimeoutError, ssl.SSLWantWriteError):
                    if self._stopping:
                        raise

    def _keep_house(self) -> None:
        now = time.monotonic()
        if now >= self._next_housekeeping:
            self._next_housekeeping = now + _LONGEST_WAIT
            self._streams.expire()
            self._housekeeping()

    def _farewell(self) -> None:
        """Release what the client held."""
        self._streams.client_gone(self._client)
        self._served.close()

    def submit(self, job: Callable[[], None]) -> bool:
        """Run a job here: the thread of the loop waits for the call it belongs to."""
        job()
        return True

    def would_wait_for_itself(self) -> bool:
        """Whether the calling thread would keep the loop from what it waits for."""
        return self._thread is threading.current_thread()

    def stop(self, release: Callable[[], None], *, wait: bool = True) -> None:
        """End the loop, and have everything released that belongs to it.

        Args:
            release: what releases everything, `close` included; it is called when
                the request being handled is answered.
            wait: whether to wait up to 5 seconds for it, unless it is a call in
                the thread of the loop that asks.
        """
        self._release = release
        self._stopping = True
        if self.would_wait_for_itself():
            return
        if self._thread is None:
            self._release_if_stopped()
        if wait:
            self._released.wait(_STOP_SECONDS)

    def _release_if_stopped(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            release()
            self._released.set()

    def close(self) -> None:
        """Release what the client held; the loop must have ended."""
        self._stopping = True
        self._farewell()
