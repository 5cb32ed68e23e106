"""``pyro-stubs``: write classes for type checkers from what a live object offers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyro_protocol.config import config
from pyro_protocol.contract.described import described_by_names
from pyro_protocol.errors import PyroError
from pyro_protocol.uri import URI

from .__about__ import __version__
from .command_line import add_handshake
from .descriptions import describe
from .proxy import Proxy
from .stubbing import stub_source

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "stubs_parser"]

_DONE: Final = 0
_FAILED: Final = 1
_UNREACHABLE: Final = 3
_INTERRUPTED: Final = 130

_EPILOG: Final = """\
The module has two protocols, such as Camera and AsyncCamera, to be given to connect
and connect_async of pyro_client, and the dataclasses and enumerations that they name.
Let FILE end in .py if the program is to import it, which connect needs; it is valid as
.pyi as well. Only the names are known of an object whose server does not describe it,
such as one of Pyro5: then everything has the type Any.

exit status: 0 done, 1 cannot write FILE, 2 wrong usage, 3 server not reached

example:
  %(prog)s PYRONAME:lab.camera -o camera.py
"""
_NO_DESCRIPTION: Final = """

Its server does not describe it, as those of Pyro5, so only the names are known."""


def main(args: Sequence[str] | None = None, prog: str = "pyro-stubs") -> int:
    """Write the stubs of one object.

    Args:
        args: the command line; None means ``sys.argv``.
        prog: what the command is called in its messages.

    Returns:
        The exit status; ``--help`` lists them.
    """
    parser = stubs_parser(prog)
    options = parser.parse_args(args)
    try:
        uri = URI(options.uri)
    except PyroError as error:
        parser.error(str(error))
    with Proxy(uri) as proxy:
        proxy._pyroHandshake = options.handshake
        if options.timeout is not None:
            proxy._pyroTimeout = options.timeout
        try:
            proxy._pyroBind()
            source = _source(proxy, uri, options)
        except (PyroError, OSError) as error:
            print(f"{prog}: {error}", file=sys.stderr)
            return _UNREACHABLE
        except ValueError as error:
            parser.error(str(error))
        except KeyboardInterrupt:
            return _INTERRUPTED
    if options.output is None:
        sys.stdout.write(source)
        return _DONE
    try:
        options.output.write_text(source, "utf-8")
    except OSError as error:
        print(f"{prog}: cannot write {options.output}: {error}", file=sys.stderr)
        return _FAILED
    return _DONE


def stubs_parser(prog: str = "pyro-stubs") -> argparse.ArgumentParser:
    """Return what reads the command line, and explains it."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Write classes for type checkers and editors from what a remote "
        "object offers: signatures, types and docstrings, for Proxy and AsyncProxy.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("uri", help="PYRO:id@host:port, PYRONAME:name or PYROMETA:tags")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="where to write; without it to standard output",
    )
    parser.add_argument(
        "-c",
        "--class",
        dest="class_name",
        metavar="NAME",
        help="what to call the class; without it, as the server does",
    )
    parser.add_argument(
        "-t",
        "--timeout",
        type=float,
        metavar="SECONDS",
        help=f"most time for connecting and for each answer; 0: no bound "
        f"(default: {config.COMMTIMEOUT or 'no bound'})",
    )
    add_handshake(parser)
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {__version__}"
    )
    return parser


def _source(proxy: Proxy, uri: URI, options: argparse.Namespace) -> str:
    about = f"Stubs of {uri}, written by pyro-stubs."
    description = describe(proxy._pyro_binding)  # noqa: SLF001 - a part of it
    if description is None:
        about += _NO_DESCRIPTION
        description = described_by_names(
            _class_name(uri), proxy._pyroMethods, proxy._pyroOneway, proxy._pyroAttrs
        )
    return stub_source(
        description,
        about=about,
        class_name=options.class_name,
        for_stub_file=options.output is not None and options.output.suffix == ".pyi",
    )


def _class_name(uri: URI) -> str:
    """Return a name for a class of which only an object is known."""
    if uri.object_id.startswith("obj_"):
        # The id was made by the daemon.
        return ""
    last = uri.object_id.rpartition(".")[2]
    return "".join(part[:1].upper() + part[1:] for part in last.split("_"))


if __name__ == "__main__":
    sys.exit(main())
