"""The two protocols of systemd: passed sockets, and notes on how a service is.

Both are plain text in the environment, and other supervisors speak them as well.
Without those variables nothing is done. What is read is removed, so that programs
started from here do not take it for theirs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import MutableMapping

__all__ = ["Notifier", "passed_sockets"]

_logger = logging.getLogger("pyro.serve")

_FIRST_DESCRIPTOR: Final = 3
# A manager that does not read must not hold up the service.
_SEND_SECONDS: Final = 1.0


def passed_sockets(
    environment: MutableMapping[str, str] = os.environ,
) -> list[socket.socket]:
    """Return the sockets that were passed to this process (``LISTEN_FDS``).

    Raises:
        ValueError: what was passed is not a socket that listens.
    """
    count = environment.pop("LISTEN_FDS", "")
    process = environment.pop("LISTEN_PID", "")
    environment.pop("LISTEN_FDNAMES", None)
    # They may be meant for the process that has started this one.
    if process != str(os.getpid()) or not count.isdecimal():
        return []
    last = _FIRST_DESCRIPTOR + int(count)
    return [_listening(descriptor) for descriptor in range(_FIRST_DESCRIPTOR, last)]


def _listening(descriptor: int) -> socket.socket:
    try:
        sock = socket.socket(fileno=descriptor)
    except OSError as error:
        raise ValueError(
            f"descriptor {descriptor}, passed by LISTEN_FDS, is no socket: {error}"
        ) from error
    is_stream = sock.type == socket.SOCK_STREAM
    if not (is_stream and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)):
        sock.close()
        raise ValueError(
            f"socket {descriptor}, passed by LISTEN_FDS, does not listen for "
            "connections; a systemd socket unit needs ListenStream= and Accept=no"
        )
    sock.set_inheritable(False)
    sock.setblocking(False)  # noqa: FBT003 - the name tells
    return sock


class Notifier:
    """Tells the service manager how this process is (``NOTIFY_SOCKET``).

    Args:
        environment: where the manager says how to reach it.

    Attributes:
        interval: seconds between two signs of life, or None if none is wanted.
    """

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        address = environment.pop("NOTIFY_SOCKET", "")
        # An abstract address is written with an @ instead of its first byte.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.interval: float | None = None
        microseconds = environment.pop("WATCHDOG_USEC", "")
        process = environment.pop("WATCHDOG_PID", "")
        if microseconds.isdecimal() and process in ("", str(os.getpid())):
            # Half of the time it has, as sd_watchdog_enabled(3) recommends.
            self.interval = int(microseconds) / 2_000_000 or None

    def ready(self, status: str) -> None:
        """Say that calls are answered from now on, or again."""
        self._send(f"READY=1\nMAINPID={os.getpid()}\nSTATUS={status}")

    def reloading(self) -> None:
        """Say that it is about to start anew; `ready` has to follow."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send(f"RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS=reloading")

    def stopping(self) -> None:
        """Say that it is about to end."""
        self._send("STOPPING=1\nSTATUS=finishing running calls")

    def alive(self) -> None:
        """Give a sign of life."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Say in a line how things are."""
        self._send(f"STATUS={text}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock,
        ):
            sock.settimeout(_SEND_SECONDS)
            sock.connect(self._address)
            sock.sendall(message.encode())
            return
        what, *_rest = message.splitlines()
        _logger.warning("the service manager cannot be told: %s", what)
