"""``Pyro4.naming``: finding the name server, asking it, and running one."""

# ruff: noqa: N802, N803 - the documented names

from __future__ import annotations

import argparse
import socket
from typing import TYPE_CHECKING, Any, Final

from pyro_naming.autoclean import AutoCleaner
from pyro_naming.name_server import NameServer as PlainNameServer
from pyro_naming.storages import MemoryStorage, Registration, storage_from_text
from pyro_protocol import NAMESERVER_NAME, URI, expose, type_meta
from pyro_protocol import resolve as resolve_without_key
from pyro_protocol.config import config as settings
from pyro_protocol.errors import (
    CommunicationError,
    NamingError,
    ProtocolError,
    PyroError,
)
from pyro_protocol.naming.attempts import attempts
from pyro_protocol.naming.locate import candidates
from pyro_protocol.naming.waiting import choose

from ..name_servers import BroadcastServer as BroadcastServerBase
from ..name_servers import Cleaning
from .configuration import config
from .daemons import Daemon
from .proxies import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pyro_naming.storages import Storage

__all__ = [
    "BroadcastServer",
    "MemoryStorage",
    "NameServer",
    "NameServerDaemon",
    "NameServerProxy",
    "NamingError",
    "ProtocolError",
    "PyroError",
    "locateNS",
    "main",
    "resolve",
    "startNS",
    "startNSloop",
    "type_meta",
]

_METADATA: Final = frozenset({"class:Pyro4.naming.NameServer"})


class NameServerProxy(Proxy):
    """Stands in for a name server; made by `locateNS`.

    Its methods are those of `NameServer`. Two of them bring what was asked for into the
    form that Pyro4 gives it, whatever name server there is.
    """

    def lookup(self, name: str, return_metadata: bool = False) -> Any:
        """Return the URI of a name, or a pair of URI and list of tags.

        Raises:
            NamingError: the name is not registered.
        """
        if not return_metadata:
            return self._pyroInvoke("lookup", (name,), {})
        found = self._pyroInvoke("lookup", (name,), {"return_metadata": True})
        return _as_pair(found)

    def list(
        self,
        prefix: str | None = None,
        regex: str | None = None,
        metadata_all: Iterable[str] | None = None,
        metadata_any: Iterable[str] | None = None,
        return_metadata: bool = False,
    ) -> dict[str, Any]:
        """Return names and URIs, or names and pairs of URI and list of tags.

        At most one of the first four arguments may be given.

        Args:
            prefix: what the names have to begin with.
            regex: what the beginning of the names has to match.
            metadata_all: tags that all have to be there.
            metadata_any: tags of which one has to be there.
            return_metadata: whether the metadata is wanted.

        Raises:
            ValueError: several are given.
            NamingError: the regular expression is not valid.
        """
        _check_one_only(prefix, regex, metadata_all, metadata_any)
        how: dict[str, Any] = {"return_metadata": return_metadata}
        tags = metadata_all or metadata_any
        found: dict[str, Any]
        if tags:
            self._pyroBind()
            # Only name servers of Pyro4 itself do not have it.
            newer = "yplookup" in self._pyroMethods
            kind = "meta" if newer else "metadata"
            how[f"{kind}_all" if metadata_all else f"{kind}_any"] = [*tags]
            found = self._pyroInvoke("yplookup" if newer else "list", (), how)
        else:
            found = self._pyroInvoke("list", (prefix, regex), how)
        if not return_metadata:
            return found
        return {name: _as_pair(one) for name, one in found.items()}


def _as_pair(found: Any) -> tuple[Any, Any]:
    uri, tags = found
    return uri, sorted(tags)


def _check_one_only(*given: object) -> None:
    if sum(1 for one in given if one) > 1:
        raise ValueError("you can only filter on one thing at a time")


