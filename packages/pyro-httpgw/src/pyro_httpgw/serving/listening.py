"""Where the command listens, and what it asks of the system for that."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyro_protocol.errors import CommunicationError
from pyro_protocol.transport import listening_socket, location_of

if TYPE_CHECKING:
    import socket

    from pyro_protocol import Configuration

    from .options import ServeOptions

__all__ = [
    "address_of",
    "file_limit",
    "listen",
    "raise_file_limit",
    "remove_file",
    "tls_context",
]

# Connections that wait to be taken: as many may come at once after a restart, from
# clients that were all connected before. The system may allow less.
_BACKLOG: Final = 4096

_UNKNOWN_FILE_LIMIT: Final = 8192


def listen(options: ServeOptions, config: Configuration) -> socket.socket:
    """Return the socket to listen on.

    Args:
        options: where.
        config: the choice of IP version.

    Raises:
        CommunicationError: the address cannot be listened on.
    """
    sock = listening_socket(options.host, options.port, config, options.unix)
    sock.listen(_BACKLOG)
    return sock


def address_of(options: ServeOptions, sock: socket.socket) -> str:
    """Return the URL of what listens, without a path; of a Unix socket its path."""
    if options.unix:
        return f"unix:{options.unix}"
    scheme = "https" if options.tls_cert else "http"
    return f"{scheme}://{location_of(sock, options.host or None)}"


def remove_file(options: ServeOptions) -> None:
    """Remove the file of a Unix socket that is listened on no more."""
    if options.unix:
        with contextlib.suppress(OSError):
            Path(options.unix).unlink()


def tls_context(options: ServeOptions) -> ssl.SSLContext | None:
    """Return the context to accept connections with, or None to do without TLS.

    Raises:
        CommunicationError: the certificate or its key cannot be used.
    """
    if not options.tls_cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # An encrypted key would make it ask at the terminal.
        context.load_cert_chain(options.tls_cert, options.tls_key, password="")
    except OSError as error:
        files = " and ".join(filter(None, (options.tls_cert, options.tls_key)))
        raise CommunicationError(
            f"cannot use the certificate in {files}: {error}; it takes PEM files, "
            "the certificate before those that sign it, the key not encrypted"
        ) from error
    return context


def file_limit() -> int:
    """Return how many files and connections this process may have open."""
    try:
        import resource  # noqa: PLC0415 - only POSIX systems have it
    except ImportError:
        return _UNKNOWN_FILE_LIMIT
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else 2**31


def raise_file_limit() -> None:
    """Let this process have as many connections as the system allows."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415 - only POSIX systems have it

        _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
