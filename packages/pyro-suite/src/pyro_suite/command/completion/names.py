"""The names that shells offer, from the name server that programs find here."""

from __future__ import annotations

import re
import threading
from typing import Final

from pyro_protocol import config, locate_ns
from pyro_protocol.errors import PyroError

__all__ = ["known_names"]

# Whoever presses a key does not wait longer: for the name server, and for all of it.
_SECONDS: Final = 0.5
_SECONDS_IN_ALL: Final = 2.0
# More than anybody reads.
_MOST: Final = 500
# They end up on a command line: nothing that a shell takes for more than text.
_HARMLESS: Final = re.compile(r"[\w.:/+][\w.:/+~-]*")


def known_names() -> list[str]:
    """Return names of the name server, sorted; none if it cannot be asked at once.

    Only the name server that the settings name is asked, not the local network. Names
    that would mean something to a shell are left out.
    """
    names: list[str] = []
    # Looking an address up has no time limit of its own.
    asking = threading.Thread(target=lambda: names.extend(_names()), daemon=True)
    asking.start()
    asking.join(_SECONDS_IN_ALL)
    return [name for name in sorted(names) if _HARMLESS.fullmatch(name)][:_MOST]


def _names() -> list[str]:
    settings = config.copy()
    settings.COMMTIMEOUT = _SECONDS
    settings.HANDSHAKE_TIMEOUT = _SECONDS
    try:
        with locate_ns(broadcast=False, config=settings) as name_server:
            return list(name_server.list())
    except (PyroError, OSError, ValueError):
        return []
