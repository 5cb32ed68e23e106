"""The command line of ``pyro-serve``."""

from __future__ import annotations

import argparse
import math
import os
from typing import TYPE_CHECKING, Final, get_args

from pyro_protocol import config
from pyro_protocol.config_rules import RULES
from pyro_protocol.contract import InstanceMode

from .__about__ import __version__
from .options import DRAIN_SECONDS, ServeOptions
from .publication import NAMES_CHECK_SECONDS
from .targets import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["parse_arguments", "serve_parser"]

_HIGHEST_PORT: Final = 65535
# More processes than that are a slip of the finger.
_MOST_WORKERS: Final = 1024
_SHORTEST_CHECK: Final = 0.1

_DESCRIPTION: Final = "Publishes Python objects, so that other programs can call them."

_EPILOGUE: Final = """\
examples:
  %(prog)s house:Thermostat --name house.thermostat
  %(prog)s house:Thermostat --no-ns --port 9200
  %(prog)s house:lamp --name house.lamp  house:Heating.pump --name house.pump
  %(prog)s house:Thermostat --reload
  %(prog)s house:Thermostat --port 9200 --workers 4

The module is looked for in the current folder too. Only what is marked with
@expose can be called. A class gets one instance, which all callers share, unless
it says otherwise with @behavior, or --instance-mode does. Each object's id is its
name. The name server is found as usual: PYRO_NS_HOST and PYRO_NS_PORT say where.
A name is renewed while this runs, and forgotten --ttl seconds after it was killed.
One that the name server has lost is registered again, unless somebody else has it.

With --workers or --reload the objects live in processes that this one supervises.
Each process has objects of its own: what an object remembers, also one with the
instance mode "single", is not known to those of the other workers, and a client
meets one of them for as long as it stays connected.

signals:
  SIGTERM, SIGINT (Ctrl-C)  let running calls finish, for --drain seconds; then end
                            with status 0. A second one ends at once, with status 1
  SIGHUP                    with workers: replace them by new ones, without a gap;
                            if the new ones cannot serve, the old ones go on.
                            Without workers it is like SIGTERM
  SIGUSR1                   log a line on how things are

exit status: 0 after it was asked to end, 1 if it could not serve or go on serving,
2 for wrong usage.

Under systemd it takes a socket (LISTEN_FDS) instead of listening itself, and tells
when it is ready, reloading, stopping and alive (NOTIFY_SOCKET, WATCHDOG_USEC).
"""


def parse_arguments(
    args: Sequence[str] | None = None, prog: str = "pyro-serve"
) -> ServeOptions:
    """Return what the command line says, or end the program with a message.

    Args:
        args: the arguments; those of the program if left out.
        prog: what the command is called in its messages.
    """
    parser = serve_parser(prog)
    values = vars(parser.parse_intermixed_args(args))
    targets: list[Target] = values.pop("targets")
    names = _names(parser, targets, values.pop("names"))
    objects = dict(zip(names, map(str, targets), strict=True))
    options = ServeOptions(
        objects=objects, use_name_server=not values.pop("no_ns"), **values
    )
    for problem in _problems(options):
        parser.error(problem)
    return options