def locateNS(
    host: str | None = None,
    port: int | None = None,
    broadcast: bool = True,
    hmac_key: bytes | str | None = None,
) -> NameServerProxy:
    """Find the name server and connect to it.

    Without a host it is looked for on this machine if ``config.NS_HOST`` says so,
    then by a broadcast on the local network, then on ``config.NS_HOST``.

    Args:
        host: its host name or address, or ``./u:`` and the path of its Unix socket.
        port: its port; without a host, the port of broadcasts too.
        broadcast: whether the local network may be asked.
        hmac_key: the HMAC key that it has.

    Raises:
        NamingError: there is none, or it cannot be reached.
    """
    failure: CommunicationError | None = None
    for attempt in attempts(host or "", port, settings, broadcast=broadcast):
        for uri, *_others in candidates(attempt, settings):
            proxy = NameServerProxy(uri)
            proxy._pyroHmacKey = hmac_key  # noqa: SLF001 - documented
            try:
                proxy._pyroBind()
            except CommunicationError as error:
                failure = error
            else:
                return proxy
    raise NamingError("Failed to locate the nameserver") from failure


def resolve(uri: str | URI, hmac_key: bytes | str | None = None) -> URI:
    """Return the ``PYRO`` URI of the object that a URI stands for.

    Args:
        uri: the URI.
        hmac_key: the HMAC key that the name server has.

    Raises:
        NamingError: there is no such name or metadata, or no name server.
        PyroError: the URI is not valid.
    """
    target = URI(uri, default_port=settings.NS_PORT)
    if target.protocol == "PYRO":
        return target
    if hmac_key is None and target.protocol == "PYRONAME":
        return resolve_without_key(target)
    host = f"./u:{target.sockname}" if target.sockname else target.host
    with locateNS(host, target.port, hmac_key=hmac_key) as name_server:
        if isinstance(target.object, str):
            found: URI = name_server.lookup(target.object)
            return found
        tags = target.object
        return choose(tags, name_server.list(metadata_all=tags))


class NameServer(PlainNameServer):
    """Registers objects by name, and finds them by name or by metadata."""

    def announce(self, uri: str | URI, ttl: float = 0.0) -> None:
        """Register the name server itself; clients cannot call this."""
        super().announce(uri, ttl)
        own = self.storage.get(NAMESERVER_NAME)
        if own is not None:
            self.storage.put(
                NAMESERVER_NAME,
                Registration(own.uri, _METADATA, "", ttl, own.registered, own.renewed),
            )

    @expose
    def list(  # type: ignore[override] # Pyro4 and Pyro5 have different parameters
        self,
        prefix: str | None = None,
        regex: str | None = None,
        metadata_all: Iterable[str] | bool | None = None,
        metadata_any: Iterable[str] | None = None,
        return_metadata: bool = False,
    ) -> dict[str, Any]:
        """Return names and URIs, or names and pairs of URI and metadata.

        At most one of the first four arguments may be given.

        Args:
            prefix: what the names have to begin with.
            regex: what the beginning of the names has to match.
            metadata_all: tags that all have to be there.
            metadata_any: tags of which one has to be there.
            return_metadata: whether the metadata is wanted.

        Raises:
            ValueError: several are given.
            NamingError: the regular expression is not valid.
        """
        every = None if isinstance(metadata_all, bool) else metadata_all
        # A client of Pyro5 has that as its third argument.
        return_metadata = return_metadata or metadata_all is True
        _check_one_only(prefix, regex, every, metadata_any)
        return dict(super().list(prefix, regex, return_metadata, every, metadata_any))


