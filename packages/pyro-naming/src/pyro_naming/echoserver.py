"""The command ``pyro-echoserver``: publishes an object to try things out with."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Final

from pyro_protocol.errors import PyroError
from pyro_protocol.naming import locate_ns_async
from pyro_protocol.transport import AsyncioHost

from .asyncio_daemon import AsyncNameServerDaemon
from .echo_object import EchoServer
from .launching import set_by_signals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyro_protocol.naming import AsyncNameServerClient

__all__ = ["echo_parser", "main"]

_NAME: Final = "test.echoserver"


def main(args: Sequence[str] | None = None, prog: str = "pyro-echoserver") -> int:
    """Run the echo server until it is ended, and return the exit status.

    Args:
        args: the arguments; those of the command line if left out.
        prog: what the command is called in its messages.
    """
    options = echo_parser(prog).parse_args(args)
    try:
        asyncio.run(_serve(options))
    except KeyboardInterrupt:
        # Before it served, or where signals are not handled in the loop.
        return 0
    except (PyroError, ValueError, OSError) as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(options: argparse.Namespace) -> None:
    def say(line: str) -> None:
        if not options.quiet:
            print(line, flush=True)

    stop = asyncio.Event()
    say("Starting Pyro's built-in test echo server.")
    host = AsyncioHost()
    async with AsyncExitStack() as at_the_end:
        at_the_end.enter_context(set_by_signals(stop))
        at_the_end.push_async_callback(host.stop)
        await host.start(options.host, options.port, options.unixsocket)
        echo = EchoServer(say, stop.set, verbose=options.verbose)
        uri = host.register(echo, _NAME)
        if options.nameserver:
            names = AsyncNameServerDaemon(options.host)
            await at_the_end.enter_async_context(names)
            names.name_server.register(_NAME, uri)
            lines = [f"using name server at {names.uri}", _broadcast_line(names)]
        elif options.naming:
            client = await at_the_end.enter_async_context(await locate_ns_async())
            await client.register(_NAME, uri)
            at_the_end.push_async_callback(_remove_name, client)
            lines = [f"using name server at {client._pyroUri}"]
        else:
            lines = ["not using a name server."]
        if options.verbose:
            for line in lines:
                say(line)
        say(f"object name: {_NAME}")
        say(f"echo uri: {uri}")
        say("echoserver running.")
        await stop.wait()


async def _remove_name(client: AsyncNameServerClient) -> None:
    # The name server may have gone first.
    with suppress(PyroError):
        await client.remove(_NAME)


def _broadcast_line(names: AsyncNameServerDaemon) -> str:
    if names.broadcast is None:
        return "not using a broadcast server"
    return f"broadcast server running at {names.broadcast.locationStr}"


def echo_parser(prog: str = "pyro-echoserver") -> argparse.ArgumentParser:
    """Return what reads the command line, and explains it."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description=f"Publishes the object {_NAME} to try things out with.",
    )
    add = parser.add_argument
    add(
        "-H",
        "--host",
        default="localhost",
        help="host to listen on (default: localhost)",
    )
    add("-p", "--port", type=int, default=0, help="port (default: any)")
    add("-u", "--unixsocket", help="path of a Unix socket to listen on instead")
    add("-n", "--naming", action="store_true", help="register at the name server")
    add("-N", "--nameserver", action="store_true", help="start a name server too")
    add("-v", "--verbose", action="store_true", help="print each call")
    add("-q", "--quiet", action="store_true", help="print nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