def serve_parser(prog: str = "pyro-serve") -> argparse.ArgumentParser:
    """Return what reads the command line, and explains it."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description=_DESCRIPTION,
        epilog=_EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "targets",
        nargs="+",
        type=_target,
        metavar="module:attribute",
        help="a class or an object; the attribute may have dots",
    )
    add(
        "--name",
        dest="names",
        action="append",
        metavar="NAME",
        help="its name; with several objects, give one after each "
        "(default: module.attribute)",
    )
    add(
        "--instance-mode",
        choices=get_args(InstanceMode),
        help="instances of a class: one for each connection (session), one for all "
        "(single), or one for each call (percall)",
    )
    add(
        "--servertype",
        choices=RULES["SERVERTYPE"].choices,
        help="how calls are run (default: SERVERTYPE, thread)",
    )
    add("--version", action="version", version=f"%(prog)s {__version__}")
    _add_address(parser)
    _add_names(parser)
    _add_protection(parser)
    _add_operation(parser)
    return parser


def _add_address(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("where").add_argument
    add(
        "-H",
        "--host",
        help="host to listen on, and for the URIs to name (default: HOST, localhost)",
    )
    add("-p", "--port", type=_port, default=0, help="port (default: any)")
    add("-u", "--unix", metavar="PATH", help="Unix socket to listen on instead")
    add("--nathost", help="external host, behind address translation")
    add("--natport", type=_port, help="external port, behind address translation")


def _add_names(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("name server").add_argument
    add("--no-ns", action="store_true", help="do not use a name server")
    add(
        "--metadata",
        action="append",
        metavar="TAG",
        help="a tag for the names in the name server; can be repeated",
    )
    add(
        "--replace",
        action="store_true",
        help="take over names that are registered already",
    )
    add(
        "--ttl",
        type=_seconds(),
        metavar="SECONDS",
        help="when the name server forgets the names of a process that was killed; 0 "
        "means never (default: NS_TTL, 60)",
    )
    add(
        "--owner",
        metavar="NAME",
        help="in whose name they are registered: nobody else can replace them "
        "(default: NS_OWNER, or user@machine)",
    )
    add(
        "--names-check",
        type=_seconds(least=_SHORTEST_CHECK),
        metavar="SECONDS",
        help="how often to see whether the names are still there (default: three times "
        f"per ttl; every {NAMES_CHECK_SECONDS:g} without one, and in a name server of "
        "Pyro5)",
    )


def _add_protection(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("who may call").add_argument
    add(
        "--token-file",
        metavar="FILE",
        help="admit clients with a token of this file: on each line the hash of a "
        "token, a name, and roles with commas between them",
    )
    add(
        "--tls-cert",
        metavar="FILE",
        help="certificate of the server; connections use TLS then",
    )
    add("--tls-key", metavar="FILE", help="its key, if that is in another file")
    add(
        "--tls-key-password-env",
        metavar="VARIABLE",
        help="environment variable with the password of the key",
    )
    add(
        "--tls-key-password-file",
        metavar="FILE",
        help="file with the password of the key",
    )
    add("--tls-ca", metavar="PATH", help="authorities of client certificates")
    add(
        "--tls-require-client-cert",
        action="store_true",
        help="refuse clients without a certificate of --tls-ca",
    )


def _add_operation(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("operation").add_argument
    add(
        "-w",
        "--workers",
        type=_workers,
        metavar="NUMBER",
        help="serve in so many processes, which are started again if they die",
    )
    add(
        "--reload",
        action="store_true",
        help="for development: start anew whenever an imported source file changes",
    )
    add(
        "--drain",
        type=_seconds(),
        default=DRAIN_SECONDS,
        metavar="SECONDS",
        help=f"how long running calls may take at the end (default: {DRAIN_SECONDS:g})",
    )
    add(
        "--log-level",
        type=str.upper,
        choices=("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
        help="what to log on standard error (default: LOGLEVEL, WARNING; with "
        "workers also what becomes of them)",
    )
    add(
        "--ready-fd",
        type=_descriptor,
        metavar="NUMBER",
        help="descriptor to write a line of JSON to when it is ready",
    )
    add(
        "--ready-file",
        metavar="PATH",
        help="file with that line, which is there while it serves",
    )


def _target(text: str) -> Target:
    try:
        return Target.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _port(text: str) -> int:
    return _number(text, "a port", 0, _HIGHEST_PORT)


def _workers(text: str) -> int:
    return _number(text, "a number of workers", 1, _MOST_WORKERS)


def _descriptor(text: str) -> int:
    # It is closed in the end, and the standard streams have other uses.
    return _number(text, "a descriptor of its own", 3, 2**31 - 1)


def _number(text: str, what: str, least: int, most: int) -> int:
    if not (text.isdecimal() and least <= int(text) <= most):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}, {least} to {most}")
    return int(text)


def _seconds(least: float = 0.0) -> Callable[[str], float]:
    def seconds(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (least <= value < math.inf):
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a number of seconds, {least:g} or more"
            )
        return value

    return seconds


def _names(
    parser: argparse.ArgumentParser, targets: list[Target], given: list[str] | None
) -> list[str]:
    """Return a name for each target, or end with a message."""
    names = given or [f"{target.module}.{target.attribute}" for target in targets]
    if len(names) != len(targets):
        parser.error(
            "give --name once for each object, or not at all; "
            f"objects: {len(targets)}, names: {len(names)}"
        )
    for name in names:
        if names.count(name) > 1:
            parser.error(f"two objects have the name {name!r}")
        if not name or "@" in name or any(one.isspace() for one in name):
            parser.error(
                f"{name!r} cannot be a name: it must have no white space and no '@'"
            )
    return names


def _problems(options: ServeOptions) -> list[str]:
    """Return what does not go together."""
    result = []
    if options.unix and (options.host or options.port or options.nathost):
        result.append("--unix does not go together with --host, --port and --nathost")
    if options.natport and not (options.nathost or config.NATHOST):
        result.append("--natport needs --nathost")
    if not options.use_name_server and (
        options.metadata
        or options.replace
        or options.ttl is not None
        or options.owner is not None
    ):
        result.append(
            "--metadata, --replace, --ttl and --owner are for the name server, not "
            "--no-ns"
        )
    if not options.tls_cert and (
        options.tls_key
        or options.tls_ca
        or options.tls_require_client_cert
        or options.tls_key_password_env
        or options.tls_key_password_file
    ):
        result.append("the other --tls options need --tls-cert")
    if options.tls_require_client_cert and not (options.tls_ca or config.SSL_CACERTS):
        result.append(
            "--tls-require-client-cert needs --tls-ca, by which it knows them"
        )
    if options.tls_key_password_env and options.tls_key_password_file:
        result.append(
            "--tls-key-password-env and --tls-key-password-file exclude each other"
        )
    if options.supervised and os.name != "posix":
        result.append("--workers and --reload need a POSIX system")
    return result
