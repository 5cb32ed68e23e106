"""Whether the client at the other end of a connection is still there."""

from __future__ import annotations

import select
import selectors
import socket
from typing import Final

__all__ = ["has_gone"]

# Where the system has it, it tells also when data are waiting that nobody has read.
_HANGUP: Final[int] = getattr(select, "POLLRDHUP", 0)


def has_gone(connection: socket.socket) -> bool:
    """Tell whether the other end has closed a connection; takes nothing out of it."""
    try:
        return _has_hung_up(connection) if _HANGUP else _is_at_end(connection)
    except (OSError, ValueError):
        # It was lost, or closed on this side.
        return True


def _has_hung_up(connection: socket.socket) -> bool:
    poll = select.poll()
    poll.register(connection, _HANGUP)
    # Errors are told in any case.
    return bool(poll.poll(0))


def _is_at_end(connection: socket.socket) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        if not selector.select(0):
            return False
    # As a plain one, because an encrypted one has no way to look without taking.
    return not socket.socket.recv(connection, 1, socket.MSG_PEEK)
