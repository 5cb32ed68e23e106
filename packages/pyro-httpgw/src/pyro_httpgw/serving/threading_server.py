"""The web server of the standard library, with connections kept alive.

A thread for each connection, and a bound on their number: made for a handful of
people and scripts, where nothing else is to be installed. For more visitors there is
uvicorn.
"""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from .answering import Answer, Body
from .slow_reading import TimedReader

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from wsgiref.types import WSGIApplication

__all__ = ["GatewayServer"]

_logger = logging.getLogger("pyro.httpgw")

MOST_CONNECTIONS: Final = 500
"""Each has a thread, whose stack takes up to some hundred kilobytes of memory."""

IDLE_SECONDS: Final = 30.0
"""How long a connection may be silent; browsers open another one without notice."""

HEADER_SECONDS: Final = 20.0
"""How long the header of a request may take, from its first byte to its last."""

BODY_SECONDS: Final = 20.0
"""How long the body of a request may take, beyond what its length gives it."""

LEAST_BYTES_PER_SECOND: Final = 8192
"""What a client with a large body has to send on average, which any network does."""

STUCK_SECONDS: Final = 60.0
"""How long a client may take nothing of an answer."""

_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)
# An answer that fits in here is sent at once with its header.
_WRITE_BUFFER: Final = 64 * 1024


