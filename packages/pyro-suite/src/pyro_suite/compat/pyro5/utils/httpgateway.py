"""``Pyro5.utils.httpgateway``: objects called by HTTP and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyro_httpgw import pyro_app
from pyro_httpgw.cli import main as _main

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "pyro_app"]


def main(args: Sequence[str] | None = None) -> int:
    """Run the gateway until Ctrl-C, and return the exit status.

    Args:
        args: the arguments; those of the command line if left out.
    """
    return _main(args, "Pyro5.utils.httpgateway")
