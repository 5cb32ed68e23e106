"""Which web server serves, and that it serves in this process."""

from __future__ import annotations

import importlib.util
import logging
import sys
from typing import TYPE_CHECKING, Final, Literal

from .listening import raise_file_limit

if TYPE_CHECKING:
    import socket
    from multiprocessing.connection import Connection

    from .options import ServeOptions, ServerChoice

__all__ = ["chosen_server", "serve_here"]

_PARTS_OF_SERVER: Final = ("uvicorn", "httptools")


def chosen_server(choice: ServerChoice) -> Literal["uvicorn", "threads"]:
    """Return the web server that a choice means here.

    Raises:
        ValueError: it is not installed.
    """
    missing = [
        name for name in _PARTS_OF_SERVER if importlib.util.find_spec(name) is None
    ]
    if choice == "threads" or (choice == "auto" and missing):
        return "threads"
    if missing:
        raise ValueError(
            f"{' and '.join(missing)} cannot be imported; they come with "
            "pip install 'pyro-httpgw[server]'"
        )
    return "uvicorn"


def serve_here(
    options: ServeOptions, sock: socket.socket, stop: Connection | None = None
) -> None:
    """Serve in this process until a signal or the other end of ``stop`` asks to end.

    Args:
        options: what to do.
        sock: where to listen.
        stop: a pipe whose other end is closed when this is to end, if there is one.

    Raises:
        KeyboardInterrupt: it was a signal that asked.
    """
    _start_logging(access=options.access_log)
    raise_file_limit()
    if chosen_server(options.server) == "uvicorn":
        from .uvicorn_server import run  # noqa: PLC0415 - the other may not be there
    else:
        from .threads import run  # noqa: PLC0415 - loaded if it is used
    run(options, sock, stop)


def _start_logging(*, access: bool) -> None:
    """Send what is logged to the standard error output."""
    logging.basicConfig(
        stream=sys.stderr, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
    if access:
        logging.getLogger("pyro.httpgw.access").setLevel(logging.INFO)
