"""The command line of ``pyro-nsc``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["checked_options", "nsc_parser"]

_EPILOG: Final = """\
commands that ask:
  ping                          is it there?
  list [PREFIX]                 names that begin with a text, or all
  listmatching REGEX            names whose beginning matches
  lookup NAME                   the URI and metadata of a name
  describe NAME                 all about a name: owner, lease, age
  yplookup_all TAG...           names that have all of the tags
  yplookup_any TAG...           names that have one of the tags
  watch [PREFIX]                print what happens to names, until Ctrl-C
  export [FILE]                 write all names as JSON

commands that change something:
  register NAME URI             add a name that is not there yet
  renew NAME...                 begin the leases of names anew
  setmeta NAME [TAG...]         replace the metadata of a name
  remove NAME                   remove a name
  removematching REGEX          remove names whose beginning matches; asks first
  import [FILE]                 register the names that export wrote

examples:
  %(prog)s list lab.
  %(prog)s -n a,b,c list                     the first of these that answers
  %(prog)s register lab.camera PYRO:camera@lab1:9100 --ttl 60 --owner alice
  %(prog)s renew lab.camera --owner alice    within those 60 seconds
  %(prog)s watch lab. --existing --json | while read event; do ...; done
  %(prog)s -n old export | %(prog)s -n new import
  PYRO_NS_TOKEN=... %(prog)s list            where a token is asked for

On a terminal lists are tables, else the lines that scripts know.
The exit status is 0 if it went well, 1 if it did not, 2 for a wrong command line, 130
if it was interrupted.
"""


def checked_options(
    args: Sequence[str] | None,
    options_of: Mapping[str, Iterable[str]],
    prog: str = "pyro-nsc",
) -> argparse.Namespace:
    """Return the command line, if its options fit the command.

    Args:
        args: the arguments; those of the command line if None.
        options_of: the commands, each with the options that not all of them take.
        prog: what the command is called in its messages.

    Raises:
        SystemExit: it is wrong, or help was asked for.
    """
    parser = nsc_parser(options_of, prog)
    options = parser.parse_intermixed_args(args)
    mine = set(options_of[options.command])
    for one in sorted({name for names in options_of.values() for name in names} - mine):
        if getattr(options, one) not in (None, False):
            parser.error(f"--{one} is not for {options.command}")
    return options


def nsc_parser(
    commands: Iterable[str], prog: str = "pyro-nsc"
) -> argparse.ArgumentParser:
    """Return what reads the command line of these commands, and explains it."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Asks a Pyro name server, and changes what it knows.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add: Any = parser.add_argument
    add("command", choices=list(commands), metavar="command", help="see below")
    add("arguments", nargs="*", help="what the command needs")
    add("-v", "--verbose", action="store_true", help="say what is being done")
    where: Any = parser.add_argument_group("where the name server is").add_argument
    where(
        "-n",
        "--host",
        default="",
        help="its host; several, as a,b:9091,c, if they know the same names",
    )
    where(
        "-p",
        "--port",
        type=int,
        help="its port; without a host, of broadcasts too",
    )
    where("-u", "--unixsocket", metavar="PATH", help="path of its Unix socket")
    _add_output(parser)
    _add_changes(parser)
    return parser


def _add_output(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is printed")
    forms: Any = group.add_mutually_exclusive_group().add_argument
    forms(
        "--json",
        action="store_true",
        help="a JSON document; with watch, one in each line. Errors too, to stderr",
    )
    forms("--table", action="store_true", help="lists as tables, as on a terminal")
    forms("--lines", action="store_true", help="lists as lines, as elsewhere")
    add: Any = group.add_mutually_exclusive_group().add_argument
    add("--existing", action="store_true", help="watch: first what is registered now")
    add("--after", metavar="POSITION", help="watch: what came after that event")


def _add_changes(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how things are changed")
    add: Any = group.add_argument
    add("--owner", help="in whose name")
    add("--ttl", type=float, metavar="SECONDS", help="how long a name lasts unrenewed")
    add("--replace", action="store_true", help="also names that are registered")
    add("--force", action="store_true", help="also names that others own")
    add("--plain", action="store_true", help="import: without owners and leases")
    add("-y", "--yes", action="store_true", help="removematching: do not ask")
