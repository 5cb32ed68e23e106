"""``Pyro4.utils.httpgateway``: objects over HTTP and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyro_httpgw import pyro_app
from pyro_httpgw.cli import main as gateway_main

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "pyro_app"]


def main(args: Sequence[str] | None = None) -> int:
    """Run the gateway until it is ended, and return the exit status.

    Args:
        args: the arguments; those of the command line if left out.
    """
    return gateway_main(args)
