"""``Pyro5.nameserver``: the name server as a daemon that a program serves itself."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final

import pyro_naming
from pyro_naming import MemoryStorage, SqlStorage, Storage, storage_from_text
from pyro_naming.autoclean import AutoCleaner
from pyro_protocol import NAMESERVER_NAME, URI, config
from pyro_protocol.errors import NamingError
from pyro_protocol.errors import TimeoutError as PyroTimeoutError

from ..name_servers import BroadcastServer as BroadcastServerBase
from ..name_servers import Cleaning
from .server import Daemon

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from .server import Host

__all__ = [
    "BroadcastServer",
    "MemoryStorage",
    "NameServer",
    "NameServerDaemon",
    "SqlStorage",
    "lookup",
    "main",
    "start_ns",
    "start_ns_loop",
    "yplookup",
]

_ALL_INTERFACES: Final = "0.0.0.0"  # noqa: S104 - broadcasts come in at any
_SHORTEST_PAUSE_SECONDS: Final = 0.2
_TRIES: Final = 5


class NameServer(pyro_naming.NameServer):
    """Registers objects by name, and finds them by name or by metadata.

    Args:
        storageProvider: where registrations are kept; without it in memory.
    """

    __module__ = "Pyro5.nameserver"

    def __init__(self, storageProvider: Storage | None = None) -> None:  # noqa: N803 - the documented name
        super().__init__(storageProvider, config=config)


class NameServerDaemon(Daemon):
    """A daemon with a name server in it, which the program serves as any other.

    Args:
        host: where to listen; None means ``config.HOST``.
        port: the TCP port; None means ``config.NS_PORT``.
        unixsocket: the path of a Unix socket to listen on instead.
        nathost: the host that URIs name instead; None means ``config.NATHOST``.
        natport: the port that URIs name; None means ``config.NATPORT``.
        storage: ``memory``, which None means, or ``sql:`` and a file.

    Attributes:
        nameserver: the name server, for use in this process.

    Raises:
        ValueError: arguments or settings that do not go together.
        NamingError: the storage cannot be opened.
        CommunicationError: the address cannot be listened on.
    """

    __module__ = "Pyro5.nameserver"

    nameserver: NameServer

    def __init__(
        self,
        host: Host | None = None,
        port: int | None = None,
        unixsocket: str | None = None,
        nathost: str | None = None,
        natport: int | None = None,
        storage: str | None = None,
    ) -> None:
        period = config.NS_AUTOCLEAN
        self._storage = storage_from_text(storage or "memory")
        self._cleaning: Cleaning | None = None
        if period:
            # Made before anything listens, since the period may be refused.
            cleaner = AutoCleaner(self._storage, period, config.COMMTIMEOUT)
            self._cleaning = Cleaning(cleaner)
        self.nameserver = NameServer(self._storage)
        super().__init__(
            host,
            config.NS_PORT if port is None else port,
            unixsocket,
            nathost,
            natport,
        )
        uri = self.register(self.nameserver, NAMESERVER_NAME)
        self.nameserver.announce(uri)
        if self._cleaning is not None:
            self._cleaning.start()

    def close(self) -> None:
        """Stop serving, and release everything."""
        super().close()
        if self._cleaning is not None:
            self._cleaning.stop()
        self.nameserver.close()
        self._storage.close()


class BroadcastServer(BroadcastServerBase):
    """Answers the broadcasts of programs that look for the name server.

    It can be served by a thread of its own, see `runInThread`, combined with a daemon,
    or be waited for with ``select``, and then `processRequest` answers.

    Args:
        nsUri: the URI to tell.
        bchost: where to listen; None means ``config.NS_BCHOST``, or all interfaces.
        bcport: the UDP port; None means ``config.NS_BCPORT``, 0 lets the system choose.
        ipv6: not of use, since there are no broadcasts in IPv6.

    Raises:
        CommunicationError: the address cannot be listened on.
    """

    __module__ = "Pyro5.nameserver"

    def __init__(
        self,
        nsUri: str | URI,  # noqa: N803 - the documented name
        bchost: str | None = None,
        bcport: int | None = None,
        ipv6: bool = False,  # noqa: ARG002 - the documented signature
    ) -> None:
        host = bchost or config.NS_BCHOST or _ALL_INTERFACES
        port = config.NS_BCPORT if bcport is None else bcport
        super().__init__(URI(nsUri), host, port)


def start_ns(
    host: Host | None = None,
    port: int | None = None,
    enableBroadcast: bool = True,
    bchost: str | None = None,
    bcport: int | None = None,
    unixsocket: str | None = None,
    nathost: str | None = None,
    natport: int | None = None,
    storage: str | None = None,
) -> tuple[URI, NameServerDaemon, BroadcastServer | None]:
    """Make a name server, which the program serves itself.

    Returns:
        Its URI, its daemon, and what answers broadcasts; None if nothing does, as on
        the loopback interface.

    Raises:
        ValueError: arguments or settings do not fit together.
        NamingError: the storage cannot be opened.
        CommunicationError: an address cannot be listened on.
    """
    daemon = NameServerDaemon(host, port, unixsocket, nathost, natport, storage)
    try:
        uri = daemon.uriFor(NAMESERVER_NAME)
        internal = daemon.uriFor(NAMESERVER_NAME, nat=False)
        responder = None
        if enableBroadcast and not unixsocket and not _is_loopback(daemon.sock):
            responder = BroadcastServer(internal, bchost, bcport)
    except BaseException:
        daemon.close()
        raise
    return uri, daemon, responder


def _is_loopback(sock: socket.socket) -> bool:
    address = str(sock.getsockname()[0])
    return address.startswith("127.") or address == "::1"


def start_ns_loop(
    host: Host | None = None,
    port: int | None = None,
    enableBroadcast: bool = True,
    bchost: str | None = None,
    bcport: int | None = None,
    unixsocket: str | None = None,
    nathost: str | None = None,
    natport: int | None = None,
    storage: str | None = None,
    loopCondition: Callable[[], bool] | None = None,
) -> None:
    """Run a name server until Ctrl-C, or until a condition no longer holds.

    Raises:
        ValueError: arguments or settings do not fit together.
        NamingError: the storage cannot be opened.
        CommunicationError: an address cannot be listened on.
    """
    pyro_naming.start_ns_loop(
        host,
        port,
        enableBroadcast,
        bchost,
        bcport,
        unixsocket,
        nathost,
        natport,
        storage,
        loopCondition,
    )


def lookup(
    nameserver: Any, name: str, return_metadata: bool = False, delay_time: float = 0
) -> Any:
    """Look a name up, waiting for it to be registered.

    Args:
        nameserver: the name server, or a proxy for it.
        name: the name.
        return_metadata: whether to return its metadata too.
        delay_time: how many seconds to wait; 0 means ``config.NS_LOOKUP_DELAY``.

    Raises:
        NamingError: the name is not registered.
    """
    for pause in _pauses(delay_time):
        try:
            return nameserver.lookup(name, return_metadata)
        except (NamingError, PyroTimeoutError):
            time.sleep(pause)
    return nameserver.lookup(name, return_metadata)


def yplookup(
    nameserver: Any,
    meta_all: Iterable[str] | None = None,
    meta_any: Iterable[str] | None = None,
    return_metadata: bool = True,
    delay_time: float = 0,
) -> Any:
    """Look names up by metadata, waiting for one to be registered.

    Args:
        nameserver: the name server, or a proxy for it.
        meta_all: tags of which all are needed.
        meta_any: tags of which one is enough.
        return_metadata: whether the metadata of the names is wanted.
        delay_time: how many seconds to wait; 0 means ``config.NS_LOOKUP_DELAY``.

    Raises:
        ValueError: both are given.
    """
    for pause in _pauses(delay_time):
        try:
            found = nameserver.yplookup(meta_all, meta_any, return_metadata)
        except (NamingError, PyroTimeoutError):
            found = None
        if found:
            return found
        time.sleep(pause)
    return nameserver.yplookup(meta_all, meta_any, return_metadata)


def _pauses(delay_time: float) -> Iterator[float]:
    """Return pauses for as long as is to be waited."""
    delay = delay_time or config.NS_LOOKUP_DELAY
    pause = max(_SHORTEST_PAUSE_SECONDS, delay / _TRIES)
    end = time.monotonic() + delay
    while (left := end - time.monotonic()) > 0:
        yield min(pause, left)


def main(args: Sequence[str] | None = None) -> int:
    """Run a name server until it is interrupted, and return the exit status.

    Without ``-s`` it keeps names in memory, as Pyro5's does.

    Args:
        args: the arguments; those of the command line if left out.
    """
    from pyro_naming.cli import main  # noqa: PLC0415 - only the command needs it

    given = sys.argv[1:] if args is None else args
    return main(["-s", "memory", *given], "Pyro5.nameserver")
