"""``Pyro4.test.echoserver``: an object to try things out with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyro_naming.echo_object import EchoServer
from pyro_naming.echoserver import main as echo_main

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["EchoServer", "main"]


def main(args: Sequence[str] | None = None) -> int:
    """Run the echo server until it is ended, and return the exit status.

    Args:
        args: the arguments; those of the command line if left out.
    """
    return echo_main(args, "python -m Pyro4.test.echoserver")
