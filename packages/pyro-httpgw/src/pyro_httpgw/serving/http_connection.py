"""HTTP/1.1 under uvicorn, without the detour over ASGI.

uvicorn listens, encrypts, and knows when to end; what happens on a connection is done
here. That takes about half the processor time of the same under ASGI, which had been
a third of all that a small call took, and the end of a client is noticed at once.
Longer than most modules, because the rules of one protocol are in one place.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple
from urllib.parse import unquote

from ..calls.call_states import CORRELATION_HEADER
from ..completion import RESULT_FIELDS
from ..errors import StreamFailedError
from ..messages import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..asgi import AsgiApplication
    from ..gateway import Gateway
    from ..messages import Parts
    from ..usual import UsualCall
    from .guarding import ConnectionGuard

__all__ = ["HttpConnection", "ServerState"]

_logger = logging.getLogger("pyro.httpgw")

LARGEST_HEADER: Final = 64 * 1024
"""The most bytes of the request line and the header fields: several times what browsers
and proxies send, and what other servers take."""

MOST_DISCARDED: Final = 64 * 1024 * 1024
"""How many bytes of a request that was refused are received and thrown away, so that
the client comes to read why."""

# Up to here copying is cheaper than a second system call.
_SMALL_BODY: Final = 64 * 1024

_HTTP_1_0: Final = "1.0"
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_CORRELATION: Final = CORRELATION_HEADER.encode("ascii")
_LAST_CHUNK: Final = b"0\r\n\r\n"

_STATUS_LINES: Final = {
    int(status): f"HTTP/1.1 {int(status)} {status.phrase}\r\n".encode("ascii")
    for status in HTTPStatus
}


class ServerState:
    """What uvicorn wants to know of its connections, and tells them.

    Attributes:
        connections: those that are open.
        tasks: what is done for them.
        total_requests: how many were answered.
        default_headers: what each answer has, such as the time.
    """

    connections: set[Any]
    tasks: set[Any]
    total_requests: int
    default_headers: list[tuple[bytes, bytes]]


class _Waiting(NamedTuple):
    """A request that has come, with what is to become of the connection.

    Most are answered without a `Request` being made of it.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    version: str
    keep_alive: bool


