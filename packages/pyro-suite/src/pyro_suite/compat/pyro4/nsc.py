"""``Pyro4.nsc``: asks a name server: ``python -m Pyro4.nsc``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyro_naming.nsc import main as nsc_main

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(args: Sequence[str] | None = None) -> int:
    """Run the tool, and return the exit status.

    Args:
        args: the arguments; those of the command line if left out.
    """
    return nsc_main(args)
