"""How the web server of the standard library runs the application for a request."""

from __future__ import annotations

import io
import sys
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol
from wsgiref.handlers import SimpleHandler

if TYPE_CHECKING:
    from wsgiref.headers import Headers

__all__ = ["Answer", "Body"]

_WITHOUT_BODY: Final = {
    str(status.value) for status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
}


class Body(io.RawIOBase):
    """The body of a request, which ends before the next request begins.

    Args:
        source: the connection, from which it is read.
        length: how many bytes it has.

    Attributes:
        remaining: how many of them have not been read.
    """

    def __init__(self, source: Any, length: int) -> None:
        self._source = source
        self.remaining: int = length

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has come of it, and wait for it.

        Raises:
            ConnectionAbortedError: that takes too long.
        """
        try:
            data = self._source.read1(min(len(buffer), self.remaining))
        except TimeoutError as error:
            # Of this kind the class that runs the application makes no answer.
            raise ConnectionAbortedError(*error.args) from error
        buffer[: len(data)] = data
        self.remaining -= len(data)
        return len(data)


class AnswerableConnection(Protocol):
    """A connection with a request that is to be answered.

    Attributes:
        wfile: where the answer is written.
        command: the method of the request.
        request_version: the version of HTTP that it is in.
        close_connection: whether the connection ends with the answer.
    """

    wfile: Any
    command: str
    request_version: str
    close_connection: bool

    def get_environ(self) -> dict[str, Any]:
        """Return what the application is told of the request."""

    def begin_stream(self) -> None:
        """Take note that the answer has no end that is known."""


class Answer(SimpleHandler):
    """Runs the application for one request, and sends what it answers.

    An answer of unknown length is sent in chunks. If it fails, the last one of them is
    missing, so that a client does not take it for whole.

    Args:
        body: the body of the request.
        connection: the connection, with the header of the request.
        multiprocess: whether other processes run the application as well.

    Attributes:
        finished: whether the whole answer was sent.
    """

    http_version: str = "1.1"
    server_software: str | None = "pyro-httpgw"
    # What the class above has, and does not declare.
    headers: Headers
    headers_sent: bool
    status: str | None

    def __init__(
        self, body: Body, connection: AnswerableConnection, *, multiprocess: bool
    ) -> None:
        super().__init__(
            io.BufferedReader(body),
            connection.wfile,
            sys.stderr,
            connection.get_environ(),
            multithread=True,
            multiprocess=multiprocess,
        )
        self._connection = connection
        self._chunked = False
        self._body_has_begun = False
        self.finished: bool = False

    def cleanup_headers(self) -> None:
        """Add what says how long the answer is, and what becomes of the connection."""
        super().cleanup_headers()
        if "Content-Length" not in self.headers and self._may_have_body():
            if self._connection.request_version == "HTTP/1.1":
                self._chunked = True
                self._connection.begin_stream()
                self.headers["Transfer-Encoding"] = "chunked"
            else:
                self._connection.close_connection = True
        ends = self._connection.close_connection
        self.headers["Connection"] = "close" if ends else "keep-alive"

    def _may_have_body(self) -> bool:
        status = (self.status or "").split(" ", 1)[0]
        return self._connection.command != "HEAD" and status not in _WITHOUT_BODY

    def send_headers(self) -> None:
        """Send the header."""
        super().send_headers()
        self._body_has_begun = True

    def _write(self, data: bytes) -> None:
        if self._chunked and self._body_has_begun:
            # An empty chunk would be the last one.
            data = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        super()._write(data)

    def finish_content(self) -> None:
        """Send what ends the answer."""
        super().finish_content()
        if self._chunked:
            super()._write(b"0\r\n\r\n")
        self.finished = True

    def handle_error(self) -> None:
        """Answer for an application that has failed."""
        if self.headers_sent:
            self._connection.close_connection = True
        super().handle_error()