class NameServerDaemon(Daemon):
    """A daemon with a name server in it.

    Args:
        host: where to listen; None means ``config.HOST``.
        port: the TCP port; None means ``config.NS_PORT``, 0 lets the system choose.
        unixsocket: the path of a Unix socket to listen on instead.
        nathost: the host that its URI names instead; None means ``config.NATHOST``.
        natport: the port that its URI names; None means ``config.NATPORT``.
        storage: ``memory``, ``sql:FILE`` or ``dbm:FILE``; None means in memory.

    Attributes:
        nameserver: the registrations, for use in this process.

    Raises:
        ValueError: arguments or settings do not go together.
        NamingError: the storage cannot be opened.
        CommunicationError: the address cannot be listened on.
    """

    def __init__(
        self,
        host: str | None = None,
        port: int | None = None,
        unixsocket: str | None = None,
        nathost: str | None = None,
        natport: int | None = None,
        storage: str | Storage | None = None,
    ) -> None:
        port = config.NS_PORT if port is None else port
        self._ended = False
        self._storage = (
            storage_from_text(storage or "memory")
            if storage is None or isinstance(storage, str)
            else storage
        )
        self._cleaning: Cleaning | None = None
        try:
            if config.NS_AUTOCLEAN > 0:
                # Made before anything listens, since the period may be refused.
                cleaner = AutoCleaner(
                    self._storage, config.NS_AUTOCLEAN, config.COMMTIMEOUT
                )
                self._cleaning = Cleaning(cleaner)
            super().__init__(host, port, unixsocket, nathost, natport or None)
        except BaseException:
            self._storage.close()
            raise
        # The one for the program itself takes more than clients may do.
        self.nameserver: NameServer = NameServer(self._storage, trusting=True)
        self._published = NameServer(self._storage)
        self.register(self._published, NAMESERVER_NAME)
        self.nameserver.announce(self.uriFor(NAMESERVER_NAME))
        if self._cleaning is not None:
            self._cleaning.start()

    def housekeeping(self) -> None:
        """Remove what has expired."""
        self._published.sweep()

    def close(self) -> None:
        """Stop serving, and close the storage; harmless if it is closed."""
        super().close()
        if self._ended:
            return
        self._ended = True
        if self._cleaning is not None:
            self._cleaning.stop()
        self.nameserver.close()
        self._published.close()
        self._storage.close()


class BroadcastServer(BroadcastServerBase):
    """Tells whoever asks the local network where the name server is.

    A program watches it with `fileno` and calls `processRequest`, or has a thread do
    so with `runInThread`.

    Args:
        nsUri: the URI of the name server.
        bchost: the address to listen on; None means ``config.NS_BCHOST``, or all.
        bcport: the UDP port; None means ``config.NS_BCPORT``.

    Raises:
        CommunicationError: the address cannot be listened on.
    """

    # A program may set `running` itself.
    _poll_seconds = 0.5

    def __init__(
        self, nsUri: URI, bchost: str | None = None, bcport: int | None = None
    ) -> None:
        host = (config.NS_BCHOST if bchost is None else bchost) or ""
        port = config.NS_BCPORT if bcport is None else bcport
        super().__init__(nsUri, host, port, reuse=config.SOCK_REUSE)

    @property
    def sockets(self) -> list[socket.socket]:
        """What an event loop has to watch for reading."""
        return [self.sock]


def startNS(
    host: str | None = None,
    port: int | None = None,
    enableBroadcast: bool = True,
    bchost: str | None = None,
    bcport: int | None = None,
    unixsocket: str | None = None,
    nathost: str | None = None,
    natport: int | None = None,
    storage: str | Storage | None = None,
    hmac: bytes | str | None = None,
) -> tuple[URI, NameServerDaemon, BroadcastServer | None]:
    """Make a name server, which the caller serves.

    Args:
        host: where to listen; None means ``config.HOST``.
        port: the TCP port; None means ``config.NS_PORT``, 0 lets the system choose.
        enableBroadcast: whether to answer broadcasts, where that makes sense.
        bchost: where to listen for broadcasts.
        bcport: the UDP port of broadcasts.
        unixsocket: the path of a Unix socket to listen on instead.
        nathost: the host that its URI names instead.
        natport: the port that its URI names.
        storage: ``memory``, ``sql:FILE`` or ``dbm:FILE``; None means in memory.
        hmac: the HMAC key that clients must have.

    Returns:
        Its URI, its daemon, whose request loop is to be run, and what answers
        broadcasts, or None.

    Raises:
        ValueError: arguments or settings do not go together.
        NamingError: the storage cannot be opened.
        CommunicationError: an address cannot be listened on.
    """
    daemon = NameServerDaemon(host, port, unixsocket, nathost, natport, storage)
    if hmac:
        daemon._pyroHmacKey = hmac  # noqa: SLF001 - documented
    broadcast = None
    if enableBroadcast and not _silence(daemon):
        internal = daemon.uriFor(NAMESERVER_NAME, nat=False)
        broadcast = BroadcastServer(internal, bchost, bcport)
        broadcast.runInThread()
    return daemon.uriFor(NAMESERVER_NAME), daemon, broadcast


