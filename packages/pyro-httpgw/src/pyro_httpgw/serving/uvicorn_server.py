"""The gateway under uvicorn: one process, one event loop, thousands of connections."""

from __future__ import annotations

import contextlib
import gc
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from ..asgi import AsgiApplication
from .guarding import ConnectionGuard
from .http_connection import HttpConnection, ServerState
from .interruption import raise_if_interrupted
from .listening import file_limit
from .options import GRACE_SECONDS

if TYPE_CHECKING:
    import asyncio
    import socket
    from multiprocessing.connection import Connection

    import uvicorn

    from .options import ServeOptions

__all__ = ["run"]

MOST_CONNECTIONS: Final = 20_000
"""Those of one process, if the system lets it have so many files. Each takes some ten
kilobytes."""

# Files that are no connections of clients: those to daemons, logs, the loop's own.
_OTHER_FILES: Final = 256

# Python's default of 700 is little where many requests are in progress. So many small
# objects take some megabytes.
_OBJECTS_BETWEEN_COLLECTIONS: Final = 20_000


def run(
    options: ServeOptions, sock: socket.socket, stop: Connection | None = None
) -> None:
    """Serve until a signal or the other end of ``stop`` asks to end.

    Args:
        options: what to do.
        sock: where to listen.
        stop: a pipe whose other end is closed when this is to end, if there is one.

    Raises:
        KeyboardInterrupt: it was a signal that asked.
    """
    import uvicorn  # noqa: PLC0415 - an extra

    application = AsgiApplication()
    options.apply(application)
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            http=_protocol(application),
            loop="auto",
            ws="none",
            lifespan="on",
            log_config=None,
            # What the gateway does itself, or what would be done for nothing.
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            ssl_certfile=options.tls_cert,
            ssl_keyfile=options.tls_key,
        )
    )
    if stop is not None:
        watching = threading.Thread(
            target=_end_when_told, args=(server, stop), name="stop", daemon=True
        )
        watching.start()
    _collect_less_garbage()
    # It takes signals as soon as it serves; before that one would break off an event
    # loop that is being made.
    with server.capture_signals():
        raise_if_interrupted()
        server.run(sockets=[sock])


def _collect_less_garbage() -> None:
    """Spare the time for looking at what stays, and at what a request leaves behind."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)


def _end_when_told(server: uvicorn.Server, stop: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        stop.recv()
    server.should_exit = True


def _protocol(application: AsgiApplication) -> type[asyncio.Protocol]:
    """Return what makes the connections of a server."""
    import httptools  # noqa: PLC0415 - an extra

    most = min(MOST_CONNECTIONS, file_limit() - _OTHER_FILES)
    make = partial(
        HttpConnection,
        application,
        ConnectionGuard(max(most, 1)),
        httptools.HttpRequestParser,
    )

    def connection(*, server_state: ServerState, **_others: Any) -> HttpConnection:
        return make(server_state)

    # It is only called, with more than is of interest here.
    return cast("type[asyncio.Protocol]", connection)
