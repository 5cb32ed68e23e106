"""Addresses of servers that do not choose and announce one themselves."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Final

from peers.service import HOST

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["announce_when_listening", "free_port"]

_PAUSE: Final = 0.02
"""Seconds between two attempts to reach a server that is about to listen."""


def free_port() -> int:
    """Return a port of ``HOST`` at which nothing listens now."""
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def announce_when_listening(announce: Callable[[str], None], address: str) -> None:
    """Call ``announce`` from a thread, once there is something at the address.

    Args:
        announce: gets the address.
        address: a port of ``HOST``, or the path of a Unix socket.
    """

    def wait() -> None:
        while not _reached(address):
            time.sleep(_PAUSE)
        announce(address)

    threading.Thread(target=wait, daemon=True).start()


def _reached(address: str) -> bool:
    is_path = address.startswith("/")
    family = socket.AF_UNIX if is_path else socket.AF_INET
    with socket.socket(family) as probe:
        return probe.connect_ex(address if is_path else (HOST, int(address))) == 0
