"""What a command of ``pyro-nsc`` is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from pyro_protocol import NameServerClient

    from .output import Output

__all__ = ["Command", "Request"]


@dataclass(frozen=True, slots=True)
class Request:
    """One command line, when the name server has been found.

    Attributes:
        name_server: the name server, connected.
        arguments: what follows the command.
        options: the options.
        out: where results go.
    """

    name_server: NameServerClient
    arguments: Sequence[str]
    options: argparse.Namespace
    out: Output


@dataclass(frozen=True, slots=True)
class Command:
    """A command.

    Attributes:
        run: does it, and returns the exit status.
        least: how many arguments it needs.
        most: how many it takes.
        complaint: what is said if it is given fewer or more.
        options: the options that are for it and a few others.
    """

    run: Callable[[Request], int]
    least: int
    most: int
    complaint: str = ""
    options: tuple[str, ...] = ()
