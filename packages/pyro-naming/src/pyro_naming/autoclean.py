"""Removing the names of servers that are gone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Final

from pyro_protocol import DAEMON_NAME, NAMESERVER_NAME, URI
from pyro_protocol.errors import PyroError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .storages import Registration, Storage

__all__ = ["SHORTEST_PERIOD", "AutoCleaner"]

_logger = logging.getLogger("pyro.naming")

SHORTEST_PERIOD: Final = 3.0
"""How many seconds there are between two rounds at least."""

# A server that restarts, or a network that hiccups, is back within this time.
GRACE_SECONDS: Final = 20.0
DEFAULT_TIMEOUT_SECONDS: Final = 5.0
# Enough for many unreachable names, each of which takes the whole timeout, and few
# enough to leave the process file descriptors.
_MOST_AT_ONCE: Final = 50


class AutoCleaner:
    """Removes names whose server cannot be connected to for some time.

    Servers on Unix sockets are checked as well, unless the storage is shared with
    name servers on other machines, from which they cannot be reached. Some names
    stay: those with a ttl, whose owners say themselves that they live, and those with
    a ``PYRONAME`` or ``PYROMETA`` URI, which says nothing about a server.

    Args:
        storage: the registrations.
        period: how many seconds there are between two rounds.
        timeout: how many seconds a server has to accept a connection; 0 means 5.
        clock: what the time is read from.

    Raises:
        ValueError: the period is too short.
    """

    def __init__(
        self,
        storage: Storage,
        period: float,
        timeout: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if period < SHORTEST_PERIOD:
            raise ValueError(
                f"NS_AUTOCLEAN must be 0 or at least {SHORTEST_PERIOD:g} seconds, "
                f"not {period:g}"
            )
        self._storage = storage
        self._period = period
        self._timeout = timeout or DEFAULT_TIMEOUT_SECONDS
        self._clock = clock
        # Since when a registration has been out of reach.
        self._unreachable: dict[tuple[str, URI], float] = {}
        self._room = asyncio.Semaphore(_MOST_AT_ONCE)

    async def run(self) -> None:
        """Go round until cancelled."""
        while True:
            await asyncio.sleep(self._period)
            try:
                await self.sweep()
            except Exception:
                _logger.exception("cleaning up names failed")

    async def sweep(self) -> None:
        """Go round once: note who is out of reach, remove who has been for long."""
        places = self._names_by_place(await self._call(self._storage.find))
        found = await asyncio.gather(
            *(self._reachable(next(iter(names.values()))) for names in places.values())
        )
        now = self._clock()
        before, self._unreachable = self._unreachable, {}
        for names, reachable in zip(places.values(), found, strict=True):
            if reachable:
                continue
            for name, uri in names.items():
                since = before.get((name, uri), now)
                if now - since < GRACE_SECONDS:
                    self._unreachable[name, uri] = since
                else:
                    await self._remove(name, uri)

    def _names_by_place(
        self, found: dict[str, Registration]
    ) -> dict[str, dict[str, URI]]:
        """Return the names to be checked with their URIs, by where they lead.

        A server may have many names, and is asked once.
        """
        places: dict[str, dict[str, URI]] = {}
        for name, registration in found.items():
            if name in {NAMESERVER_NAME, DAEMON_NAME} or registration.ttl:
                continue
            uri = _address(registration)
            if uri is None or (uri.sockname is not None and self._storage.networked):
                continue
            places.setdefault(uri.location or "", {})[name] = uri
        return places

    async def _remove(self, name: str, uri: URI) -> None:
        # It may have been registered anew while we tried the old place.
        current = await self._call(self._storage.get, name)
        if current is None or current.ttl or _address(current) != uri:
            return
        if await self._call(self._storage.remove, {name: current.version}):
            _logger.warning("removed %s: nobody answers at %s", name, uri)

    async def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        if self._storage.networked:
            return await asyncio.to_thread(function, *args)
        return function(*args)

    async def _reachable(self, uri: URI) -> bool:
        async with self._room:
            try:
                async with asyncio.timeout(self._timeout):
                    if uri.sockname is not None:
                        opened = asyncio.open_unix_connection(uri.sockname)
                    else:
                        opened = asyncio.open_connection(uri.host, uri.port)
                    _reader, writer = await opened
            except (OSError, UnicodeError, ValueError):
                # Not all that may stand in a URI can be looked up.
                return False
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            return True


def _address(registration: Registration) -> URI | None:
    """Return the URI of a registration if it names a place."""
    try:
        uri = URI(registration.uri)
    except PyroError:
        return None
    return uri if uri.protocol == "PYRO" else None
