"""Connections to daemons, kept open between requests."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from pyro_protocol import DAEMON_NAME, URI, Configuration
from pyro_protocol.transport import AsyncChannel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["ChannelPool", "Lease", "daemon_uri"]

MOST_PER_DAEMON: Final = 40
"""How many connections one daemon gets. In Pyro5 each of them keeps a thread busy, of
which a daemon has 80 by default: half of them are left to other clients."""

IDLE_SECONDS: Final = 10.0
"""How long a connection is kept that nobody uses: across the pauses of somebody who
clicks, but not so long that it deprives others of a Pyro5 daemon's threads."""


class Lease(NamedTuple):
    """A connection while one request uses it.

    Attributes:
        channel: the connection.
        reused: whether it was open before.
    """

    channel: AsyncChannel
    reused: bool


@dataclass(slots=True)
class _Idle:
    channel: AsyncChannel
    since: float


@dataclass(slots=True)
class _Daemon:
    """What is known about the daemon at one location."""

    slots: asyncio.Semaphore
    idle: list[_Idle] = field(default_factory=list)
    users: int = 0


class ChannelPool:
    """Lends connections to daemons; for use in one event loop.

    A connection serves one request at a time, so that a slow call holds up no other.

    Args:
        config: the settings of the connections.
        most_per_daemon: how many connections a daemon gets; more requests wait.
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
        return sum(len(daemon.idle) for daemon in self._daemons.values())

    @contextlib.asynccontextmanager
    async def lease(self, uri: URI) -> AsyncIterator[Lease]:
        """Lend a connection to the daemon of an object for the time of the context.

        When the context is left by an exception the connection is closed, because an
        answer may still come over it.

        Raises:
            CommunicationError: the daemon cannot be reached, or refuses.
        """
        location = uri.location or ""
        daemon = self._daemons.get(location)
        if daemon is None:
            slots = asyncio.Semaphore(self._most_per_daemon)
            daemon = self._daemons[location] = _Daemon(slots)
        daemon.users += 1
        try:
            async with daemon.slots:
                lease = await self._take(daemon, uri)
                try:
                    yield lease
                except BaseException:
                    lease.channel.close()
                    raise
                self._give_back(daemon, lease.channel)
        finally:
            daemon.users -= 1
            self._forget_unused(location, daemon)

    async def aclose(self) -> None:
        """Close what is unused now; what is in use is closed when it comes back."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        idle = [one.channel for daemon in self._daemons.values() for one in daemon.idle]
        for daemon in self._daemons.values():
            daemon.idle.clear()
        await asyncio.gather(*(channel.aclose() for channel in idle))

    async def _take(self, daemon: _Daemon, uri: URI) -> Lease:
        while daemon.idle:
            # The one used last: the others get the chance to grow old.
            channel = daemon.idle.pop().channel
            if not channel.closed:
                return Lease(channel, reused=True)
            channel.close()
        channel = await AsyncChannel.connect(
            # What every daemon has; the object itself may be gone.
            daemon_uri(uri),
            serializer="auto",
            # A daemon whose threads are all busy accepts and says nothing.
            timeout=self._config.HANDSHAKE_TIMEOUT,
            config=self._config,
        )
        return Lease(channel, reused=False)

    def _give_back(self, daemon: _Daemon, channel: AsyncChannel) -> None:
        if self._closed or channel.closed:
            channel.close()
            return
        daemon.idle.append(_Idle(channel, self._clock()))
        if self._sweeper is None:
            loop = asyncio.get_running_loop()
            self._sweeper = loop.call_later(self._idle_seconds, self._sweep)

    def _sweep(self) -> None:
        """Close the connections that have been unused for too long."""
        self._sweeper = None
        oldest = self._clock() - self._idle_seconds
        for location, daemon in list(self._daemons.items()):
            kept = []
            for one in daemon.idle:
                if one.since > oldest and not one.channel.closed:
                    kept.append(one)
                else:
                    one.channel.close()
            daemon.idle = kept
            self._forget_unused(location, daemon)
        if self.idle_count:
            loop = asyncio.get_running_loop()
            self._sweeper = loop.call_later(self._idle_seconds, self._sweep)

    def _forget_unused(self, location: str, daemon: _Daemon) -> None:
        if not daemon.users and not daemon.idle:
            self._daemons.pop(location, None)


def daemon_uri(uri: URI) -> URI:
    """Return where the daemon of an object can be asked about itself."""
    return URI(f"PYRO:{DAEMON_NAME}@{uri.location}")
