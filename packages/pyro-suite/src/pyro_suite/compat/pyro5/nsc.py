"""``Pyro5.nsc``: the command that asks a name server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyro_naming.nsc import main as _main

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(args: Sequence[str] | None = None) -> int:
    """Run the command, and return the exit status.

    Args:
        args: the arguments; those of the command line if left out.
    """
    return _main(args, "Pyro5.nsc")
