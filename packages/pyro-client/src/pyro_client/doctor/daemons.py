"""What a daemon says about itself, and where it says that it is."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Final

from pyro_protocol import URI
from pyro_protocol.errors import PyroError

from .report import Finding
from .resolving import resolve_host

if TYPE_CHECKING:
    from .conversation import Conversation

__all__ = ["DAEMON_NAME", "ask_daemon", "is_elsewhere", "published_location"]

DAEMON_NAME: Final = "Pyro.Daemon"
"""The id of the object that every daemon has."""

# What each kind of daemon says about itself ends its location, and that which it
# publishes if it is another, in this way.
_LOCATION: Final = re.compile(r"\b(?:at|on) (\S+?)(?:, NAT (\S+?))?, \d")
# In characters: two host names, two ports, and some words.
_LONGEST_INFO: Final = 1000


def ask_daemon(conversation: Conversation) -> str:
    """Call the daemon's own object, and return what it says about itself.

    Raises:
        Finding: it cannot be called.
    """
    try:
        conversation.call(DAEMON_NAME, "ping")
        return str(conversation.call(DAEMON_NAME, "info"))
    except Finding:
        raise
    except Exception as error:
        serializer = "serializer" in str(error)
        cause = "serializer-refused" if serializer else "call-failed"
        raise Finding(cause, f"{type(error).__name__}: {error}") from error


def published_location(info: str) -> str | None:
    """Return the location in what a daemon says about itself, or None."""
    found = _LOCATION.search(info[:_LONGEST_INFO])
    if found is None:
        return None
    own, outside = found.groups()
    return str(own if outside in (None, "None") else outside)


def is_elsewhere(published: str, uri: URI, timeout: float) -> bool:
    """Whether a daemon publishes another location than it was reached at.

    Args:
        published: the location that it publishes.
        uri: where it was reached.
        timeout: how many seconds it may take to find out the addresses of hosts.
    """
    try:
        there = URI(f"PYRO:daemon@{published}")
    except PyroError:
        return False
    if there.sockname or uri.sockname or there.state[3:] == uri.state[3:]:
        return False
    if there.port != uri.port:
        return True
    try:
        found = [
            {
                one.target[0]
                for one in resolve_host(host or "", 0, socket.AF_UNSPEC, timeout)
            }
            for host in (there.host, uri.host)
        ]
    except (OSError, ValueError, Finding):
        return True
    return not found[0] & found[1]