class GatewayServer(ThreadingMixIn, WSGIServer):
    """Serves a WSGI application on one address.

    Call `serve_forever` in a thread of its own; end it with ``shutdown``, then
    `finish`, then ``server_close``.

    Args:
        application: the application.
        sock: where to listen; it is closed with the server.
        tls: what to encrypt connections with, or None.
        processes: how many such servers there are.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(
        self,
        application: WSGIApplication,
        sock: socket.socket,
        tls: ssl.SSLContext | None = None,
        processes: int = 1,
    ) -> None:
        address: Any = sock.getsockname()
        # A Unix socket has neither host nor port.
        host, port = address[:2] if isinstance(address, tuple) else ("localhost", 80)
        super().__init__((host, port), _Connection, bind_and_activate=False)
        self.socket.close()
        self.socket = sock
        self.server_name: str = host
        self.server_port: int = port
        self.tls = tls
        self.multiprocess: bool = processes > 1
        self.setup_environ()
        self.set_app(application)
        self._changed = threading.Condition()
        self._connections: set[Any] = set()
        # Those between two requests, the longest idle one first, as they are read.
        self._idle: dict[Any, socket.socket] = {}
        self._streaming: set[socket.socket] = set()
        self._requests = 0

    @contextlib.contextmanager
    def request_in_progress(self) -> Iterator[None]:
        """Count a request while it is being answered."""
        with self._changed:
            self._requests += 1
        try:
            yield
        finally:
            with self._changed:
                self._requests -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def idle(self, accepted: socket.socket, used: socket.socket) -> Iterator[None]:
        """Let a connection be ended meanwhile if another one needs its room.

        Args:
            accepted: the connection.
            used: the same, or what encrypts it.
        """
        with self._changed:
            self._idle[accepted] = used
        try:
            yield
        finally:
            with self._changed:
                self._idle.pop(accepted, None)

    def streaming(self, used: socket.socket, *, active: bool) -> None:
        """Take note that the answer on a connection is a stream, or is over."""
        with self._changed:
            if active:
                self._streaming.add(used)
            else:
                self._streaming.discard(used)

    def finish(self, seconds: float) -> bool:
        """Wait until the requests in progress are answered; streams are cut short.

        Args:
            seconds: how long to wait at most.

        Returns:
            Whether all of them were.
        """
        with self._changed:
            for used in self._streaming:
                # To what produces the stream the client has gone.
                _shut(used, socket.SHUT_RD)
            return self._changed.wait_for(lambda: self._requests == 0, seconds)

    def get_request(self) -> tuple[Any, Any]:
        """Return a new connection, and where it comes from."""
        connection, address = super().get_request()
        connection.settimeout(None)
        # Nothing for Unix sockets, and then a text.
        return connection, address if isinstance(address, tuple) else ("", 0)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a new connection, unless there are too many that are busy."""
        if self._has_room(request):
            super().process_request(request, client_address)
            return
        _logger.warning(
            "a connection was refused: %d are busy already", MOST_CONNECTIONS
        )
        with contextlib.suppress(OSError):
            request.settimeout(0)
            request.send(_BUSY)
        self.shutdown_request(request)

    def _has_room(self, connection: socket.socket) -> bool:
        with self._changed:
            if len(self._connections) >= MOST_CONNECTIONS:
                longest = next(iter(self._idle), None)
                if longest is None:
                    return False
                self._connections.discard(longest)
                _shut(self._idle.pop(longest), socket.SHUT_RDWR)
            self._connections.add(connection)
        return True

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection to its end; runs in its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._changed:
                self._connections.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Note that serving a connection has failed."""
        del request
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            _logger.debug("the connection of %s was lost: %s", client_address, error)
        else:
            _logger.error("serving %s failed", client_address, exc_info=error)


def _shut(sock: socket.socket, how: int) -> None:
    """End a connection, or its half, that another thread uses."""
    with contextlib.suppress(OSError):
        # Not the method of encrypted ones, which would go on unencrypted.
        socket.socket.shutdown(sock, how)


class _Connection(WSGIRequestHandler):
    """One connection: requests, one after the other."""

    server: GatewayServer
    protocol_version = "HTTP/1.1"
    server_version = "pyro-httpgw"
    sys_version = ""
    timeout = IDLE_SECONDS
    wbufsize = _WRITE_BUFFER

    def setup(self) -> None:
        self._plain = self.request
        if self.request.family != getattr(socket, "AF_UNIX", None):
            # Otherwise an answer in two pieces waits until the first is confirmed.
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.server.tls is not None:
            # In this thread, so that a slow client does not hold up others.
            self.request.settimeout(HEADER_SECONDS)
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()
        self._reader = TimedReader(self.connection)
        self.rfile.close()
        self.rfile = io.BufferedReader(self._reader)

    def finish(self) -> None:
        super().finish()
        if self.request is not self._plain:
            self.request.close()

    def handle(self) -> None:
        # Not the method of the class above, which serves one request only.
        BaseHTTPRequestHandler.handle(self)

    def handle_one_request(self) -> None:
        self._reader.expect_within(self.timeout)
        try:
            with self.server.idle(self._plain, self.connection):
                begins = self.rfile.peek(1)  # type: ignore[attr-defined] # it is buffered
        except OSError:
            begins = b""
        if begins:
            self._reader.expect_within(HEADER_SECONDS)
            super().handle_one_request()
        else:
            self.close_connection = True

    def handle_expect_100(self) -> bool:
        proceed = super().handle_expect_100()
        self.wfile.flush()
        return proceed

    def _serve(self) -> None:
        length = self._body_length()
        if length is None:
            return
        self._reader.expect_within(BODY_SECONDS + length / LEAST_BYTES_PER_SECOND)
        with self.server.request_in_progress():
            body = Body(self.rfile, length)
            answer = Answer(body, self, multiprocess=self.server.multiprocess)
            application = self.server.get_app()
            if application is not None:
                answer.run(application)
            if body.remaining or not answer.finished:
                # What was not read would be taken for the next request, and the next
                # answer for the rest of this one.
                self.close_connection = True
            self.connection.settimeout(STUCK_SECONDS)
            self.wfile.flush()
            self.server.streaming(self.connection, active=False)

    # Named by the standard library.
    do_GET = do_POST = do_HEAD = do_OPTIONS = _serve  # noqa: N815
    do_PUT = do_DELETE = do_PATCH = _serve  # noqa: N815

    def begin_stream(self) -> None:
        self.server.streaming(self.connection, active=True)

    def _body_length(self) -> int | None:
        """Return the length of the request's body; None if it has been refused."""
        if "Transfer-Encoding" in self.headers:
            self._refuse(
                HTTPStatus.LENGTH_REQUIRED, "Send the body with a Content-Length"
            )
            return None
        lengths = self.headers.get_all("Content-Length", ["0"])
        length = lengths[0].strip()
        if len(lengths) > 1 or not (length.isascii() and length.isdigit()):
            self._refuse(HTTPStatus.BAD_REQUEST, "Bad Content-Length")
            return None
        return int(length[:20])

    def _refuse(self, status: int, reason: str) -> None:
        self.close_connection = True
        self.send_error(status, reason)

    def get_environ(self) -> dict[str, Any]:
        environ = super().get_environ()
        environ["pyro_httpgw.connection"] = self.connection
        if self.server.tls is not None:
            environ["HTTPS"] = "on"
        return environ

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        # The gateway keeps a log of its own.
        del code, size

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
        # The text quotes the request, which may hold the gateway key.
        del format, args
        _logger.debug(
            "%s sent no request, or none that can be read", self.client_address
        )
