"""The command line of ``pyro-httpgw``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from pyro_protocol import config
from pyro_protocol.authentication import TokenAuthentication

from ..__about__ import __version__
from ..setting_checks import Tracebacks
from ..settings import DEFAULT_EXPOSED, MOST_IN_FLIGHT, ConfigurableApplication
from .choice import chosen_server
from .options import ServeOptions, ServerChoice

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["KEY_VARIABLE", "gateway_parser", "parse_arguments"]

KEY_VARIABLE: Final = "PYRO_HTTPGATEWAY_KEY"
"""The environment variable with the gateway key. Unlike the command line, other users
of the machine cannot read it."""

_HIGHEST_PORT: Final = 65535
# More processes than that are a slip of the finger.
_MOST_WORKERS: Final = 1024

_EPILOGUE: Final = """\
examples:
  %(prog)s --expose 'house\\.'
  PYRO_HTTPGATEWAY_KEY=secret %(prog)s --host 0.0.0.0 --expose 'house\\.'
  %(prog)s --unix /run/pyro/gateway.sock --workers 4

The name server is found as usual: PYRO_NS_HOST and PYRO_NS_PORT say where. Keys and
tokens are read from files or the environment, since other users of this machine can
read command lines.

SIGTERM and Ctrl-C end it when the requests in progress are answered, after five
seconds at the latest; a second one at once.
"""

# By the name of the attribute, the option.
_SETTINGS: Final = {
    "ns_regex": "--expose",
    "gateway_key": "--key-file",
    "tokens": "--token-file",
    "cors": "--cors",
    "comm_timeout": "--timeout",
    "max_body": "--max-body",
    "max_in_flight": "--max-in-flight",
    "rate_limit": "--rate-limit",
    "tracebacks": "--tracebacks",
    "allowed_hosts": "--allowed-host",
    "trusted_proxies": "--trusted-proxy",
    "metrics": "--metrics",
    "explorer": "--no-explorer",
}


def parse_arguments(
    arguments: Sequence[str] | None = None, prog: str = "pyro-httpgw"
) -> ServeOptions:
    """Return what the command line says, or end the program with a message.

    Args:
        arguments: the arguments; those of the program if left out.
        prog: what the command is called in its messages.
    """
    parser = gateway_parser(prog)
    given = vars(parser.parse_args(arguments))
    settings = {name: given.pop(name) for name in _SETTINGS if name in given}
    try:
        key = _key(given.pop("gatewaykey", None), settings.get("gateway_key"))
        if key is not None:
            settings["gateway_key"] = key
        if "tokens" in settings:
            settings["tokens"] = _tokens(settings["tokens"])
        _check(settings)
        chosen_server(given["server"])
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if given["tls_key"] and not given["tls_cert"]:
        parser.error("--tls-key needs --tls-cert")
    return ServeOptions(**given, settings=settings)


def _key(argument: str | None, path: str | None) -> str | None:
    """Return the gateway key, from where it is given.

    Raises:
        ValueError: it is given twice, or the file holds none.
        OSError: the file cannot be read.
    """
    places = {
        "--gatewaykey": argument,
        "--key-file": path,
        KEY_VARIABLE: os.environ.get(KEY_VARIABLE),
    }
    given = [place for place, value in places.items() if value]
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)} are both given; choose one")
    if path:
        key = Path(path).read_text("utf-8").strip()
        if not key:
            raise ValueError(f"--key-file: {path} is empty")
        return key
    return argument or places[KEY_VARIABLE] or None


def _tokens(path: str) -> TokenAuthentication:
    """Return what knows the tokens of a file.

    Raises:
        ValueError: a line of it has another form.
        OSError: the file cannot be read.
    """
    try:
        return TokenAuthentication.from_file(path)
    except ValueError as error:
        raise ValueError(f"--token-file: {error}") from None


def _check(settings: dict[str, Any]) -> None:
    """Try the settings.

    Raises:
        ValueError: one is wrong; the error names the option.
    """
    application = ConfigurableApplication(config)
    for name, value in settings.items():
        try:
            setattr(application, name, value)
        except ValueError as error:
            text = str(error).removeprefix(f"{name}: ")
            raise ValueError(f"{_SETTINGS[name]}: {text}") from error


def gateway_parser(prog: str = "pyro-httpgw") -> argparse.ArgumentParser:
    """Return what reads the command line, and explains it."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Call Pyro objects over HTTP, with answers in JSON.",
        epilog=_EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    _add_place(parser.add_argument_group("where it listens"))
    _add_objects(parser.add_argument_group("what can be called, and by whom"))
    _add_bounds(parser.add_argument_group("what requests may do"))
    _add_running(parser.add_argument_group("how it runs"))
    parser.add_argument("--version", action="version", version=__version__)
    return parser


