"""The command ``pyro-serve``: publishes objects without a program of their own."""

from __future__ import annotations

import argparse
import contextlib
import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from pyro_protocol import NameServerClient, config, locate_ns
from pyro_protocol.contract import InstanceMode
from pyro_protocol.errors import NamingError, PyroError

from .__about__ import __version__
from .daemon import Daemon
from .targets import Target, TargetError, load_target, prepare_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyro_protocol import URI

__all__ = ["main"]

_logger = logging.getLogger("pyro.server")

# A name server that does not answer must not keep a program from ending.
_WITHDRAW_SECONDS: Final = 5.0
_HIGHEST_PORT: Final = 65535

_EXAMPLES = """\
examples:
  pyro-serve house:Thermostat --name house.thermostat
  pyro-serve house:Thermostat --no-ns --port 9200
  pyro-serve house:lamp --name house.lamp  house:Heating.pump --name house.pump

The module is looked for in the current folder too. Only what is marked with
@expose can be called. A class gets one instance, which all callers share, unless
it says otherwise with @behavior, or --instance-mode does. Each object's id is its
name. The name server is found as usual: PYRO_NS_HOST and PYRO_NS_PORT say where.

It ends at Ctrl-C, or when it gets SIGTERM, and takes its names out of the name
server. Exit status: 0 after that, 1 if it could not serve, 2 for wrong usage.
"""


def main(args: Sequence[str] | None = None) -> int:
    """Publish objects until interrupted, and return the exit status.

    Args:
        args: the arguments; those of the command line if left out.
    """
    parser = _parser()
    options = parser.parse_intermixed_args(args)
    names = _names(parser, options)
    _check(parser, options)
    _start_logging()
    try:
        _serve(dict(zip(names, options.targets, strict=True)), options)
    except KeyboardInterrupt:
        # Before it was ready; afterwards the signal ends the loop.
        pass
    except TargetError as error:
        print(f"{error.details}pyro-serve: {error}", file=sys.stderr)
        return 1
    except (PyroError, OSError, ValueError) as error:
        print(f"pyro-serve: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pyro-serve",
        description="Publishes Python objects, so that other programs can call them.",
        epilog=_EXAMPLES,
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
    add("-H", "--host", help="host to listen on (default: HOST, localhost)")
    add("-p", "--port", type=_port, default=0, help="port (default: any)")
    add("-u", "--unix", metavar="PATH", help="Unix socket to listen on instead")
    add("--nathost", help="external host, behind address translation")
    add("--natport", type=_port, help="external port, behind address translation")
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
        "--instance-mode",
        choices=get_args(InstanceMode),
        help="instances of a class: one for each connection (session), one for all "
        "(single), or one for each call (percall)",
    )
    add(
        "--servertype",
        choices=("thread", "multiplex"),
        help="run calls in threads, or one after the other (default: SERVERTYPE)",
    )
    add("--version", action="version", version=f"pyro-serve {__version__}")
    return parser


def _target(text: str) -> Target:
    try:
        return Target.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= _HIGHEST_PORT):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a port, 0 to {_HIGHEST_PORT}"
        )
    return int(text)


def _names(
    parser: argparse.ArgumentParser, options: argparse.Namespace
) -> Sequence[str]:
    """Return a name for each target, or end with a message."""
    names: list[str] = options.names or [
        f"{target.module}.{target.attribute}" for target in options.targets
    ]
    if len(names) != len(options.targets):
        parser.error(
            "give --name once for each object, or not at all; "
            f"objects: {len(options.targets)}, names: {len(names)}"
        )
    for name in names:
        if names.count(name) > 1:
            parser.error(f"two objects have the name {name!r}")
        if not name or "@" in name or any(one.isspace() for one in name):
            parser.error(
                f"{name!r} cannot be a name: it must have no white space and no '@'"
            )
    return names


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End with a message if options do not go together."""
    if options.unix and (options.host or options.port or options.nathost):
        parser.error("--unix does not go together with --host, --port and --nathost")
    if options.natport and not (options.nathost or config.NATHOST):
        parser.error("--natport needs --nathost")
    if options.no_ns and (options.metadata or options.replace):
        parser.error("--metadata and --replace are for the name server, not --no-ns")


def _start_logging() -> None:
    logging.basicConfig(
        level=config.LOGLEVEL or logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )


def _serve(targets: dict[str, Target], options: argparse.Namespace) -> None:
    """Publish the targets until a signal ends it.

    Raises:
        TargetError: a target cannot be published.
        PyroError: the address or a name cannot be used, or there is no name server.
    """
    sys.path.insert(0, str(Path.cwd()))
    objects = {}
    for name, target in targets.items():
        objects[name] = load_target(target)
        prepare_target(target, objects[name], options.instance_mode)
    settings = config.copy()
    if options.servertype:
        settings.SERVERTYPE = options.servertype
    with (
        Daemon(
            options.host,
            options.port,
            unixsocket=options.unix,
            nathost=options.nathost,
            natport=options.natport,
            config=settings,
        ) as daemon,
        contextlib.ExitStack() as undo,
    ):
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.signal(number, lambda *received: _end(daemon, *received))
            undo.callback(signal.signal, number, before)
        uris = {name: daemon.register(one, name) for name, one in objects.items()}
        if not options.no_ns:
            _publish(uris, options, undo)
        for name, uri in uris.items():
            print(f"{name} -> {uri}")
        print("Pyro daemon running.", flush=True)
        daemon.requestLoop()


def _end(daemon: Daemon, number: int, _frame: Any) -> None:
    # Whoever asks twice does not want to wait.
    signal.signal(number, signal.SIG_DFL)
    daemon.shutdown()


def _publish(
    uris: dict[str, URI], options: argparse.Namespace, undo: contextlib.ExitStack
) -> None:
    """Register all names, and have them removed when ``undo`` is left."""
    try:
        name_server = locate_ns()
    except NamingError as error:
        raise NamingError(f"{error}; or use --no-ns") from error
    with name_server:
        for name, uri in uris.items():
            try:
                name_server.register(
                    name, uri, safe=not options.replace, metadata=options.metadata
                )
            except NamingError as error:
                raise NamingError(
                    f"{error}; choose another --name, or --replace it"
                ) from error
            undo.callback(_withdraw, name_server._pyroUri, name, uri)


def _withdraw(location: URI, name: str, uri: URI) -> None:
    """Remove a name, if it is still ours and the name server still there."""
    try:
        with NameServerClient(location) as name_server:
            name_server._pyroTimeout = _WITHDRAW_SECONDS
            if name_server.lookup(name) == uri:
                name_server.remove(name)
    except PyroError as error:
        _logger.info("name %s was not removed: %s", name, error)
