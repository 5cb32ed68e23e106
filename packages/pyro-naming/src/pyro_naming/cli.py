"""The command ``pyro-ns``: runs a name server."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from pyro_protocol import config
from pyro_protocol.errors import CommunicationError, NamingError, PyroError

from .access import AccessRules
from .asyncio_daemon import AsyncNameServerDaemon
from .launching import serve_until_signalled
from .ns_options import ns_parser
from .occupied import occupant
from .storages import storage_from_text
from .user_data import default_storage, kept_where

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pyro_protocol import Configuration

    from .storages import Storage

__all__ = ["main"]


def main(args: Sequence[str] | None = None, prog: str = "pyro-ns") -> int:
    """Run a name server until it is interrupted, and return the exit status.

    Args:
        args: the arguments; those of the command line if left out.
        prog: what the command is called in its messages.
    """
    options = ns_parser(prog).parse_args(args)
    try:
        settings = _settings(options)
        _run(options, settings)
    except KeyboardInterrupt:
        # Before it served, or where signals are not handled in the loop.
        return 0
    except (PyroError, ValueError, OSError) as error:
        text = " ".join(str(error).splitlines())
        print(f"{prog}: {text}", file=sys.stderr)
        return 1
    return 0


def _settings(options: argparse.Namespace) -> Configuration:
    """Return the settings of the environment with those of the command line.

    Raises:
        ValueError: one is not possible.
    """
    settings = config.copy()
    if options.host is not None:
        settings.HOST = options.host
    if options.port is not None:
        settings.NS_PORT = options.port
    if options.access is not None:
        settings.NS_ACCESS = options.access
    if options.plain_clients is not None:
        settings.NS_PLAIN_CLIENTS = options.plain_clients
    if options.autoclean is not None:
        settings.NS_AUTOCLEAN = options.autoclean
    return settings


def _run(options: argparse.Namespace, settings: Configuration) -> None:
    """Run the name server that was asked for.

    Raises:
        PyroError: it cannot keep names, or cannot listen.
        ValueError: options or settings do not fit together.
    """
    access = _access(settings.NS_ACCESS)
    text = options.storage or _default_storage(options, settings)
    storage = _storage(text)
    try:
        daemon = AsyncNameServerDaemon(
            enableBroadcast=not options.nobc,
            bchost=options.bchost,
            bcport=options.bcport,
            unixsocket=options.unixsocket,
            nathost=options.nathost,
            natport=options.natport,
            storage=storage,
            zeroconf=options.zeroconf,
            access=access,
            config=settings,
        )
        asyncio.run(serve_until_signalled(daemon, kept_where(text)))
    except CommunicationError as error:
        found = occupant(error, options.unixsocket, settings)
        if found is None:
            raise
        where = str(error).partition(": ")[0]
        raise CommunicationError(
            f"{where}: {found}; use that one, or choose another place with -p or -u"
        ) from error
    finally:
        storage.close()


def _access(path: str) -> AccessRules | None:
    """Return the rules in a file; None if no file is named.

    Raises:
        ValueError: it cannot be read, or there is a mistake in it.
    """
    try:
        return AccessRules.from_file(path) if path else None
    except OSError as error:
        raise ValueError(f"the access file cannot be read: {error}") from error


def _default_storage(options: argparse.Namespace, settings: Configuration) -> str:
    """Return the storage to use if none is named.

    Raises:
        NamingError: the folder for the user's data cannot be made.
    """
    try:
        return default_storage(settings.NS_PORT, options.unixsocket)
    except OSError as error:
        raise NamingError(
            f"names cannot be kept in the folder for your data: {error}; choose "
            "another place with -s sql:FILE, or have them forgotten with -s memory"
        ) from error


def _storage(text: str) -> Storage:
    """Return a storage.

    Raises:
        ValueError: there is no such storage.
        NamingError: it cannot be opened.
    """
    try:
        return storage_from_text(text)
    except NamingError as error:
        if text.startswith(("sql:", "dbm:")):
            raise NamingError(f"{error}; choose another with -s") from error
        raise
