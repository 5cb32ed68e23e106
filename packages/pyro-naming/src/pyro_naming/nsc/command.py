"""What happens when ``pyro-nsc`` is run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from pyro_protocol import locate_ns
from pyro_protocol.errors import PyroError

from . import commands, transfer, watching
from .options import checked_options, nsc_parser
from .output import Output, discard_output, tolerate_any_text
from .request import Command, Request

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

__all__ = ["command_parser", "main"]

_DONE: Final = 0
_FAILED: Final = 1
_INTERRUPTED: Final = 130

_MANY: Final = 100_000
_NEEDS_NAME: Final = "requires one argument: name"
_NEEDS_PATTERN: Final = "requires one argument: pattern"
_NEEDS_TAG: Final = "requires at least one metadata tag argument"
_TAKES_PREFIX: Final = "takes at most one argument: prefix"
_TAKES_FILE: Final = "takes at most one argument: file"
_CLAIM: Final = ("owner", "force")
_LIST: Final = ("table", "lines")

_COMMANDS: Final = {
    "list": Command(commands.list_names, 0, _MANY, options=_LIST),
    "listmatching": Command(commands.list_matching, 1, 1, _NEEDS_PATTERN, _LIST),
    "yplookup_all": Command(commands.search_all, 1, _MANY, _NEEDS_TAG, _LIST),
    "yplookup_any": Command(commands.search_any, 1, _MANY, _NEEDS_TAG, _LIST),
    "lookup": Command(commands.lookup, 1, 1, _NEEDS_NAME),
    "describe": Command(commands.describe, 1, 1, _NEEDS_NAME),
    "watch": Command(
        watching.watch, 0, 1, _TAKES_PREFIX, options=("existing", "after")
    ),
    "register": Command(
        commands.register,
        2,
        2,
        "requires two arguments: name uri",
        (*_CLAIM, "ttl", "replace"),
    ),
    "renew": Command(
        commands.renew, 1, _MANY, "requires at least one argument: name", ("owner",)
    ),
    "setmeta": Command(
        commands.set_metadata,
        1,
        _MANY,
        "requires arguments: name and zero or more meta tags",
        _CLAIM,
    ),
    "remove": Command(commands.remove, 1, 1, _NEEDS_NAME, _CLAIM),
    "removematching": Command(
        commands.remove_matching, 1, 1, _NEEDS_PATTERN, (*_CLAIM, "yes")
    ),
    "export": Command(transfer.export_names, 0, 1, _TAKES_FILE),
    "import": Command(
        transfer.import_names, 0, 1, _TAKES_FILE, ("force", "replace", "plain")
    ),
    "ping": Command(commands.ping, 0, _MANY),
}


def command_parser(prog: str = "pyro-nsc") -> argparse.ArgumentParser:
    """Return what reads the command line, and explains it."""
    return nsc_parser(_COMMANDS, prog)


def main(args: Sequence[str] | None = None, prog: str = "pyro-nsc") -> int:
    """Run one command and return the exit status.

    Args:
        args: the arguments; those of the command line if left out.
        prog: what the command is called in its messages.
    """
    options = checked_options(
        args, {name: command.options for name, command in _COMMANDS.items()}, prog
    )
    command = _COMMANDS[options.command]
    if not command.least <= len(options.arguments) <= command.most:
        print(command.complaint, file=sys.stderr)
        return _FAILED
    tolerate_any_text()
    out = Output(options)
    try:
        status = _run(command, options, out)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has had enough.
        discard_output()
        return _DONE
    except Exception as error:  # noqa: BLE001 - whatever the name server answers
        out.error(error)
        return _FAILED
    return status


def _run(command: Command, options: argparse.Namespace, out: Output) -> int:
    host = f"./u:{options.unixsocket}" if options.unixsocket else options.host
    if options.verbose:
        out.remark("Locating name server...")
    try:
        name_server = locate_ns(host, options.port)
    except PyroError as error:
        out.error(error, with_kind=False)
        return _FAILED
    with name_server:
        if options.verbose:
            out.remark(f"Name server found: {name_server._pyroUri}")
        status = command.run(Request(name_server, options.arguments, options, out))
    if options.verbose:
        out.remark("Done.")
    return status
