"""From addresses to a connected socket, with a reason for each failure."""

from __future__ import annotations

import errno
import socket
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyro_protocol.transport.addresses import preferred_family

from .report import Finding
from .resolving import other_family

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_protocol import Configuration

    from .report import Recorder
    from .resolving import Address

__all__ = ["cause_of", "connect_address", "connect_tcp", "connect_unix"]

_LOCALHOST: Final = ("127.0.0.1", "::1")
_CAUSES: Final = {
    errno.ECONNREFUSED: "refused",
    errno.ETIMEDOUT: "timed-out",
    errno.ENETUNREACH: "no-route",
    errno.EHOSTUNREACH: "no-route",
    errno.EADDRNOTAVAIL: "no-route",
    errno.EAFNOSUPPORT: "no-route",
    errno.EACCES: "forbidden",
    errno.EPERM: "forbidden",
}


def connect_tcp(
    host: str,
    addresses: list[Address],
    config: Configuration,
    timeout: float,
    recorder: Recorder,
) -> tuple[Address, socket.socket]:
    """Connect to each address, and return the first that a client would get.

    Raises:
        Finding: none could be connected to; it is recorded already.
    """
    chosen: tuple[Address, socket.socket] | None = None
    failures: list[tuple[Address, OSError, float]] = []
    for address in addresses:
        began = time.perf_counter()
        try:
            sock = connect_address(address, timeout)
        except OSError as error:
            failures.append((address, error, began))
            continue
        recorder.add("tcp", "ok", f"connected to {address}", began)
        if chosen is None:
            chosen = address, sock
        else:
            sock.close()
    if chosen is None:
        raise _none_connected(host, failures, config, timeout, recorder)
    for address, failed, began in failures:
        family = address.family != chosen[0].family
        cause = "one-family-only" if family else "address-dead"
        recorder.add("tcp", "warning", _told(address, failed), began, cause)
    return chosen


def connect_address(address: Address, timeout: float) -> socket.socket:
    """Connect to one address.

    Raises:
        OSError: that is not possible.
    """
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(address.target)
    except BaseException:
        sock.close()
        raise
    return sock


def _none_connected(
    host: str,
    failures: list[tuple[Address, OSError, float]],
    config: Configuration,
    timeout: float,
    recorder: Recorder,
) -> Finding:
    first, port = failures[0], failures[0][0].target[1]
    cause, extra = cause_of(first[1]), ""
    if cause == "refused" and first[0].target[0] in _LOCALHOST:
        cause = "refused-localhost"
    for other in other_family(host, port, preferred_family(config), timeout):
        try:
            connect_address(other, timeout).close()
        except OSError:
            continue
        cause, extra = "other-family", f"; but {other} can be connected to"
    for address, error, began in failures:
        detail = _told(address, error) + extra
        recorder.add("tcp", "failed", detail, began, cause)
    finding = Finding(cause, _told(*first[:2]) + extra)
    finding.recorded = True
    return finding


def _told(address: Address, error: OSError) -> str:
    return f"{address}: {_words(error)}"


def _words(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    return (error.strerror or str(error)).lower()


def cause_of(error: OSError) -> str:
    """Return the word for why a connection could not be made."""
    if isinstance(error, TimeoutError):
        return "timed-out"
    return _CAUSES.get(error.errno or 0, "not-connected")


def connect_unix(path: str, timeout: float) -> socket.socket:
    """Connect to a Unix socket.

    Raises:
        Finding: that is not possible.
    """
    family = getattr(socket, "AF_UNIX", None)
    if family is None:
        raise Finding("no-unix-sockets", "this system has no Unix sockets")
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(path)
    except (OSError, ValueError) as error:
        sock.close()
        raise Finding(_unix_cause(path, error), f"{path}: {error}") from error
    return sock


def _unix_cause(path: str, error: Exception) -> str:
    if isinstance(error, TimeoutError | BlockingIOError):
        return "timed-out"
    if isinstance(error, FileNotFoundError):
        return "no-socket"
    if isinstance(error, PermissionError):
        return "socket-forbidden"
    if isinstance(error, ConnectionRefusedError):
        return "socket-abandoned" if _is_socket(path, stat.S_ISSOCK) else "not-a-socket"
    return "not-connected"


def _is_socket(path: str, is_socket: Callable[[int], bool]) -> bool:
    try:
        return path.startswith("\0") or is_socket(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False