def _silence(daemon: Daemon) -> str | None:
    """Return why broadcasts are of no use: nobody else could connect."""
    address = daemon.sock.getsockname()
    if not isinstance(address, tuple):
        return "Unix domain socket"
    if daemon.sock.family == socket.AF_INET6:
        return "IPv6"
    return "localhost" if address[0].startswith("127.") else None


def startNSloop(
    host: str | None = None,
    port: int | None = None,
    enableBroadcast: bool = True,
    bchost: str | None = None,
    bcport: int | None = None,
    unixsocket: str | None = None,
    nathost: str | None = None,
    natport: int | None = None,
    storage: str | Storage | None = None,
    hmac: bytes | str | None = None,
) -> None:
    """Run a name server until Ctrl-C, and print where it runs.

    The arguments are those of `startNS`.

    Raises:
        ValueError: arguments or settings do not go together.
        NamingError: the storage cannot be opened.
        CommunicationError: an address cannot be listened on.
    """
    uri, daemon, broadcast = startNS(
        host, port, enableBroadcast, bchost, bcport, unixsocket, nathost, natport,
        storage, hmac,
    )  # fmt: skip
    silence = _silence(daemon)
    if broadcast is not None:
        _say(f"Broadcast server running on {broadcast.locationStr}")
    elif enableBroadcast and silence in {"IPv6", "localhost"}:
        _say(f"Not starting broadcast server for {silence}.")
    existing = daemon.nameserver.count()
    if existing > 1:
        _say(f"Persistent store contains {existing} existing registrations.")
    address = daemon.sock.getsockname()
    kind = address[0] if isinstance(address, tuple) else "Unix domain socket"
    _say(f"NS running on {daemon.locationStr} ({kind})")
    if not hmac:
        _say("Warning: HMAC key not set. Anyone can connect to this server!")
    if daemon.natLocationStr:
        _say(f"internal URI = {daemon.uriFor(NAMESERVER_NAME, nat=False)}")
        _say(f"external URI = {uri}")
    else:
        _say(f"URI = {uri}")
    try:
        daemon.requestLoop()
    finally:
        daemon.close()
        if broadcast is not None:
            broadcast.close()
        _say("NS shut down.")


def _say(line: str) -> None:
    # At once, since whoever started the process may be waiting for it.
    print(line, flush=True)  # noqa: T201 - the documented output


def main(args: Sequence[str] | None = None) -> None:
    """Run a name server: ``python -m Pyro4.naming``.

    Args:
        args: the arguments; those of the command line if left out.
    """
    parser = argparse.ArgumentParser(
        prog="python -m Pyro4.naming", description="Run a name server."
    )
    parser.add_argument("-n", "--host", help="where to listen")
    parser.add_argument("-p", "--port", type=int, help="the TCP port; 0: any")
    parser.add_argument("-u", "--unixsocket", help="a Unix socket to listen on")
    parser.add_argument(
        "-s", "--storage", help="memory, sql:FILE or dbm:FILE; memory by default"
    )
    parser.add_argument("--bchost", help="where to listen for broadcasts")
    parser.add_argument("--bcport", type=int, help="the UDP port of broadcasts")
    parser.add_argument("--nathost", help="the host that its URI names")
    parser.add_argument("--natport", type=int, help="the port that its URI names")
    parser.add_argument(
        "-x", "--nobc", action="store_true", help="do not answer broadcasts"
    )
    parser.add_argument("-k", "--key", help="the HMAC key that clients must have")
    options = parser.parse_args(args)
    startNSloop(
        options.host,
        options.port,
        not options.nobc,
        options.bchost,
        options.bcport,
        options.unixsocket,
        options.nathost,
        options.natport,
        options.storage,
        options.key,
    )
