"""The command ``pyro-httpgw``: the gateway with a web server of its own."""

from __future__ import annotations

import ipaddress
import sys
from typing import TYPE_CHECKING

from pyro_protocol import config, locate_ns
from pyro_protocol.errors import PyroError

from .routing import PREFIX
from .serving.choice import chosen_server, serve_here
from .serving.command_line import KEY_VARIABLE, parse_arguments
from .serving.interruption import take_signals
from .serving.listening import address_of, listen, remove_file, tls_context
from .settings import ConfigurableApplication

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from .serving.options import ServeOptions

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None, prog: str = "pyro-httpgw") -> int:
    """Run the gateway until Ctrl-C or SIGTERM, and return the exit status.

    Args:
        arguments: the arguments; those of the command line if left out.
        prog: what the command is called in its messages.
    """
    options = parse_arguments(arguments, prog)
    try:
        tls_context(options)
        sock = listen(options, config)
    except PyroError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 1
    take_signals()
    try:
        with sock:
            _announce(options, sock)
            _serve(options, sock)
    except KeyboardInterrupt:
        print("Pyro HTTP gateway stopped.")
    except PyroError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 1
    finally:
        remove_file(options)
    return 0


def _serve(options: ServeOptions, sock: socket.socket) -> None:
    if options.workers > 1:
        from .serving.workers import serve_with_workers  # noqa: PLC0415 - few use it

        serve_with_workers(options, sock)
    else:
        serve_here(options, sock)


def _announce(options: ServeOptions, sock: socket.socket) -> None:
    """Print what the gateway does and where it is."""
    application = ConfigurableApplication(config)
    options.apply(application)
    settings = application.settings
    if application.ns_regex:
        print(f"Exposing objects whose names begin with: {application.ns_regex}")
    else:
        print("WARNING: exposing all objects of the name server")
    try:
        with locate_ns() as name_server:
            print(f"Connected to name server at {name_server._pyroUri.location}")
    except PyroError as error:
        print(f"No name server yet ({error}); each request looks for it again.")
    if not settings.authenticates and _is_open(options, sock):
        print(
            "WARNING: other machines can reach this gateway, and call what it exposes, "
            f"without a key; set one with --key-file or {KEY_VARIABLE}"
        )
    print(_way_of_serving(options))
    where = address_of(options, sock)
    # The demo and other programs wait for this line.
    if options.unix:
        print(f"Pyro HTTP gateway running on {where}", flush=True)
    else:
        print(f"Pyro HTTP gateway running on {where}/{PREFIX}", flush=True)


def _way_of_serving(options: ServeOptions) -> str:
    processes = f", {options.workers} processes" if options.workers > 1 else ""
    if chosen_server(options.server) == "uvicorn":
        return f"Serving with uvicorn{processes}"
    return f"Serving with threads{processes}; pyro-httpgw[server] is faster"


def _is_open(options: ServeOptions, sock: socket.socket) -> bool:
    """Tell whether other machines can connect."""
    if options.unix:
        return False
    return not ipaddress.ip_address(sock.getsockname()[0]).is_loopback
