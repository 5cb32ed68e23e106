"""``Pyro4.utils.flame``: refuses to do what Flame did.

Flame gives whoever can connect the whole machine: modules, files and any code. That is
not provided here. What a program used it for can nearly always be had from a class of
its own, with a few exposed methods.
"""

from __future__ import annotations

from typing import NoReturn

__all__ = ["connect", "start"]

_REASON = (
    "Flame is not provided: it lets whoever can connect run any code here. Register a "
    "class of your own whose exposed methods do what is needed; see "
    "docs/migrating-from-pyro4.md"
)


def start(daemon: object) -> NoReturn:
    """Refuse to make this machine's modules and files reachable.

    Args:
        daemon: the daemon that they would be registered with.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError(_REASON)


def connect(location: str, hmac_key: bytes | None = None) -> NoReturn:
    """Refuse to connect to the Flame of another machine.

    Args:
        location: where that is.
        hmac_key: its HMAC key.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError(_REASON)
