"""The command ``pyro-nsc``: asks a name server, and changes what it knows."""

from __future__ import annotations

import argparse
import contextlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pyro_protocol import locate_ns
from pyro_protocol.errors import PyroError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pyro_protocol import NameServerClient

__all__ = ["main"]

_EXAMPLES = """\
commands:
  ping                          is it there?
  list [PREFIX]                 names that begin with a text, or all
  listmatching REGEX            names whose beginning matches
  lookup NAME                   the URI and metadata of a name
  register NAME URI             add a name that is not there yet
  remove NAME                   remove a name
  removematching REGEX          remove names whose beginning matches
  setmeta NAME [TAG...]         replace the metadata of a name
  yplookup_all TAG...           names that have all of the tags
  yplookup_any TAG...           names that have one of the tags

The exit status is 0 if it went well, 1 if it did not, 2 for a wrong command line.
"""


def main(args: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status.

    Args:
        args: the arguments; those of the command line if left out.
    """
    options = _parser().parse_intermixed_args(args)
    command = _COMMANDS[options.command]
    if not command.least <= len(options.arguments) <= command.most:
        print(command.complaint, file=sys.stderr)
        return 1
    verbose: bool = options.verbose
    host = f"./u:{options.unixsocket}" if options.unixsocket else options.host
    if verbose:
        print("Locating name server...")
    try:
        name_server = locate_ns(host, options.port)
    except PyroError as error:
        print(f"Error: {error}")
        return 1
    with name_server:
        if verbose:
            print(f"Name server found: {name_server._pyroUri}")
        try:
            command.run(name_server, options.arguments)
        except Exception as error:  # noqa: BLE001 - whatever the name server answers
            print(f"Error: {type(error).__name__} - {error}")
            return 1
    if verbose:
        print("Done.")
    return 0


def _ping(name_server: NameServerClient, _arguments: Sequence[str]) -> None:
    name_server.ping()
    print("Name server ping ok.")


def _list(name_server: NameServerClient, arguments: Sequence[str]) -> None:
    if arguments:
        prefix = arguments[0]
        found = name_server.list(prefix=prefix, return_metadata=True)
        _print_list(found, f"- prefix '{prefix}'")
    else:
        _print_list(name_server.list(return_metadata=True), "")


def _list_matching(name_server: NameServerClient, arguments: Sequence[str]) -> None:
    regex = arguments[0]
    found = name_server.list(regex=regex, return_metadata=True)
    _print_list(found, f"- regex '{regex}'")


def _lookup(name_server: NameServerClient, arguments: Sequence[str]) -> None:
    uri, metadata = name_server.lookup(arguments[0], return_metadata=True)
    print(uri)
    if metadata:
        print(f"metadata: {_set_text(metadata)}")


def _register(name_server: NameServerClient, arguments: Sequence[str]) -> None:
    name, uri = arguments
    name_server.register(name, uri, safe=True)
    print(f"Registered {name}")


def _remove(name_server: NameServerClient, arguments: Sequence[str]) -> None:
    removed = name_server.remove(arguments[0])
    print(f"Removed {arguments[0]}" if removed else "Nothing removed")


def _remove_matching(name_server: NameServerClient, arguments: Sequence[str]) -> None:
    question = (
        "Potentially removing lots of items from the Name server. Are you sure (y/n)?"
    )
    answer = ""
    # Where nobody can be asked, nothing is removed.
    with contextlib.suppress(EOFError):
        answer = input(question)
    if answer.strip().lower() in ("y", "yes"):
        print(f"{name_server.remove(regex=arguments[0])} items removed.")


def _set_metadata(name_server: NameServerClient, arguments: Sequence[str]) -> None:
    name, *tags = arguments
    name_server.set_metadata(name, tags)
    print("Metadata updated" if tags else "Metadata cleared")


def _search_all(name_server: NameServerClient, tags: Sequence[str]) -> None:
    _print_list(name_server.yplookup(meta_all=tags), " - searched by metadata")


def _search_any(name_server: NameServerClient, tags: Sequence[str]) -> None:
    _print_list(name_server.yplookup(meta_any=tags), " - searched by metadata")


def _print_list(found: Mapping[str, tuple[str, set[str]]], title: str) -> None:
    print(f"--------START LIST {title}")
    for name, (uri, metadata) in sorted(found.items()):
        print(f"{name} --> {uri}")
        if metadata:
            print(f"    metadata: {_set_text(metadata)}")
    print(f"--------END LIST {title}")


def _set_text(tags: Iterable[str]) -> str:
    """Return the text of a set, always in the same order."""
    return "{" + ", ".join(map(repr, sorted(tags))) + "}"


@dataclass(frozen=True, slots=True)
class _Command:
    """One command: what does it, and how many arguments it takes."""

    run: Callable[[NameServerClient, Sequence[str]], None]
    least: int
    most: int
    complaint: str = ""


_MANY: Final = 10_000
_NEEDS_PATTERN: Final = "requires one argument: pattern"
_NEEDS_TAG: Final = "requires at least one metadata tag argument"
_COMMANDS: Final = {
    "list": _Command(_list, 0, _MANY),
    "lookup": _Command(_lookup, 1, 1, "requires one argument: name"),
    "register": _Command(_register, 2, 2, "requires two arguments: name uri"),
    "remove": _Command(_remove, 1, 1, "requires one argument: name"),
    "removematching": _Command(_remove_matching, 1, 1, _NEEDS_PATTERN),
    "listmatching": _Command(_list_matching, 1, 1, _NEEDS_PATTERN),
    "yplookup_all": _Command(_search_all, 1, _MANY, _NEEDS_TAG),
    "yplookup_any": _Command(_search_any, 1, _MANY, _NEEDS_TAG),
    "setmeta": _Command(
        _set_metadata, 1, _MANY, "requires arguments: name and zero or more meta tags"
    ),
    "ping": _Command(_ping, 0, _MANY),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pyro-nsc",
        description="Asks a Pyro name server, and changes what it knows.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("command", choices=list(_COMMANDS), metavar="command", help="see below")
    add("arguments", nargs="*", help="what the command needs")
    add("-n", "--host", default="", help="host of the name server")
    add(
        "-p",
        "--port",
        type=int,
        help="port of the name server; without a host, of broadcasts too",
    )
    add("-u", "--unixsocket", help="path of the Unix socket of the name server")
    add("-v", "--verbose", action="store_true", help="say what is being done")
    return parser


if __name__ == "__main__":
    sys.exit(main())