def _add_place(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-H", "--host", default="localhost", help="the interface (default: localhost)"
    )
    group.add_argument(
        "-p",
        "--port",
        type=_port,
        default=8080,
        help="the port; 0 chooses a free one (default: 8080)",
    )
    group.add_argument(
        "--unix",
        metavar="PATH",
        default=None,
        help="listen on a Unix socket instead, which only this user can use",
    )
    group.add_argument(
        "--tls-cert", metavar="FILE", default=None, help="serve https with this (PEM)"
    )
    group.add_argument(
        "--tls-key", metavar="FILE", default=None, help="its key, if not in that file"
    )


def _add_objects(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-e",
        "--expose",
        dest="ns_regex",
        metavar="REGEX",
        help="objects whose names begin with a match can be called; '' exposes all of "
        f"them (default: {DEFAULT_EXPOSED})",
    )
    group.add_argument(
        "-g",
        "--gatewaykey",
        metavar="KEY",
        help="what a request has to present in the header X-Pyro-Gateway-Key or the "
        f"parameter $key; better in a file or the variable {KEY_VARIABLE}",
    )
    group.add_argument(
        "--key-file",
        dest="gateway_key",
        metavar="FILE",
        help="a file with the gateway key",
    )
    group.add_argument(
        "--token-file",
        dest="tokens",
        metavar="FILE",
        help="a file with hashes of bearer tokens, and on each line the name of who "
        "has the token, as for pyro-serve",
    )
    group.add_argument(
        "-c",
        "--cors",
        metavar="ORIGINS",
        help="the origins whose web pages may use the gateway, separated by commas, "
        "or * for all (default: none)",
    )
    group.add_argument(
        "--allowed-host",
        dest="allowed_hosts",
        action="append",
        metavar="NAME",
        help="a host name that requests may be for, again for several (default: at "
        "localhost only its names, elsewhere any)",
    )
    group.add_argument(
        "--trusted-proxy",
        dest="trusted_proxies",
        action="append",
        metavar="NETWORK",
        help="a proxy whose X-Forwarded-* fields are believed, again for several",
    )


def _add_bounds(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-t",
        "--timeout",
        dest="comm_timeout",
        type=float,
        metavar="SECONDS",
        help="how long a request may take; 0 for ever "
        f"(default: {config.COMMTIMEOUT:g})",
    )
    group.add_argument(
        "--max-body",
        type=int,
        metavar="BYTES",
        help="the most that the body of a request may have (default: 10 MiB)",
    )
    group.add_argument(
        "--max-in-flight",
        type=int,
        metavar="NUMBER",
        help="the most requests that each worker answers at once; 0 for no bound "
        f"(default: {MOST_IN_FLIGHT})",
    )
    group.add_argument(
        "--rate-limit",
        type=float,
        metavar="NUMBER",
        help="requests a second that each client may make, in each worker (default: "
        "no bound)",
    )
    group.add_argument(
        "--tracebacks",
        choices=get_args(Tracebacks),
        help="who gets remote tracebacks (default: authenticated)",
    )


def _add_running(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--workers",
        type=_workers,
        default=1,
        metavar="NUMBER",
        help="how many processes serve (default: 1)",
    )
    group.add_argument(
        "--server",
        choices=get_args(ServerChoice),
        default="auto",
        help="the web server: uvicorn, which pyro-httpgw[server] installs, or one "
        "with threads (default: uvicorn where it is installed)",
    )
    group.add_argument(
        "--access-log",
        action="store_true",
        default=False,
        help="note each request on standard error",
    )
    group.add_argument(
        "--metrics", action="store_true", help="offer metrics for Prometheus, /metrics"
    )
    group.add_argument(
        "--no-explorer",
        dest="explorer",
        action="store_false",
        help="do without the page to explore objects with",
    )


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"not a port: {number}")
    return number


def _workers(text: str) -> int:
    number = int(text)
    if not 1 <= number <= _MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"not a number of processes: {number}")
    return number
