"""The web server of the launcher: the standard library's, with connections kept alive.

A thread for each connection, and a bound on their number: made for a handful of
people and scripts. A site with more visitors mounts `asgi_app` in a server of its
choice.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final
from wsgiref.handlers import SimpleHandler
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from pyro_protocol import Configuration, config
from pyro_protocol.transport import listening_socket, location_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from wsgiref.headers import Headers
    from wsgiref.types import WSGIApplication

__all__ = ["GatewayServer"]

_logger = logging.getLogger("pyro.httpgw")
_access_log = logging.getLogger("pyro.httpgw.access")

MOST_CONNECTIONS: Final = 500
"""Each has a thread, whose stack takes up to some hundred kilobytes of memory."""

IDLE_SECONDS: Final = 30.0
"""How long a connection may be silent; browsers open another one without notice."""

_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
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
        host: where to listen; ``""`` means all interfaces.
        port: the port; 0 lets the system choose.
        config: the choice of IP version.

    Attributes:
        url: where it is, without a path.

    Raises:
        CommunicationError: the address cannot be listened on.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(
        self,
        application: WSGIApplication,
        host: str,
        port: int,
        config: Configuration = config,
    ) -> None:
        sock = listening_socket(host, port, config)
        address = sock.getsockname()
        super().__init__(address[:2], _Connection, bind_and_activate=False)
        self.socket.close()
        self.socket = sock
        self.server_name: str = host or str(address[0])
        self.server_port: int = int(address[1])
        self.setup_environ()
        self.set_app(application)
        self._changed = threading.Condition()
        self._connections = 0
        self._requests = 0
        self.url: str = f"http://{location_of(sock, host or None)}"

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

    def finish(self, seconds: float) -> bool:
        """Wait until the requests in progress are answered.

        Args:
            seconds: how long to wait at most.

        Returns:
            Whether all of them were.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._requests == 0, seconds)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a new connection, unless there are too many."""
        with self._changed:
            accepted = self._connections < MOST_CONNECTIONS
            if accepted:
                self._connections += 1
        if accepted:
            super().process_request(request, client_address)
            return
        _logger.warning(
            "a connection was refused: there are %d already", MOST_CONNECTIONS
        )
        with contextlib.suppress(OSError):
            request.settimeout(0)
            request.send(_BUSY)
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection to its end; runs in its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._changed:
                self._connections -= 1

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Note that serving a connection has failed."""
        del request
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            _logger.debug("the connection of %s was lost: %s", client_address, error)
        else:
            _logger.error("serving %s failed", client_address, exc_info=error)


class _Connection(WSGIRequestHandler):
    """One connection: requests, one after the other."""

    server: GatewayServer
    protocol_version = "HTTP/1.1"
    server_version = "pyro-httpgw"
    sys_version = ""
    timeout = IDLE_SECONDS
    wbufsize = _WRITE_BUFFER
    # Otherwise an answer in two pieces waits for the client to confirm the first.
    disable_nagle_algorithm = True

    def handle(self) -> None:
        # Not the method of the class above, which serves one request only.
        BaseHTTPRequestHandler.handle(self)

    def handle_expect_100(self) -> bool:
        proceed = super().handle_expect_100()
        self.wfile.flush()
        return proceed

    def _serve(self) -> None:
        length = self._body_length()
        if length is None:
            return
        with self.server.request_in_progress():
            body = _Body(self.rfile, length)
            answer = _Answer(body, self)
            application = self.server.get_app()
            if application is not None:
                answer.run(application)
            if body.remaining:
                # What was not read would be taken for the next request.
                self.close_connection = True
            self.wfile.flush()

    # Named by the standard library.
    do_GET = do_POST = do_HEAD = do_OPTIONS = _serve  # noqa: N815
    do_PUT = do_DELETE = do_PATCH = _serve  # noqa: N815

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

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        # Without the query string, which may hold the gateway key.
        path = self.path.partition("?")[0] if hasattr(self, "path") else "-"
        _access_log.info(
            "%s %s %a %s %s", self.client_address[0], self.command, path, code, size
        )

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
        # The text quotes the request, which may hold the gateway key.
        del format, args
        _logger.debug(
            "%s sent no request, or none that can be read", self.client_address
        )


class _Body(io.RawIOBase):
    """The body of a request, which ends before the next request begins."""

    def __init__(self, source: Any, length: int) -> None:
        self._source = source
        self.remaining = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._source.read1(min(len(buffer), self.remaining))
        buffer[: len(data)] = data
        self.remaining -= len(data)
        return len(data)


class _Answer(SimpleHandler):
    """Runs the application for one request."""

    http_version = "1.1"
    server_software = "pyro-httpgw"
    # What the class above has, and does not declare.
    headers: Headers
    status: str | None
    bytes_sent: int

    def __init__(self, body: _Body, connection: _Connection) -> None:
        super().__init__(
            io.BufferedReader(body),
            connection.wfile,  # type: ignore[arg-type] # it only has to be written to
            sys.stderr,
            connection.get_environ(),
            multithread=True,
            multiprocess=False,
        )
        self._connection = connection

    def cleanup_headers(self) -> None:
        super().cleanup_headers()
        if "Content-Length" not in self.headers:
            self._connection.close_connection = True
        ends = self._connection.close_connection
        self.headers["Connection"] = "close" if ends else "keep-alive"

    def close(self) -> None:
        status = self.status.split(" ", 1)[0] if self.status else "-"
        self._connection.log_request(status, self.bytes_sent)
        super().close()
