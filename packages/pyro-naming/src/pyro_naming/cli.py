"""The command ``pyro-ns``: runs a name server."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from pyro_protocol.errors import PyroError

from .asyncio_daemon import AsyncNameServerDaemon
from .launching import serve_until_signalled

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_EXAMPLES = """\
examples:
  pyro-ns                              for this machine only
  pyro-ns -n 192.168.1.5               for the local network
  pyro-ns -s sql:names.sqlite          remembers its names
  pyro-ns -u /run/pyro-ns.sock         on a Unix socket

It ends at Ctrl-C, or when it gets SIGTERM.
"""


def main(args: Sequence[str] | None = None) -> int:
    """Run a name server until it is interrupted, and return the exit status.

    Args:
        args: the arguments; those of the command line if left out.
    """
    options = _parser().parse_args(args)
    try:
        daemon = AsyncNameServerDaemon(
            options.host,
            options.port,
            enableBroadcast=not options.nobc,
            bchost=options.bchost,
            bcport=options.bcport,
            unixsocket=options.unixsocket,
            nathost=options.nathost,
            natport=options.natport,
            storage=options.storage,
        )
        asyncio.run(serve_until_signalled(daemon))
    except KeyboardInterrupt:
        # Before it served, or where signals are not handled in the loop.
        return 0
    except (PyroError, ValueError, OSError) as error:
        print(f"pyro-ns: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pyro-ns",
        description="Runs a Pyro name server.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("-n", "--host", help="host to listen on (default: HOST, localhost)")
    add("-p", "--port", type=int, help="port; 0 for any (default: NS_PORT, 9090)")
    add("-u", "--unixsocket", help="path of a Unix socket to listen on instead")
    add(
        "-s",
        "--storage",
        default="memory",
        help="where to keep names: memory, or sql:FILE (default: memory)",
    )
    add("--bchost", help="host to listen for broadcasts on (default: all)")
    add("--bcport", type=int, help="port of broadcasts; 0 for any (default: 9091)")
    add("--nathost", help="external host, behind address translation")
    add("--natport", type=int, help="external port, behind address translation")
    add("-x", "--nobc", action="store_true", help="do not answer broadcasts")
    return parser
