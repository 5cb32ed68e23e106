"""The listening socket of ``pyro-serve``: an own one, or one that was passed."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from pyro_protocol.transport.addresses import listening_socket, location_of

from .systemd import passed_sockets

if TYPE_CHECKING:
    from pyro_protocol.config import Configuration

    from .options import ServeOptions

__all__ = ["Listener"]

_logger = logging.getLogger("pyro.serve")

_EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - to compare with


class Listener:
    """A listening socket that is there for as long as anything is served.

    Daemons, in this process or others, work with copies of it. So connections wait
    in its queue, and are not refused, while one daemon takes over from another.

    Args:
        options: where to listen, unless a socket was passed to this process.
        settings: the socket options.

    Attributes:
        sock: the socket.
        options: the options, with the host that URIs have to name.

    Raises:
        CommunicationError: the address cannot be listened on.
        ValueError: what was passed cannot be used.
    """

    def __init__(self, options: ServeOptions, settings: Configuration) -> None:
        self._file: Path | None = None
        passed = passed_sockets()
        if passed:
            self.sock: socket.socket = _only(passed, options)
            self.options: ServeOptions = options
        else:
            host = settings.HOST if options.host is None else options.host
            self.options = dataclasses.replace(options, host=host)
            self.sock = listening_socket(
                options.host, options.port, settings, options.unix
            )
            if options.unix:
                # The folder may be another one at the end.
                self._file = Path(options.unix).absolute()
        _warn_of_wildcard(self.sock, self.options, settings)

    def close(self) -> None:
        """Stop listening; the file of an own Unix socket is removed."""
        self.remove_file()
        self.sock.close()

    def remove_file(self) -> None:
        """Remove the file of an own Unix socket."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()


def _only(passed: list[socket.socket], options: ServeOptions) -> socket.socket:
    sock, *others = passed
    problem = ""
    if others:
        problem = f"{len(passed)} sockets were passed by LISTEN_FDS; pass one"
    elif options.port or options.unix:
        problem = "a socket was passed by LISTEN_FDS; leave out --port and --unix"
    elif sock.family == getattr(socket, "AF_UNIX", None) and (
        options.host or options.nathost
    ):
        problem = "a Unix socket was passed by LISTEN_FDS; leave out --host, --nathost"
    if problem:
        for one in passed:
            one.close()
        raise ValueError(problem)
    _logger.info("listening on the socket that was passed: %s", location_of(sock))
    return sock


def _warn_of_wildcard(
    sock: socket.socket, options: ServeOptions, settings: Configuration
) -> None:
    """Say so if the URIs would name an address that nobody can connect to."""
    address = sock.getsockname()
    if (
        isinstance(address, tuple)
        and address[0] in _EVERYWHERE
        and options.host in (None, "", *_EVERYWHERE)
        and not (options.nathost or settings.NATHOST)
    ):
        _logger.warning(
            "listening on all addresses, so that URIs name %s, where other machines "
            "find nothing; say with --nathost which name they are to use",
            location_of(sock),
        )