class HttpConnection(asyncio.Protocol):
    """One connection of a client: requests, one after the other.

    Args:
        application: answers them.
        guard: ends the connection if the client is too slow.
        make_parser: makes a parser that tells this object what it finds (httptools).
        state: what the server has to know.

    Attributes:
        received: how many bytes have come of a request that is not complete.
    """

    def __init__(
        self,
        application: AsgiApplication,
        guard: ConnectionGuard,
        make_parser: Callable[[HttpConnection], Any],
        state: ServerState,
    ) -> None:
        self._application = application
        self._guard = guard
        self._gateway: Gateway
        self._state = state
        self._parser: Any = make_parser(self)
        self._transport: asyncio.Transport = asyncio.Transport()
        self._client = ""
        self._scheme = "http"
        self.received: int = 0
        # The request that is coming.
        self._coming = False
        self._url = b""
        self._headers: dict[str, str] = {}
        self._header_size = 0
        self._has_header = False
        self._body: list[bytes] = []
        self._body_size = 0
        # Those that wait while another one is being answered.
        self._waiting: deque[_Waiting] = deque()
        self._task: asyncio.Task[None] | None = None
        # The usual request that is being answered, which takes no task.
        self._usual: UsualCall | None = None
        self._usual_waiting: _Waiting | None = None
        self._streaming = False
        self._ends = False
        self._discards = False
        # Whether the client takes what is sent; None while it does.
        self._drained: asyncio.Future[None] | None = None

    _known_fields: ClassVar[tuple[list[tuple[bytes, bytes]], bytes]] = ([], b"")
    _known_usual: ClassVar[tuple[list[tuple[bytes, bytes]], bytes]] = ([], b"")

    # What asyncio tells.

    def connection_made(self, transport: Any) -> None:
        """Begin to serve a client, unless there are too many."""
        self._transport = transport
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self._client = str(peer[0])
        if transport.get_extra_info("sslcontext") is not None:
            self._scheme = "https"
        self._gateway = self._application.gateway
        self._state.connections.add(self)
        self._guard.start(asyncio.get_running_loop())
        if not self._guard.add(self):
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, b"Retry-After: 1\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop what is done for a client that has gone."""
        del exc
        self._guard.remove(self)
        self._state.connections.discard(self)
        self._waiting.clear()
        self._ends = True
        if self._task is not None:
            self._task.cancel()
        if self._usual is not None:
            self._usual.give_up()
            self._usual = None
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Take what a client sends."""
        if self._discards:
            self.received += len(data)
            if self.received > MOST_DISCARDED:
                self._transport.abort()
            return
        try:
            self._parser.feed_data(data)
        except Exception as error:  # noqa: BLE001 - of a library that is an extra
            # It also stops at a wish for another protocol, which is not fulfilled.
            if not (self._ends and self._parser.should_upgrade()):
                _logger.debug("%s sends no HTTP: %s", self._client, error)
                self._refuse(HTTPStatus.BAD_REQUEST)
                return
        if self._coming:
            self._guard.receiving.setdefault(self, self._guard.now)
            self.received += len(data)

    def pause_writing(self) -> None:
        """Send nothing more for now: the client does not take it."""
        self._guard.stuck[self] = self._guard.now
        self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Go on sending."""
        self._guard.stuck.pop(self, None)
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)
        if not self._is_busy:
            self._next()

    # What the guard and the server ask.

    def is_closing(self) -> bool:
        """Tell whether the connection ends when all is sent."""
        return self._transport.is_closing()

    def close(self) -> None:
        """End the connection when all is sent."""
        self._transport.close()

    def abort(self) -> None:
        """End the connection at once, whatever is still to be sent."""
        self._transport.abort()

    def shutdown(self) -> None:
        """End the connection when the answer that has been begun is sent.

        Of a stream it is not: it may have no end.
        """
        self._ends = True
        self._waiting.clear()
        if not self._is_busy:
            self._transport.close()
        elif self._streaming and self._task is not None:
            self._task.cancel()

    # What the parser finds.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._coming = True
        self.received = 0
        self._guard.idle.pop(self, None)
        self._url = b""
        self._headers = {}
        self._header_size = 0
        self._has_header = False
        self._body_size = 0

    def on_url(self, url: bytes) -> None:
        """Take a piece of the address."""
        self._url += url
        self._header_size += len(url)
        if self._header_size > LARGEST_HEADER:
            self._refuse(HTTPStatus.REQUEST_URI_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field."""
        if self._has_header:
            # What comes behind a body must not be taken for what was in front.
            return
        headers = self._headers
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
        self._header_size += len(name) + len(value)
        if self._header_size > LARGEST_HEADER:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Let a client go on that asks whether it may."""
        self._has_header = True
        if self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        if self._discards:
            return
        self._body_size += len(body)
        most = self._application.settings.max_body
        if self._body_size <= most:
            self._body.append(body)
            return
        # One byte more than is allowed shows that it is too large.
        self._body = [bytes(most + 1)]
        self._take_request(keep_alive=False)
        self._discards = True

    def on_message_complete(self) -> None:
        """Answer the request that is complete."""
        self._coming = False
        self._guard.receiving.pop(self, None)
        if not self._discards:
            parser = self._parser
            keep_alive = parser.should_keep_alive() and not parser.should_upgrade()
            self._take_request(keep_alive=keep_alive)

    # Answering.

    def _take_request(self, *, keep_alive: bool) -> None:
        """Answer a request now, or when those before it are answered."""
        if self._ends:
            return
        url = self._url.decode("utf-8", "replace")
        if not url.startswith("/"):
            # To a proxy the whole address is given.
            _scheme, found, rest = url.partition("://")
            url = f"/{rest.partition('/')[2]}" if found else url
        path, _, query = url.partition("?")
        body = b""
        if self._body:
            body = b"".join(self._body)
            self._body = []
        parser = self._parser
        waiting = _Waiting(
            parser.get_method().decode("latin-1"),
            unquote(path) if "%" in path else path,
            query,
            self._headers,
            body,
            parser.get_http_version(),
            keep_alive,
        )
        self._ends = not keep_alive
        if self._task is None and self._usual is None and self._drained is None:
            self._start(waiting)
        else:
            self._waiting.append(waiting)
            self._transport.pause_reading()

    @property
    def _is_busy(self) -> bool:
        """Whether a request is being answered."""
        return self._task is not None or self._usual is not None

    def _start(self, waiting: _Waiting) -> None:
        if waiting.method == "GET" and not waiting.body:
            self._usual_waiting = waiting
            self._usual = self._gateway.usual.begin(
                waiting.path,
                waiting.query,
                waiting.headers,
                self._application.settings,
                self,
            )
            if self._usual is not None:
                return
            self._usual_waiting = None
        self._start_task(waiting, None)

    def _start_task(self, waiting: _Waiting, call: UsualCall | None) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(waiting, call))
        self._task = task
        self._state.tasks.add(task)

    def usual_result(self, call: UsualCall, body: bytes) -> None:
        """Send the result of a usual call."""
        waiting = self._taken_back()
        if waiting is None:
            return
        if waiting.keep_alive and waiting.version != _HTTP_1_0 and not self._ends:
            self._transport.write(
                b"%bContent-Length: %d\r\n%b: %b\r\n\r\n%b"
                % (
                    self._usual_fields(),
                    len(body),
                    _CORRELATION,
                    call.correlation.text.encode("ascii"),
                    body,
                )
            )
        else:
            fields = (*RESULT_FIELDS, (CORRELATION_HEADER, call.correlation.text))
            length = ("Content-Length", str(len(body)))
            self._send(waiting, Response(HTTPStatus.OK, (*fields, length), body))
        self._state.total_requests += 1
        self._go_on()

    def usual_rest(self, call: UsualCall) -> None:
        """Answer a request after a call of which no usual answer has come."""
        waiting = self._taken_back()
        if waiting is not None:
            self._start_task(waiting, call)

    def _taken_back(self) -> _Waiting | None:
        waiting, self._usual_waiting = self._usual_waiting, None
        self._usual = None
        return None if self._transport.is_closing() else waiting

    async def _answer(self, waiting: _Waiting, call: UsualCall | None) -> None:
        task = self._task
        try:
            application = self._application
            settings = application.settings
            request = Request(
                waiting.method,
                waiting.path,
                waiting.query,
                waiting.headers,
                waiting.body,
                client=self._client,
                scheme=self._scheme,
            )
            if call is None:
                response = await self._gateway.respond(request, settings)
            else:
                response = await self._gateway.conclude(request, settings, call)
            if response.parts is None:
                self._send(waiting, response)
            else:
                await self._send_stream(waiting, response, response.parts)
        except asyncio.CancelledError:
            # The client has gone, or the server ends.
            self._transport.close()
        except Exception:
            _logger.exception("answering %s failed", self._client)
            self._transport.abort()
        finally:
            self._state.tasks.discard(task)
            self._state.total_requests += 1
            self._task = None
        self._go_on()

    def _go_on(self) -> None:
        """Do what there is to be done after a request."""
        if self._waiting:
            self._next()
        elif self._ends:
            self._close_gently()
        elif not self._coming:
            self._guard.idle[self] = self._guard.now

    def _next(self) -> None:
        """Go on with the requests that wait."""
        if self._waiting and self._drained is None and not self.is_closing():
            self._start(self._waiting.popleft())
            if not self._waiting:
                self._transport.resume_reading()

    def _send(self, waiting: _Waiting, response: Response) -> None:
        head = self._head(waiting, response, chunked=False)
        body = b"" if waiting.method == "HEAD" else response.body
        if len(body) <= _SMALL_BODY:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)

    async def _send_stream(
        self, waiting: _Waiting, response: Response, parts: Parts
    ) -> None:
        chunked = waiting.version != _HTTP_1_0
        if not chunked:
            self._ends = True
        self._streaming = True
        try:
            self._transport.write(self._head(waiting, response, chunked=chunked))
            if waiting.method == "HEAD":
                return
            if response.body:
                self._transport.write(
                    _chunk(response.body) if chunked else response.body
                )
            async for part in parts:
                self._transport.write(_chunk(part) if chunked else part)
                if self._drained is not None:
                    await self._drained
            if chunked:
                self._transport.write(_LAST_CHUNK)
        except (StreamFailedError, OSError):
            # Without the last chunk it does not look whole.
            self._ends = True
        finally:
            self._streaming = False
            await parts.aclose()

    def _head(self, waiting: _Waiting, response: Response, *, chunked: bool) -> bytes:
        """Return the header of an answer.

        Raises:
            ValueError: there are line ends in it, which would begin other fields.
        """
        lines = [f"{name}: {value}\r\n" for name, value in response.headers]
        if chunked:
            lines.append("Transfer-Encoding: chunked\r\n")
        if not waiting.keep_alive or (self._ends and not self._waiting):
            lines.append("Connection: close\r\n")
        elif waiting.version == _HTTP_1_0:
            lines.append("Connection: keep-alive\r\n")
        text = "".join(lines)
        if text.count("\n") != len(lines) or text.count("\r") != len(lines):
            raise ValueError("a header field of an answer has a line end in it")
        return b"".join(
            (
                _STATUS_LINES[response.status],
                self._standard_fields(),
                text.encode("latin-1"),
                b"\r\n",
            )
        )

    def _standard_fields(self) -> bytes:
        """Return what the server adds to each answer; another list each second."""
        headers = self._state.default_headers
        known, fields = HttpConnection._known_fields
        if headers is not known:
            fields = b"".join([b"%b: %b\r\n" % header for header in headers])
            HttpConnection._known_fields = headers, fields
        return fields

    def _usual_fields(self) -> bytes:
        """Return how the answer to a usual call begins; another text each second."""
        headers = self._state.default_headers
        known, fields = HttpConnection._known_usual
        if headers is not known:
            lines = "".join(f"{name}: {value}\r\n" for name, value in RESULT_FIELDS)
            fields = b"".join(
                (_STATUS_LINES[200], self._standard_fields(), lines.encode("ascii"))
            )
            HttpConnection._known_usual = headers, fields
        return fields

    def _refuse(self, status: HTTPStatus, fields: bytes = b"") -> None:
        """Answer what is not to be answered by the application, and end."""
        if self._ends and not self._is_busy:
            return
        self._ends = self._discards = True
        if not self._is_busy:
            self._transport.write(
                b"%b%bContent-Length: 0\r\nConnection: close\r\n\r\n"
                % (_STATUS_LINES[status], fields)
            )
            self._close_gently()

    def _close_gently(self) -> None:
        """End the connection, but let the client read what was sent.

        If the system is told to end it while something is unread, it throws away what
        was sent.
        """
        transport = self._transport
        if self._discards and transport.can_write_eof() and not transport.is_closing():
            # The guard ends what takes too long.
            self.received = 0
            self._guard.receiving.setdefault(self, self._guard.now)
            transport.write_eof()
        else:
            transport.close()


def _chunk(part: bytes) -> bytes:
    # An empty chunk would be the last one.
    return b"%x\r\n%b\r\n" % (len(part), part) if part else b""
