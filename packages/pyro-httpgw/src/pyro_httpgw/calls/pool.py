"""Connections to daemons, kept open between requests.

Those to daemons of our family are shared: many calls are in flight on a few. One to a
daemon of Pyro5 serves one request at a time, so that a slow call holds up no other.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pyro_protocol import DAEMON_NAME, URI, Configuration
from pyro_protocol.errors import CommunicationError, ConnectionClosedError
from pyro_protocol.transport.asyncio_calls import AsyncCallingChannel, not_sent

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ChannelPool", "Lease", "daemon_uri"]

MOST_PER_DAEMON: Final = 40
"""How many connections one daemon gets that are not shared. In Pyro5 each of them keeps
a thread busy, of which a daemon has 80 by default: half of them are left to others."""

MOST_SHARED: Final = 4
"""How many shared connections one daemon gets: more than one, so that a large answer
holds up few others, and few, as each can carry hundreds of calls."""

BUSY_FROM: Final = 100
"""With so many calls in flight on each shared connection, there is to be another."""

IDLE_SECONDS: Final = 10.0
"""How long a connection is kept that nobody uses: across the pauses of somebody who
clicks, but not so long that it deprives others of a Pyro5 daemon's threads."""


@dataclass(slots=True)
class _Idle:
    channel: AsyncCallingChannel
    since: float


@dataclass(slots=True)
class _Shared:
    channel: AsyncCallingChannel
    # Where its sequence numbers stood when the pool looked last.
    sequence: int = -1


@dataclass(slots=True)
class _Daemon:
    """What is known about the daemon at one location."""

    slots: asyncio.Semaphore
    shared: list[_Shared] = field(default_factory=list)
    idle: list[_Idle] = field(default_factory=list)
    users: int = 0
    lent: int = 0
    # Whether its connections cannot be shared; that shows when there is one.
    exclusive: bool = False
    search: asyncio.Task[None] | None = None


