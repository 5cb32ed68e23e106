"""``pyro-doctor``: why an object, or the name server, cannot be reached."""

from __future__ import annotations

import argparse
import json
import math
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.config import config
from pyro_protocol.serializers import serializers

from ..__about__ import __version__
from ..command_line import add_handshake, discard_output, tolerate_any_text
from .examination import DEFAULT_TIMEOUT, examine
from .presentation import Table, conclusion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .report import Step

__all__ = ["doctor_parser", "main"]

_WELL: Final = 0
_FAILED: Final = 1
_INTERRUPTED: Final = 130
# A step of a day is as good as one without a bound.
_LONGEST_STEP: Final = 86_400.0

_EPILOG: Final = """\
Each step is tried on its own: the URI, the settings, the name server, the look-up,
DNS, TCP for each address, TLS, the protocol, the handshake, the object, pings, and a
call of the daemon's own object. The first that fails is explained. No method of the
object is called. The settings are those of a client started here: PYRO_* variables.

exit status: 0 all is well, 1 a step failed, 2 wrong usage, 130 interrupted

examples:
  %(prog)s                                    the name server
  %(prog)s PYRONAME:house.thermostat          an object with a name
  %(prog)s PYRO:thermostat@192.168.1.7:9000   an object at a location
  %(prog)s 192.168.1.7:9090                   the name server at a location
  %(prog)s --json PYROMETA:sensor             for programs
  PYRO_SSL=1 %(prog)s PYRO:vault@host:9000    with TLS
"""


def main(args: Sequence[str] | None = None, prog: str = "pyro-doctor") -> int:
    """Examine the way to an object, and tell what is wrong.

    Args:
        args: the command line; None means ``sys.argv``.
        prog: what the command is called in its messages.

    Returns:
        The exit status; ``--help`` lists them.
    """
    parser = doctor_parser(prog)
    options = parser.parse_args(args)
    settings = config
    if options.serializer is not None:
        settings = config.copy()
        settings.SERIALIZER = options.serializer
    table = Table()

    def show(step: Step) -> None:
        for line in table.lines(step):
            _print(line)

    tolerate_any_text()
    try:
        report = examine(
            options.uri,
            config=settings,
            timeout=options.timeout,
            handshake=options.handshake,
            notify=None if options.json else show,
        )
        if options.json:
            _print(json.dumps(report.as_dict(), ensure_ascii=False, indent=2))
        else:
            _print("\n".join(conclusion(report)))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        discard_output()
        return _FAILED
    return _WELL if report.failure is None else _FAILED


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command


def doctor_parser(prog: str = "pyro-doctor") -> argparse.ArgumentParser:
    """Return what reads the command line, and explains it."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Find out why a remote object, or the name server, cannot be "
        "reached, and what to do about it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add: Any = parser.add_argument
    add(
        "uri",
        nargs="?",
        default="",
        help="PYRO:id@host:port, PYRONAME:name, PYROMETA:tags, or host:port of a name "
        "server (default: the name server that programs find)",
    )
    add("-j", "--json", action="store_true", help="print one JSON object")
    add(
        "-t",
        "--timeout",
        type=_seconds,
        default=DEFAULT_TIMEOUT,
        metavar="SECONDS",
        help=f"most time for each step (default: {DEFAULT_TIMEOUT:g})",
    )
    add(
        "-s",
        "--serializer",
        choices=["auto", *serializers],
        help="how values are written (default: SERIALIZER of the settings)",
    )
    add_handshake(parser)
    add("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= _LONGEST_STEP or math.isnan(seconds):
        raise argparse.ArgumentTypeError(f"{text} is not a usable number of seconds")
    return seconds
