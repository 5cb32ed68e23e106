"""``Pyro4.utils.flameserver``: refuses to run the server of Flame."""

from __future__ import annotations

from typing import NoReturn

from .flame import start

__all__ = ["main"]


def main(args: object = None) -> NoReturn:
    """Refuse to run.

    Args:
        args: the arguments.

    Raises:
        NotImplementedError: always.
    """
    start(args)
