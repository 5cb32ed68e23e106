"""A whole name server in an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
from typing import TYPE_CHECKING, Final, Self

from pyro_protocol import NAMESERVER_NAME, URI, Configuration, config
from pyro_protocol.transport import AsyncioHost

from .access import AccessRules
from .asyncio_name_server import AsyncNameServer
from .autoclean import AutoCleaner
from .broadcast import BroadcastServer, takes_ipv4
from .discovery import Announcement, require_library
from .door import Door
from .name_server import NameServer
from .reachability import report_reachability
from .storages import Storage, storage_from_text
from .sweeping import ANNOUNCED_SECONDS, keep_announced, keep_swept
from .threaded_name_server import ThreadedNameServer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from .rights import Access

__all__ = ["AsyncNameServerDaemon", "Host"]

# What waits for a change is woken, answers, and has its answer written.
_TURNS_TO_ANSWER: Final = 5

Host = str | ipaddress.IPv4Address | ipaddress.IPv6Address


class AsyncNameServerDaemon:
    """A name server with its socket, responder and housekeeping, for one event loop.

    Use it with ``async with``, or call `start` and `stop`. All work is done in the
    loop, but for regular expressions that could take long, and for storages on other
    machines.

    Args:
        host: where to listen; None means ``config.HOST``, the empty text means all
            interfaces.
        port: the TCP port; None means ``config.NS_PORT``, 0 lets the system choose.
        enableBroadcast: whether to answer broadcasts. Those of a name server on the
            loopback interface, on IPv6 alone or on a Unix socket are never answered.
        bchost: where to listen for broadcasts; None means ``config.NS_BCHOST``.
        bcport: the UDP port; None means ``config.NS_BCPORT``, 0 lets the system
            choose.
        unixsocket: the path of a Unix socket to listen on instead.
        nathost: the host to publish instead; None means ``config.NATHOST``.
        natport: the port to publish instead; None means ``config.NATPORT``, 0 the
            real one.
        storage: where registrations are kept: a storage, which stays yours to
            close, or the text that `storage_from_text` takes.
        zeroconf: whether to announce it by mDNS, with the extra of that name.
        access: who may do what; None means the rules in the file ``config.NS_ACCESS``,
            if there is one. They do not hold for `name_server`.
        config: the settings.
        clock: returns the seconds since the epoch; leases are measured by it.

    Attributes:
        name_server: the registrations, for use in this process.

    Raises:
        ValueError: arguments or settings do not fit together, or there is a mistake
            in the access file.
        OSError: the access file cannot be read.
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
        zeroconf: bool = False,
        access: Access | None = None,
        config: Configuration = config,
        clock: Callable[[], float] = time.time,
    ) -> None:
        nathost = nathost or config.NATHOST or None
        natport = config.NATPORT if natport is None and nathost else natport
        if natport and not nathost:
            raise ValueError("natport needs nathost too")
        if nathost and unixsocket:
            raise ValueError("a Unix socket cannot be published with nathost")
        if zeroconf:
            require_library()
        self._zeroconf_wanted = zeroconf
        self._announcement: Announcement | None = None
        self._config = config
        self._address = None if host is None else str(host)
        self._port = config.NS_PORT if port is None else port
        self._unixsocket = unixsocket
        self._broadcast_wanted = enableBroadcast
        self._broadcast_host = (config.NS_BCHOST if bchost is None else bchost) or ""
        self._broadcast_port = config.NS_BCPORT if bcport is None else bcport
        if access is None and config.NS_ACCESS:
            access = AccessRules.from_file(config.NS_ACCESS)
        self._guarded = access is not None
        self._host = AsyncioHost(
            config=config,
            validate_handshake=None if access is None else Door(access).admit,
            nathost=nathost,
            natport=natport or 0,
        )
        self._owns_storage = not isinstance(storage, Storage)
        if not isinstance(storage, Storage):
            storage = storage_from_text(storage or "memory")
        self._storage = storage
        self.name_server: NameServer = NameServer(
            storage, trusting=True, config=config, clock=clock
        )
        published = ThreadedNameServer if storage.networked else AsyncNameServer
        self._published = published(storage, access=access, config=config, clock=clock)
        self._found = len(storage)
        self._cleaner = None
        if config.NS_AUTOCLEAN:
            self._cleaner = AutoCleaner(
                storage, config.NS_AUTOCLEAN, config.COMMTIMEOUT
            )
        self._housekeeping: list[asyncio.Task[None]] = []
        self._broadcast: BroadcastServer | None = None

    async def start(self) -> None:
        """Begin to serve.

        Raises:
            CommunicationError: an address cannot be listened on.
            NamingError: the storage fails.
        """
        self._host.registry.register(self._published, NAMESERVER_NAME)
        try:
            await self._host.start(self._address, self._port, self._unixsocket)
            await self._prepare()
            report_reachability(self._host.sock, self._config, guarded=self._guarded)
            if self._broadcast_wanted and self.reach == "network":
                self._broadcast = await BroadcastServer.start(
                    self.internal_uri, self._broadcast_host, self._broadcast_port
                )
            if self._zeroconf_wanted and self._host.sock is not None:
                self._announcement = await Announcement.start(
                    self.internal_uri, self._host.sock, self._config
                )
        except BaseException:
            await self.stop()
            raise
        tasks = [keep_swept(self._published)]
        if self._storage.networked:
            tasks.append(keep_announced(self._published, self.uri))
        if self._cleaner is not None:
            tasks.append(self._cleaner.run())
        self._housekeeping = [asyncio.create_task(task) for task in tasks]

    async def _prepare(self) -> None:
        if self._storage.networked:
            announce = self.name_server.announce
            await asyncio.to_thread(announce, self.uri, ANNOUNCED_SECONDS)
        else:
            self.name_server.restart_leases()
            self.name_server.announce(self.uri)

    async def stop(self) -> None:
        """Stop serving; harmless if it is stopped already.

        Those who watch are told that it ends.
        """
        for task in self._housekeeping:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._housekeeping = []
        if self._announcement is not None:
            await self._announcement.stop()
            self._announcement = None
        if self._broadcast is not None:
            self._broadcast.close()
        self.name_server.close()
        self._published.close()
        await self._published.answered()
        for _ in range(_TURNS_TO_ANSWER):
            await asyncio.sleep(0)
        await self._host.stop()
        if self._owns_storage:
            self._storage.close()
        await self._published.join(wait=self._owns_storage)

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
    def announcement(self) -> Announcement | None:
        """What announces it by mDNS, or None."""
        return self._announcement

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
        """Who can connect: ``unix``, ``ipv6``, ``loopback`` or ``network``.

        What listens on all interfaces of IPv6 is on the ``network`` if it takes
        connections by IPv4 too.
        """
        sock = self._host.sock
        address = sock.getsockname() if sock else None
        if sock is None or not isinstance(address, tuple):
            return "unix"
        if not takes_ipv4(sock):
            return "ipv6"
        host = address[0].removeprefix("::ffff:")
        return "loopback" if ipaddress.ip_address(host).is_loopback else "network"

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
