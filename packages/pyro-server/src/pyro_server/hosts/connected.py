"""The host of one socket that the program has connected itself."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from pyro_protocol.config import Configuration
from pyro_protocol.dispatch import ClientConnection, StreamTable
from pyro_protocol.session import ServerConnection, Service
from pyro_protocol.wire import FLAG_ONEWAY, Frame

__all__ = ["ConnectedSocketHost"]

log = logging.getLogger("pyro.server")

_RECEIVE_SIZE: Final = 64 * 1024
_STOP_SECONDS: Final = 5.0
_LONGEST_WAIT: Final = 2.0


class ConnectedSocketHost:
    """Serves one socket, without a handshake, until its peer closes it.

    The socket stays the program's own: it is not closed here.

    Args:
        service: what the connections share.
        sock: the connected socket.
        config: the settings.
        streams: the open item streams.
        housekeeping: called every few seconds.

    Raises:
        OSError: the socket has no peer.
    """

    def __init__(
        self,
        service: Service,
        sock: socket.socket,
        config: Configuration,
        streams: StreamTable,
        *,
        housekeeping: Callable[[], None],
    ) -> None:
        self.sock = sock
        self._config = config
        self._streams = streams
        self._housekeeping = housekeeping
        self._client = ClientConnection(sock.getpeername(), sock)
        self._served = ServerConnection(service, self._client, connected=True)
        self._stopping = False
        self._released = False
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._ended.set()

    @property
    def worker_count(self) -> int:
        """Always 0: calls run in the thread of the loop."""
        return 0

    def loop(self, condition: Callable[[], bool]) -> None:
        """Serve until the peer closes, ``condition`` is false, or `stop` is called."""
        self._thread = threading.current_thread()
        self._ended.clear()
        timeout = self.sock.gettimeout()
        try:
            self.sock.settimeout(min(self._config.POLLTIMEOUT or _LONGEST_WAIT, _LONGEST_WAIT))
            while not self._stopping and condition() and self._turn():
                pass
        finally:
            self._release()
            self._thread = None
            self._ended.set()
            if self.sock.fileno() >= 0:
                self.sock.settimeout(timeout)

    def _turn(self) -> bool:
        """Handle what arrives next; whether the conversation goes on."""
        session = self._served.session
        try:
            data = self.sock.recv(_RECEIVE_SIZE)
        except (TimeoutError, ssl.SSLWantReadError):
            self._streams.expire()
            self._housekeeping()
            return True
        except OSError as error:
            if not self._stopping:
                log.info("connection of %s lost: %s", self._client, error)
            return False
        if not data:
            return False
        session.receive_data(data)
        try:
            for event in session.events_received():
                self._served.handle(event)
                if type(event) is Frame and event.flags & FLAG_ONEWAY:
                    continue
                for buffer in session.data_to_send():
                    self.sock.sendall(buffer)
        except OSError as error:
            log.info("connection of %s lost: %s", self._client, error)
            return False
        if session.closing:
            log.warning("%s was dropped: %s", self._client, session.error)
        return not session.closing

    def stop(self) -> None:
        """End the loop, and wait for it unless it is this thread that runs it."""
        self._stopping = True
        if self._thread is not threading.current_thread():
            self._ended.wait(_STOP_SECONDS)

    def close(self) -> None:
        """Release what the client held."""
        self._stopping = True
        self._release()

    def _release(self) -> None:
        if not self._released:
            self._released = True
            self._streams.client_gone(self._client)
            self._served.close()

    def handle_ready(self, _sockets: Sequence[Any]) -> None:
        """Handle what is ready, on behalf of a foreign event loop."""
        self._turn()