class Lease:
    """A connection while one request uses it; to be ended once.

    Attributes:
        channel: the connection.
        reused: whether it was open before.
        shared: whether other requests use it, too.
    """

    __slots__ = ("_give_back", "channel", "reused", "shared")

    def __init__(
        self,
        channel: AsyncCallingChannel,
        *,
        reused: bool,
        give_back: Callable[[AsyncCallingChannel], None] | None,
    ) -> None:
        self.channel: AsyncCallingChannel = channel
        self.reused: bool = reused
        self.shared: bool = give_back is None
        self._give_back = give_back

    def end(self) -> None:
        """Give the connection back; harmless if that was done."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back(self.channel)

    def drop(self) -> None:
        """Give the connection back, and have nobody use it any more.

        An answer may still come over it. To a shared one that does not matter.
        """
        if self._give_back is not None:
            self.channel.close()
            self.end()


class ChannelPool:
    """Lends connections to daemons; for use in one event loop.

    Args:
        config: the settings of the connections.
        most_per_daemon: how many connections a daemon gets that are not shared; more
            requests wait.
        idle_seconds: how long an unused connection is kept.
        clock: tells the time in seconds.
    """

    def __init__(
        self,
        config: Configuration,
        *,
        most_per_daemon: int = MOST_PER_DAEMON,
        idle_seconds: float = IDLE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._most_per_daemon = most_per_daemon
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._daemons: dict[str, _Daemon] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def idle_count(self) -> int:
        """How many connections are open and unused."""
        return sum(
            len(daemon.idle) + sum(one.channel.idle for one in daemon.shared)
            for daemon in self._daemons.values()
        )

    @property
    def open_count(self) -> int:
        """How many connections there are."""
        return sum(
            len(daemon.idle) + len(daemon.shared) + daemon.lent
            for daemon in self._daemons.values()
        )

    def ready(self, uri: URI) -> AsyncCallingChannel | None:
        """Return a shared connection to the daemon of an object, if there is one.

        It is open, and not busy; calls may be made on it at once.
        """
        daemon = self._daemons.get(uri.location or "")
        if daemon is not None:
            for one in daemon.shared:
                channel = one.channel
                if channel.usable and channel.calls_in_flight < BUSY_FROM:
                    return channel
        return None

    async def acquire(self, uri: URI, *, alone: bool = False) -> Lease:
        """Lend a connection to the daemon of an object.

        Args:
            uri: the object.
            alone: whether it is to be a new connection that nobody else will use.

        Raises:
            CommunicationError: the daemon cannot be reached, or refuses.
        """
        if self._closed:
            raise _closed()
        location = uri.location or ""
        daemon = self._daemons.get(location)
        if daemon is None:
            slots = asyncio.Semaphore(self._most_per_daemon)
            daemon = self._daemons[location] = _Daemon(slots)
        daemon.users += 1
        try:
            if not alone and not daemon.exclusive:
                channel = self._least_busy(daemon, uri)
                if channel is not None:
                    return Lease(channel, reused=True, give_back=None)
                await self._search(daemon, uri)
                channel = self._least_busy(daemon, uri)
                if channel is not None:
                    return Lease(channel, reused=False, give_back=None)
            return await self._acquire_slot(location, daemon, uri, alone=alone)
        finally:
            daemon.users -= 1
            self._forget_unused(location, daemon)

    async def aclose(self) -> None:
        """Close what is unused now; what is in use is closed when it comes back."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        unused = []
        for daemon in self._daemons.values():
            unused += [one.channel for one in daemon.idle]
            unused += [one.channel for one in daemon.shared if one.channel.idle]
            for one in daemon.shared:
                one.channel.retire()
            daemon.idle.clear()
            daemon.shared.clear()
            if daemon.search is not None:
                daemon.search.cancel()
        await asyncio.gather(*(channel.aclose() for channel in unused))

    def _least_busy(self, daemon: _Daemon, uri: URI) -> AsyncCallingChannel | None:
        """Return a shared connection; have another one made if they are all busy."""
        daemon.shared = [one for one in daemon.shared if one.channel.usable]
        if not daemon.shared:
            return None
        channel = min((one.channel for one in daemon.shared), key=_business)
        if (
            channel.calls_in_flight >= BUSY_FROM
            and len(daemon.shared) < MOST_SHARED
            and daemon.search is None
        ):
            self._begin_search(daemon, uri)
        return channel

    async def _search(self, daemon: _Daemon, uri: URI) -> None:
        """Make the first connection; all who need it wait for the same."""
        search = daemon.search or self._begin_search(daemon, uri)
        try:
            await asyncio.wait((search,))
            if search.cancelled():
                raise _closed()
            search.result()
        except CommunicationError as error:
            # One exception raised in several tasks would mix their traces.
            raise not_sent(error) from error

    def _begin_search(self, daemon: _Daemon, uri: URI) -> asyncio.Task[None]:
        daemon.search = asyncio.get_running_loop().create_task(
            self._connect_first(daemon, uri),
            # Not on behalf of the one request that happens to be the first.
            context=contextvars.Context(),
        )
        daemon.users += 1
        daemon.search.add_done_callback(
            lambda search: self._searched(uri.location or "", daemon, search)
        )
        return daemon.search

    def _searched(
        self, location: str, daemon: _Daemon, search: asyncio.Task[None]
    ) -> None:
        daemon.search = None
        daemon.users -= 1
        if not search.cancelled():
            # Nobody may be waiting for it any more, which is not an error.
            search.exception()
        self._forget_unused(location, daemon)

    async def _connect_first(self, daemon: _Daemon, uri: URI) -> None:
        channel = await self._connect(uri)
        daemon.exclusive = not channel.multiplexed
        if daemon.exclusive:
            daemon.idle.append(_Idle(channel, self._clock()))
        else:
            daemon.shared.append(_Shared(channel))
        self._sweep_later()

    async def _acquire_slot(
        self, location: str, daemon: _Daemon, uri: URI, *, alone: bool
    ) -> Lease:
        """Lend a connection that nobody else uses at the same time."""
        await daemon.slots.acquire()
        try:
            found = None if alone else self._take_idle(daemon)
            channel = found or await self._connect(uri)
        except BaseException:
            daemon.slots.release()
            raise
        # A daemon of another kind has taken the place of one of Pyro5's, perhaps.
        daemon.exclusive = not channel.multiplexed
        daemon.users += 1
        daemon.lent += 1

        def give_back(channel: AsyncCallingChannel) -> None:
            daemon.users -= 1
            daemon.lent -= 1
            daemon.slots.release()
            if self._closed or alone or not channel.usable or channel.multiplexed:
                channel.close()
            else:
                daemon.idle.append(_Idle(channel, self._clock()))
                self._sweep_later()
            self._forget_unused(location, daemon)

        return Lease(channel, reused=found is not None, give_back=give_back)

    def _take_idle(self, daemon: _Daemon) -> AsyncCallingChannel | None:
        while daemon.idle:
            # The one used last: the others get the chance to grow old.
            channel = daemon.idle.pop().channel
            if channel.usable:
                return channel
            channel.close()
        return None

    async def _connect(self, uri: URI) -> AsyncCallingChannel:
        return await AsyncCallingChannel.open(
            # What every daemon has; the object itself may be gone.
            daemon_uri(uri),
            serializer="auto",
            # A daemon whose threads are all busy accepts and says nothing.
            timeout=self._config.HANDSHAKE_TIMEOUT,
            config=self._config,
        )

    def _sweep_later(self) -> None:
        if self._sweeper is None and not self._closed:
            loop = asyncio.get_running_loop()
            self._sweeper = loop.call_later(self._idle_seconds, self._sweep)

    def _sweep(self) -> None:
        """Close the connections that have been unused for too long."""
        self._sweeper = None
        oldest = self._clock() - self._idle_seconds
        for location, daemon in list(self._daemons.items()):
            kept = []
            for one in daemon.idle:
                if one.since > oldest and one.channel.usable:
                    kept.append(one)
                else:
                    one.channel.close()
            daemon.idle = kept
            daemon.shared = [one for one in daemon.shared if _is_used(one)]
            self._forget_unused(location, daemon)
        if any(daemon.idle or daemon.shared for daemon in self._daemons.values()):
            self._sweep_later()

    def _forget_unused(self, location: str, daemon: _Daemon) -> None:
        if not (daemon.users or daemon.idle or daemon.shared):
            self._daemons.pop(location, None)


def _is_used(one: _Shared) -> bool:
    """Whether a connection was used since the last look; close it otherwise."""
    channel = one.channel
    if not channel.usable:
        return False
    if channel.idle and channel.sequence == one.sequence:
        channel.close()
        return False
    one.sequence = channel.sequence
    return True


def _closed() -> CommunicationError:
    error = ConnectionClosedError("the gateway's connections are being closed")
    error.outcome = "not_sent"
    return error


def _business(channel: AsyncCallingChannel) -> int:
    return channel.calls_in_flight


def daemon_uri(uri: URI) -> URI:
    """Return where the daemon of an object can be asked about itself."""
    return URI(f"PYRO:{DAEMON_NAME}@{uri.location}")
