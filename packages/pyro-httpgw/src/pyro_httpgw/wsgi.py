"""The gateway as a WSGI application (PEP 3333)."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from pyro_protocol import Configuration, config

from .background import BackgroundGateway, BackgroundParts
from .messages import Request
from .serving.peers import has_gone
from .settings import ConfigurableApplication

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from wsgiref.types import StartResponse, WSGIEnvironment

__all__ = ["WsgiApplication", "pyro_app"]

_HEADER_PREFIX: Final = "HTTP_"

# Our own server gives the connection, with which can be seen that a client has gone.
_CONNECTION: Final = "pyro_httpgw.connection"


class WsgiApplication(ConfigurableApplication):
    """The gateway for any WSGI server, with threads or processes of its choice.

    Calls are made in one background thread of each process, which is started by the
    first request; `close` ends it.

    Args:
        config: where the name server is, and the settings of connections.
    """

    def __init__(self, config: Configuration = config) -> None:
        super().__init__(config)
        self._lock = threading.Lock()
        self._gateway: BackgroundGateway | None = None
        _applications.add(self)

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer a request, as PEP 3333 says.

        Raises:
            ConnectionAbortedError: the client left before its request was complete, or
                before there was an answer.
        """
        settings = self.settings
        request = _request_of(environ, settings.max_body)
        gone = _gone_of(environ)
        gateway = self._running()
        response = gateway.respond(request, settings, gone)
        status = HTTPStatus(response.status)
        start_response(f"{status.value} {status.phrase}", [*response.headers])
        if response.parts is None:
            return [b"" if request.method == "HEAD" else response.body]
        parts = BackgroundParts(gateway, response.parts, gone)
        if request.method == "HEAD":
            parts.close()
            return [b""]
        return _Streamed(response.body, parts)

    def close(self) -> None:
        """Close the connections and end the background thread.

        The next request starts again.
        """
        with self._lock:
            gateway, self._gateway = self._gateway, None
        if gateway is not None:
            atexit.unregister(self.close)
            gateway.close()

    def _running(self) -> BackgroundGateway:
        gateway = self._gateway
        if gateway is None:
            with self._lock:
                gateway = self._gateway
                if gateway is None:
                    gateway = self._gateway = BackgroundGateway(self.config)
                    atexit.register(self.close)
        return gateway

    def forget(self) -> None:
        """Start afresh in a forked process, where only the forking thread goes on.

        The loop and its connections still belong to the parent, so that nothing of
        them is touched here.
        """
        self._lock = threading.Lock()
        self._gateway = None


class _Streamed:
    """A body that begins with something, and goes on part by part."""

    def __init__(self, first: bytes, parts: BackgroundParts) -> None:
        self._first = first
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        if self._first:
            yield self._first
        yield from self._parts

    def close(self) -> None:
        self._parts.close()


_applications: weakref.WeakSet[WsgiApplication] = weakref.WeakSet()


def _after_fork() -> None:
    for application in _applications:
        application.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _request_of(environ: Mapping[str, Any], most: int) -> Request:
    headers = {
        name.removeprefix(_HEADER_PREFIX).replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith(_HEADER_PREFIX)
    }
    headers["content-type"] = environ.get("CONTENT_TYPE") or ""
    return Request(
        method=environ["REQUEST_METHOD"],
        path=_decoded(environ.get("PATH_INFO", "")),
        query=environ.get("QUERY_STRING", ""),
        headers=headers,
        body=_received_body(environ, most),
        mount=quote(_decoded(environ.get("SCRIPT_NAME", ""))),
        client=environ.get("REMOTE_ADDR") or "",
        scheme=environ.get("wsgi.url_scheme") or "http",
    )


def _gone_of(environ: Mapping[str, Any]) -> Callable[[], bool] | None:
    """Return what tells whether the client has gone; None if the server does not."""
    connection = environ.get(_CONNECTION)
    return None if connection is None else partial(has_gone, connection)


def _decoded(text: str) -> str:
    """Return the path that a server gives as bytes in the clothes of a text."""
    return text.encode("latin-1").decode("utf-8", "replace")


def _received_body(environ: Mapping[str, Any], most: int) -> bytes:
    length = environ.get("CONTENT_LENGTH") or "0"
    size = int(length) if length.isascii() and length.isdigit() else 0
    if size == 0:
        return b""
    # One byte more than is allowed shows that it is too large.
    wanted = min(size, most + 1)
    body: bytes = environ["wsgi.input"].read(wanted)
    if len(body) < wanted:
        raise ConnectionAbortedError("the client left before its request was complete")
    return body


pyro_app: Final[WsgiApplication] = WsgiApplication()
"""The gateway as a WSGI application, to be mounted in a web server.

Its settings are the attributes of `ConfigurableApplication`, such as ``ns_regex``,
``cors`` and ``gateway_key``.
"""
