"""The command line of ``pyro-call``."""

from __future__ import annotations

import argparse
from typing import Any, Final

from pyro_protocol.serializers import serializers

from .__about__ import __version__
from .command_line import add_handshake

__all__ = ["call_parser"]

_EPILOG: Final = """\
arguments:
  An argument is read as a Python literal (42, "text", [1, 2], {"a": None}), else as
  JSON (true, null), else it is text as it stands; name=value passes a keyword. After
  "--" everything is an argument, also what begins with "-". With --files, @FILE is
  the value that the text in a file stands for, @bytes:FILE all bytes of a file; the
  file - is standard input.

output:
  Text is printed as it is, other values as Python writes them, None not at all; the
  items of a stream one by one as they arrive. With --json each result, or item of a
  stream, is a line of JSON on standard output; bytes become base64, dates ISO 8601,
  what JSON does not know text. Errors are a line on standard error; with --json
  it is {"error": {"type", "message", "notes", "remote", "traceback", "outcome"}}.

exit status:
  0 done, 1 the call failed, 2 wrong usage, 3 server not reached or connection lost,
  130 interrupted

examples:
  %(prog)s PYRONAME:house.thermostat                  what does it offer?
  %(prog)s PYRONAME:house.thermostat --list heat      all about one method
  %(prog)s PYRONAME:house.thermostat heat kitchen degrees=22.5
  %(prog)s PYRONAME:house.thermostat --attr target    read an attribute
  %(prog)s PYRONAME:house.thermostat --set target 21.0
  %(prog)s --json PYRO:thermostat@localhost:9000 temperature
  %(prog)s --stream --limit 10 PYRONAME:house.thermostat history
  %(prog)s --files PYRONAME:camera upload night.png @bytes:night.png
  generate | %(prog)s --files PYRONAME:house.thermostat load @-
  %(prog)s --handshake-file token.json PYRONAME:vault open
  pyro-doctor PYRONAME:house.thermostat                why is it not reached?
"""


def call_parser(prog: str = "pyro-call") -> argparse.ArgumentParser:
    """Return what reads the command line, and explains it."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Call a method of a remote object, read or write an attribute, or "
        "show what the object offers.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add: Any = parser.add_argument
    add("uri", help="PYRO:id@host:port, PYRONAME:name or PYROMETA:tags")
    add("method", nargs="?", help="name of a method or attribute; without it: --list")
    add("arguments", nargs="*", help="arguments of the method")
    add(
        "-l",
        "--list",
        action="store_true",
        help="show methods and attributes with what is known about them; with METHOD, "
        "all about that one",
    )
    use = parser.add_mutually_exclusive_group()
    choose: Any = use.add_argument
    choose(
        "-a",
        "--attr",
        "--attribute",
        dest="attribute",
        action="store_true",
        help="METHOD names an attribute to read",
    )
    choose("--set", action="store_true", help="METHOD names an attribute to write")
    choose("--oneway", action="store_true", help="do not wait for the call to be done")
    add(
        "--stream",
        action="store_true",
        help="print the items of lists, too, one by one",
    )
    add(
        "--limit",
        type=_count,
        metavar="N",
        help="end a stream after so many items",
    )
    add(
        "-j",
        "--json",
        action="store_true",
        help="print JSON, a line for each stream item",
    )
    add(
        "--traceback",
        action="store_true",
        help="show where an exception was raised by the remote object",
    )
    add(
        "-f",
        "--files",
        action="store_true",
        help="arguments that begin with @ are the content of files",
    )
    add(
        "-t",
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="most time for connecting and for each answer; 0: no bound "
        "(default: COMMTIMEOUT of the settings)",
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
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a usable number of seconds")
    return seconds


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number of items")
    return count
