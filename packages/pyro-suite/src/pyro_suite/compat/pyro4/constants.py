"""``Pyro4.constants``: names and numbers that are fixed."""

from __future__ import annotations

from typing import Final

from pyro_protocol import DAEMON_NAME, NAMESERVER_NAME

__all__ = [
    "DAEMON_NAME",
    "FLAME_NAME",
    "NAMESERVER_NAME",
    "PROTOCOL_VERSION",
    "VERSION",
]

VERSION: Final = "4.82"
"""The version of Pyro4 whose interface this is."""

PROTOCOL_VERSION: Final = 48
"""The version of the messages of that Pyro4; here they are those of Pyro5, 502."""

FLAME_NAME: Final = "Pyro.Flame"
"""The object id of Flame, which is not provided."""
