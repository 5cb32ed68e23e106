"""The command ``pyro-httpgw``: the gateway with a web server of its own."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Final

from pyro_protocol import config, locate_ns
from pyro_protocol.errors import CommunicationError, PyroError

from .__about__ import __version__
from .routing import PREFIX
from .server import GatewayServer
from .settings import DEFAULT_EXPOSED
from .wsgi import WsgiApplication

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

KEY_VARIABLE: Final = "PYRO_HTTPGATEWAY_KEY"
"""The environment variable with the gateway key. Unlike the command line, other users
of the machine cannot read it."""

# How long requests in progress may take when the process is asked to end.
_GRACE_SECONDS: Final = 5.0
# How often the server looks whether it is to end; nobody minds waiting that long.
_POLL_SECONDS: Final = 0.1
_HIGHEST_PORT: Final = 65535


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the gateway until Ctrl-C or SIGTERM, and return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    application = WsgiApplication()
    try:
        application.ns_regex = options.expose
    except ValueError as error:
        parser.error(f"--expose: {error}")
    key = os.environ.get(KEY_VARIABLE)
    if key and options.gatewaykey:
        parser.error(f"--gatewaykey and {KEY_VARIABLE} are both given; choose one")
    application.gateway_key = options.gatewaykey or key
    application.cors = options.cors
    application.comm_timeout = options.timeout
    # Like Ctrl-C: the main thread does nothing but wait.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server = GatewayServer(application, options.host, options.port)
    except CommunicationError as error:
        print(f"pyro-httpgw: {error}", file=sys.stderr)
        return 1
    try:
        _announce(application, server)
        _serve(server)
    except KeyboardInterrupt:
        print("Pyro HTTP gateway stopped.")
    finally:
        server.server_close()
        application.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pyro-httpgw",
        description="Call Pyro objects over HTTP, with answers in JSON.",
    )
    parser.add_argument(
        "-H",
        "--host",
        default="localhost",
        help="where to listen (default: %(default)s)",
    )
    parser.add_argument(
        "-p",
        "--port",
        type=_port,
        default=8080,
        help="the port; 0 chooses a free one (default: %(default)s)",
    )
    parser.add_argument(
        "-e",
        "--expose",
        default=DEFAULT_EXPOSED,
        metavar="REGEX",
        help="objects whose names begin with a match can be called; "
        "'' exposes all of them (default: %(default)s)",
    )
    parser.add_argument(
        "-g",
        "--gatewaykey",
        metavar="KEY",
        help="what a request has to present in the header X-Pyro-Gateway-Key or the "
        f"parameter $key; better given in the environment variable {KEY_VARIABLE}, "
        "since other users of this machine can read command lines",
    )
    parser.add_argument(
        "-c",
        "--cors",
        default="",
        metavar="ORIGINS",
        help="the origins whose web pages may use the gateway, separated by commas, "
        "or * for all (default: none)",
    )
    parser.add_argument(
        "-t",
        "--timeout",
        type=float,
        default=config.COMMTIMEOUT,
        metavar="SECONDS",
        help="how long a request may take; 0 for ever (default: %(default)s)",
    )
    parser.add_argument("--version", action="version", version=__version__)
    return parser


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"not a port: {number}")
    return number


def _announce(application: WsgiApplication, server: GatewayServer) -> None:
    """Print what the gateway does and where it is."""
    if application.ns_regex:
        print(f"Exposing objects whose names begin with: {application.ns_regex}")
    else:
        print("WARNING: exposing all objects of the name server")
    try:
        with locate_ns() as name_server:
            print(f"Connected to name server at {name_server._pyroUri.location}")
    except PyroError as error:
        print(f"No name server yet ({error}); each request looks for it again.")
    # The demo and other programs wait for this line.
    print(f"Pyro HTTP gateway running on {server.url}/{PREFIX}", flush=True)


def _serve(server: GatewayServer) -> None:
    """Serve until the process is asked to end, and answer what has been begun."""
    serving = threading.Thread(
        target=server.serve_forever, args=(_POLL_SECONDS,), name="http", daemon=True
    )
    serving.start()
    try:
        # With a time limit, because Windows notices Ctrl-C only between two waits.
        while serving.is_alive():
            serving.join(1.0)
    finally:
        server.shutdown()
        server.finish(_GRACE_SECONDS)
