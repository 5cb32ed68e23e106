"""The gateway under real web servers, in threads of this process."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_httpgw.asgi import AsgiApplication
from pyro_httpgw.serving.threading_server import GatewayServer
from pyro_httpgw.serving.uvicorn_server import _protocol
from pyro_httpgw.wsgi import WsgiApplication

from .hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyro_protocol import Configuration

__all__ = ["WEB_SERVERS", "serving"]

WEB_SERVERS = ("threads", "connections", "uvicorn-httptools", "uvicorn-h11")
"""The servers that `serving` knows: the two of the command, then uvicorn as it is. What
needs uvicorn is skipped where it is missing."""


@contextlib.contextmanager
def serving(server: str, config: Configuration) -> Iterator[str]:
    """Serve the gateway, all objects exposed, and yield where: ``host:port``."""
    sock = socket.create_server(("127.0.0.1", 0))
    location = f"127.0.0.1:{sock.getsockname()[1]}"
    begin = _threads if server == "threads" else _uvicorn
    # Also where it is skipped.
    with sock, begin(sock, config, server.rpartition("-")[2]):
        yield location


@contextlib.contextmanager
def _threads(sock: socket.socket, config: Configuration, _http: str) -> Iterator[None]:
    application = WsgiApplication(config)
    application.ns_regex = ""
    server = GatewayServer(application, sock)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.finish(DEADLINE)
        server.server_close()
        application.close()
        thread.join(DEADLINE)


@contextlib.contextmanager
def _uvicorn(sock: socket.socket, config: Configuration, http: Any) -> Iterator[None]:
    uvicorn = pytest.importorskip("uvicorn")
    application = AsgiApplication(config)
    application.ns_regex = ""
    if http == "connections":
        pytest.importorskip("httptools")
        http = _protocol(application)
    else:
        pytest.importorskip(http)
    settings = uvicorn.Config(application, http=http, lifespan="on", log_config=None)
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(DEADLINE)
        sock.close()
        assert not thread.is_alive(), "uvicorn does not stop"
