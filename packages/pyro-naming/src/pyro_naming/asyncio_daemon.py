"""A whole name server in an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from typing import TYPE_CHECKING, Self

from pyro_protocol import NAMESERVER_NAME, URI, Configuration, config
from pyro_protocol.transport import AsyncioHost

from .asyncio_name_server import AsyncNameServer
from .autoclean import AutoCleaner
from .broadcast import BroadcastServer
from .name_server import NameServer
from .storages import Storage, storage_from_text

if TYPE_CHECKING:
    import socket

__all__ = ["AsyncNameServerDaemon", "Host"]

Host = str | ipaddress.IPv4Address | ipaddress.IPv6Address


class AsyncNameServerDaemon:
    """A name server with its socket, responder and housekeeping, for one event loop.

    Use it with ``async with``, or call `start` and `stop`. All work is done in the
    loop, but for regular expressions that could take long.

    Args:
        host: where to listen; None means ``config.HOST``, the empty text means all
            interfaces.
        port: the TCP port; None means ``config.NS_PORT``, 0 lets the system choose.
        enableBroadcast: whether to answer broadcasts. Those of a name server on the
            loopback interface, on IPv6 or on a Unix socket are never answered.
        bchost: where to listen for broadcasts; None means ``config.NS_BCHOST``.
        bcport: the UDP port; None means ``config.NS_BCPORT``, 0 lets the system
            choose.
        unixsocket: the path of a Unix socket to listen on instead.
        nathost: the host to publish instead; None means ``config.NATHOST``.
        natport: the port to publish instead; None means ``config.NATPORT``, 0 the
            real one.
        storage: where registrations are kept: a storage, which stays yours to
            close, or the text ``memory`` or ``sql:FILE``.
        config: the settings.

    Attributes:
        name_server: the registrations, for use in this process.

    Raises:
        ValueError: arguments or settings do not fit together.
        NamingError: the storage cannot be opened.
    """

    def __init__(
        self,
        host: Host | None = None,
        port: int | None = None,
        enableBroadcast: bool = True,
        bchost: str | None = None,
        bcport: int | None = None,
        unixsocket: str | None = None,
        nathost: str | None = None,
        natport: int | None = None,
        storage: Storage | str | None = None,
        *,
        config: Configuration = config,
    ) -> None:
        nathost = nathost or config.NATHOST or None
        natport = config.NATPORT if natport is None and nathost else natport
        if natport and not nathost:
            raise ValueError("natport needs nathost too")
        if nathost and unixsocket:
            raise ValueError("a Unix socket cannot be published with nathost")
        self._address = None if host is None else str(host)
        self._port = config.NS_PORT if port is None else port
        self._unixsocket = unixsocket
        self._broadcast_wanted = enableBroadcast
        self._broadcast_host = (config.NS_BCHOST if bchost is None else bchost) or ""
        self._broadcast_port = config.NS_BCPORT if bcport is None else bcport
        self._host = AsyncioHost(config=config, nathost=nathost, natport=natport or 0)
        self._owns_storage = not isinstance(storage, Storage)
        if not isinstance(storage, Storage):
            storage = storage_from_text(storage or "memory")
        self.name_server: NameServer = NameServer(storage)
        self._found = len(storage)
        self._cleaner = None
        if config.NS_AUTOCLEAN:
            self._cleaner = AutoCleaner(
                storage, config.NS_AUTOCLEAN, config.COMMTIMEOUT
            )
        self._cleaning: asyncio.Task[None] | None = None
        self._broadcast: BroadcastServer | None = None

    async def start(self) -> None:
        """Begin to serve.

        Raises:
            CommunicationError: an address cannot be listened on.
        """
        published = AsyncNameServer(self.name_server.storage)
        self._host.registry.register(published, NAMESERVER_NAME)
        try:
            await self._host.start(self._address, self._port, self._unixsocket)
            self.name_server.announce(self.uri)
            if self._broadcast_wanted and self.reach == "network":
                self._broadcast = await BroadcastServer.start(
                    self.internal_uri, self._broadcast_host, self._broadcast_port
                )
        except BaseException:
            await self.stop()
            raise
        if self._cleaner is not None:
            self._cleaning = asyncio.create_task(self._cleaner.run())

    async def stop(self) -> None:
        """Stop serving; harmless if it is stopped already."""
        if self._cleaning is not None:
            self._cleaning.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._cleaning
            self._cleaning = None
        if self._broadcast is not None:
            self._broadcast.close()
        await self._host.stop()
        if self._owns_storage:
            self.name_server.storage.close()

    @property
    def uri(self) -> URI:
        """The URI that clients use."""
        return self.uri_for(NAMESERVER_NAME)

    @property
    def internal_uri(self) -> URI:
        """The URI on this side of an address translation."""
        return self.uri_for(NAMESERVER_NAME, nat=False)

    @property
    def location(self) -> str:
        """The location listened on, as in a URI."""
        return self._host.location

    @property
    def nat_location(self) -> str | None:
        """The location published instead, or None."""
        return self._host.nat_location

    @property
    def sock(self) -> socket.socket | None:
        """The listening socket, or None before the start."""
        return self._host.sock

    @property
    def broadcast(self) -> BroadcastServer | None:
        """What answers broadcasts, or None."""
        return self._broadcast

    @property
    def broadcast_wanted(self) -> bool:
        """Whether broadcasts are to be answered if that makes sense."""
        return self._broadcast_wanted

    @property
    def found(self) -> int:
        """How many registrations there were in the storage at the start."""
        return self._found

    @property
    def reach(self) -> str:
        """Who can connect: ``unix``, ``ipv6``, ``loopback`` or ``network``."""
        address = self._host.sock.getsockname() if self._host.sock else None
        if not isinstance(address, tuple):
            return "unix"
        ip = ipaddress.ip_address(address[0].partition("%")[0])
        if ip.version == 6:  # noqa: PLR2004 - its name
            return "ipv6"
        return "loopback" if ip.is_loopback else "network"

    def uri_for(self, object_id: str, *, nat: bool = True) -> URI:
        """Return the URI of an object id at this server.

        Raises:
            DaemonError: it has not been started.
        """
        return self._host.uri_for(object_id, nat=nat)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self.stop()
