"""The gateway under the standard library's web server, a thread per connection."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final

from ..wsgi import WsgiApplication
from .interruption import raise_if_interrupted
from .listening import tls_context
from .options import GRACE_SECONDS
from .threading_server import GatewayServer

if TYPE_CHECKING:
    import socket
    from multiprocessing.connection import Connection

    from .options import ServeOptions

__all__ = ["run"]

# How often the server looks whether it is to end; nobody minds waiting that long.
_POLL_SECONDS: Final = 0.1


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
    application = WsgiApplication()
    options.apply(application)
    server = GatewayServer(
        application, sock, tls=tls_context(options), processes=options.workers
    )
    serving = threading.Thread(
        target=server.serve_forever, args=(_POLL_SECONDS,), name="http", daemon=True
    )
    serving.start()
    try:
        if stop is not None:
            with contextlib.suppress(EOFError, OSError):
                stop.recv()
        else:
            # With a time limit, because Windows notices Ctrl-C only between two waits.
            while serving.is_alive():
                raise_if_interrupted()
                serving.join(1.0)
    finally:
        server.shutdown()
        server.finish(GRACE_SECONDS)
        server.server_close()
        application.close()
