"""The names that shells offer, from the name server that programs find here."""

from __future__ import annotations

import re
from typing import Final

from pyro_protocol import config, locate_ns
from pyro_protocol.errors import PyroError

__all__ = ["known_names"]

# Whoever presses a key does not wait longer.
_SECONDS: Final = 0.5
# More than anybody reads.
_MOST: Final = 500
# They end up on a command line: nothing that a shell takes for more than text.
_HARMLESS: Final = re.compile(r"[\w.:/+-][\w.:/+~-]*")


def known_names() -> list[str]:
    """Return names of the name server, sorted; none if it cannot be asked at once.

    Only the name server that the settings name is asked, not the local network. Names
    that would mean something to a shell are left out.
    """
    settings = config.copy()
    settings.COMMTIMEOUT = _SECONDS
    settings.HANDSHAKE_TIMEOUT = _SECONDS
    try:
        with locate_ns(broadcast=False, config=settings) as name_server:
            names = sorted(name_server.list())
    except (PyroError, OSError, ValueError):
        return []
    return [name for name in names if _HARMLESS.fullmatch(name)][:_MOST]
