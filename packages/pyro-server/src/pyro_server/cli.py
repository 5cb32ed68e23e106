"""The command ``pyro-serve``: publishes objects without a program of their own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pyro_protocol.errors import PyroError

from .alone import serve_alone
from .arguments import parse_arguments
from .logs import start_logging
from .targets import TargetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .options import ServeOptions

__all__ = ["main"]


def main(args: Sequence[str] | None = None, prog: str = "pyro-serve") -> int:
    """Publish objects until interrupted, and return the exit status.

    Args:
        args: the arguments; those of the command line if left out.
        prog: what the command is called in its messages.
    """
    options = parse_arguments(args, prog)
    try:
        _serve(options)
    except KeyboardInterrupt:
        # Before it was ready; afterwards the signal ends the loop.
        pass
    except TargetError as error:
        print(f"{error.details}{prog}: {error}", file=sys.stderr)
        return 1
    except (PyroError, OSError, ValueError) as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 1
    return 0


def _serve(options: ServeOptions) -> None:
    """Serve in this process, or in others."""
    if options.supervised:
        # It uses what only POSIX systems have.
        from .supervisor import Supervisor  # noqa: PLC0415

        start_logging(options, "supervisor")
        Supervisor(options).run()
    else:
        start_logging(options)
        sys.path.insert(0, str(Path.cwd()))
        serve_alone(options)
