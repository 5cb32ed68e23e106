"""Sockets by location: connecting, listening, and naming where one is."""

from __future__ import annotations

import errno
import os
import socket
import stat
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from ..errors import CommunicationError

if TYPE_CHECKING:
    from ..config import Configuration
    from ..uri import URI

__all__ = [
    "connect_socket",
    "format_location",
    "listening_socket",
    "location_of",
    "preferred_family",
    "prepare_connected",
]

_BACKLOG: Final = 1024
_HIGHEST_PORT: Final = 65535
_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6, 0: socket.AF_UNSPEC}
# A server on this machine takes a connection at once, unless it hangs.
_PROBE_SECONDS: Final = 2.0


def preferred_family(config: Configuration) -> socket.AddressFamily:
    """Return the address family that ``config.PREFER_IP_VERSION`` stands for."""
    return _FAMILIES.get(config.PREFER_IP_VERSION, socket.AF_UNSPEC)


def connect_socket(
    uri: URI, config: Configuration, timeout: float | None = None
) -> socket.socket:
    """Connect to the location of a ``PYRO`` URI.

    Args:
        uri: where to connect.
        config: the choice of IP version and socket options.
        timeout: how many seconds an attempt may take; None means no bound.

    Raises:
        OSError: no address of the location could be connected to.
    """
    if uri.sockname is not None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(timeout)
            sock.connect(uri.sockname)
        except UnicodeError as error:
            sock.close()
            raise OSError(f"{uri.sockname!r} is not a path: {error}") from error
        except BaseException:
            sock.close()
            raise
        return sock
    if uri.host is None:
        raise OSError(errno.EDESTADDRREQ, f"{uri} has no location; resolve it first")
    failure: OSError | None = None
    for family, address in _addresses(uri.host, uri.port or 0, config):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            if sock.gettimeout() != timeout:
                # Only then, as it is a system call.
                sock.settimeout(timeout)
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = failure or error
        except BaseException:
            sock.close()
            raise
        else:
            prepare_connected(sock, config)
            return sock
    raise failure or OSError(errno.EADDRNOTAVAIL, f"no address for {uri.location}")


def _addresses(
    host: str, port: int, config: Configuration
) -> list[tuple[socket.AddressFamily, Any]]:
    """Return the addresses to try for a host, with their families.

    Raises:
        OSError: the host is not known.
    """
    # The system's resolver would take its time to find out just that.
    family = _family_of(host)
    wanted = preferred_family(config)
    if family is not None and wanted in (socket.AF_UNSPEC, family):
        return [(family, (host, port))]
    try:
        found = socket.getaddrinfo(host, port, wanted, socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host!r} is not a host name: {error}") from error
    return [(one[0], one[-1]) for one in found]


@lru_cache(256)
def _family_of(host: str) -> socket.AddressFamily | None:
    """Return the family of an address in numbers; None if the host has a name."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host)
    except (OSError, ValueError):
        return None
    return family


def prepare_connected(sock: socket.socket, config: Configuration) -> None:
    """Set the options of a connected socket; those it does not have are skipped."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if config.SOCK_NODELAY:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        # A Unix socket, say: they are for speed, and to find out about lost peers.
        pass


def listening_socket(
    host: str | None, port: int, config: Configuration, unixsocket: str | None = None
) -> socket.socket:
    """Return a non-blocking socket that listens.

    Args:
        host: where to listen; None means ``config.HOST``, the empty text means
            all interfaces.
        port: the TCP port; 0 lets the system choose.
        config: the choice of IP version and socket options.
        unixsocket: the path of a Unix socket to listen on instead.

    Raises:
        CommunicationError: the address is in use or cannot be bound.
    """
    if unixsocket:
        sock = _listening_unix_socket(unixsocket)
    else:
        sock = _listening_tcp_socket(
            config.HOST if host is None else host, port, config
        )
    sock.listen(_BACKLOG)
    sock.setblocking(False)  # noqa: FBT003 - the name tells
    return sock


def _listening_tcp_socket(host: str, port: int, config: Configuration) -> socket.socket:
    if not 0 <= port <= _HIGHEST_PORT:
        # Left to itself, the system takes the number modulo 65536.
        raise CommunicationError(
            f"cannot listen on {format_location(host, port)}: "
            f"a port is a number from 0 to {_HIGHEST_PORT}"
        )
    family = preferred_family(config)
    if not host and family == socket.AF_UNSPEC:
        family = socket.AF_INET
    try:
        found = socket.getaddrinfo(
            host or None, port, family, socket.SOCK_STREAM, 0, socket.AI_PASSIVE
        )
    except (OSError, OverflowError, UnicodeError) as error:
        shown = format_location(host, port)
        raise CommunicationError(f"cannot listen on {shown}: {error}") from error
    chosen, kind, protocol, _name, address = found[0]
    sock = socket.socket(chosen, kind, protocol)
    try:
        # On Windows the option would allow two servers on one port.
        if config.SOCK_REUSE and os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    except (OSError, OverflowError) as error:
        sock.close()
        shown = format_location(host or str(address[0]), port)
        hint = ""
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            hint = "; another program listens there: choose another port, or 0 for any"
        raise CommunicationError(f"cannot listen on {shown}: {error}{hint}") from error
    return sock


def _listening_unix_socket(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        abstract = path.startswith("\0")
        if not abstract:
            _remove_stale_socket(path)
        # Created so that only its owner can connect, not opened up and closed
        # again a moment later.
        before = os.umask(0o177)
        try:
            sock.bind(path)
        finally:
            os.umask(before)
    except (OSError, ValueError) as error:
        # A ValueError tells of characters that no path has.
        sock.close()
        raise CommunicationError(f"cannot listen on ./u:{path}: {error}") from error
    return sock


def _remove_stale_socket(path: str) -> None:
    """Remove a socket file that a server left behind without closing it.

    Raises:
        OSError: the path is in use, or is not a socket.
    """
    from pathlib import Path  # noqa: PLC0415 - few programs need it

    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "the path exists and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_SECONDS)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
        else:
            raise OSError(errno.EADDRINUSE, "another server listens there")


def format_location(host: str, port: int | None) -> str:
    """Return host and port as the location part of a URI."""
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def location_of(sock: socket.socket, host: str | None = None) -> str:
    """Return the location of a listening socket as the text of a URI.

    Args:
        sock: the socket.
        host: the host to show instead of the address the socket is bound to.
    """
    address: Any = sock.getsockname()
    if not isinstance(address, tuple):
        path = os.fsdecode(address) if isinstance(address, bytes) else str(address)
        return f"./u:{path or '<<not-bound>>'}"
    return format_location(host or address[0], address[1])
