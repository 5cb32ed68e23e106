"""Where the objects are: what the name server says, remembered while it is true."""

from __future__ import annotations

import asyncio
import contextvars
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pyro_protocol.errors import (
    CommunicationError,
    ConnectionClosedError,
    NamingError,
)
from pyro_protocol.naming import AsyncNameServerClient, locate_ns_async, resolve_async

from ..errors import CallFailedError
from .live import LiveNames
from .remembered import REMEMBER_SECONDS, RememberedNames

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pyro_protocol import URI, Configuration
    from pyro_protocol.naming import AsyncNameWatch

__all__ = ["Found", "NameCache"]

T = TypeVar("T")


class Found(NamedTuple):
    """Where an object is.

    Attributes:
        uri: its ``PYRO`` URI.
        remembered: whether the name server said so some time ago, and not just now.
    """

    uri: URI
    remembered: bool


class NameCache:
    """Looks up names; for use in one event loop.

    The name server is searched for when it is first needed, and again when the
    connection to it has been lost. Where it can be watched, its answers count until it
    tells of a change.

    Args:
        config: where to search for it.
        remember_seconds: how long an answer counts if it cannot be watched.
        clock: tells the time in seconds.

    Attributes:
        live: all names, for those who want to see them change.
    """

    def __init__(
        self,
        config: Configuration,
        *,
        remember_seconds: float = REMEMBER_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._remembered = RememberedNames(remember_seconds, clock)
        self._client: AsyncNameServerClient | None = None
        self._search: asyncio.Task[AsyncNameServerClient] | None = None
        self._closed = False
        self.live: LiveNames = LiveNames(self)

    @property
    def location(self) -> str | None:
        """Where the name server is, or None if it has not been found yet."""
        return None if self._client is None else self._client._pyroUri.location

    def known(self, name: str) -> URI | None:
        """Return where the object of this name is, if that is remembered."""
        return self._remembered.get(name)

    async def lookup(self, name: str) -> Found:
        """Return where the object of this name is.

        Raises:
            CallFailedError: there is no such name.
            NamingError: there is no name server.
            CommunicationError: it does not answer.
        """
        remembered = self._remembered.get(name)
        if remembered is not None:
            return Found(remembered, remembered=True)
        uri = await self._ask(lambda client: self._lookup(client, name))
        is_place = uri.protocol == "PYRO"
        if not is_place:
            uri = await resolve_async(uri, config=self._config)
        self._remembered.put(name, uri, lasting=is_place)
        return Found(uri, remembered=False)

    def forget(self, name: str) -> None:
        """Ask the name server again the next time."""
        self._remembered.forget(name)

    async def all_names(self) -> list[str]:
        """Return every registered name.

        Raises:
            NamingError: there is no name server.
            CommunicationError: it does not answer.
        """
        return list(await self._ask(lambda client: client.list()))

    async def all_metadata(self) -> dict[str, frozenset[str]]:
        """Return every registered name, with its metadata.

        Raises:
            NamingError: there is no name server.
            CommunicationError: it does not answer.
        """
        listed = await self._ask(lambda client: client.list(return_metadata=True))
        return {name: frozenset(tags) for name, (_uri, tags) in listed.items()}

    async def ping(self) -> None:
        """Do nothing if the name server is there.

        Raises:
            NamingError: there is no name server.
            CommunicationError: it does not answer.
        """
        await self._ask(lambda client: client.ping())

    async def watch(self) -> AsyncNameWatch:
        """Return a watch of all names that has begun; the caller has to close it.

        Raises:
            NamingError: there is no name server, or it cannot be watched.
            CommunicationError: it does not answer.
        """
        return await self._ask(_begin_watch)

    async def aclose(self) -> None:
        """Close the connection to the name server."""
        self._closed = True
        search = self._search
        if search is not None:
            search.cancel()
            # It may have found one just now.
            await asyncio.wait((search,))
        await self.live.aclose()
        await self._remembered.aclose()
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _lookup(self, client: AsyncNameServerClient, name: str) -> URI:
        await self._remembered.follow(client)
        self._remembered.will_ask(name)
        try:
            return await client.lookup(name)
        except NamingError as error:
            raise CallFailedError(
                HTTPStatus.NOT_FOUND, NamingError(f"unknown name: {name}")
            ) from error

    async def _ask(
        self, question: Callable[[AsyncNameServerClient], Awaitable[T]]
    ) -> T:
        known = self._client
        if known is not None:
            try:
                return await question(known)
            except CommunicationError:
                # It was restarted perhaps. Asking twice does no harm.
                if self._client is known:
                    self._client = None
                    await self._remembered.aclose()
                    await known.aclose()
        return await question(await self._locate())

    async def _locate(self) -> AsyncNameServerClient:
        """Search for the name server; all who need it wait for the same search."""
        if self._client is not None:
            return self._client
        if self._closed:
            raise _ended()
        if self._search is None:
            self._search = asyncio.get_running_loop().create_task(
                locate_ns_async(config=self._config),
                # Not on behalf of the one request that happens to be the first.
                context=contextvars.Context(),
            )
            self._search.add_done_callback(self._searched)
        search = self._search
        await asyncio.wait((search,))
        if self._closed:
            raise _ended()
        return search.result()

    def _searched(self, search: asyncio.Task[AsyncNameServerClient]) -> None:
        self._search = None
        if not search.cancelled() and search.exception() is None:
            self._client = search.result()


def _ended() -> ConnectionClosedError:
    return ConnectionClosedError("the gateway's connections are being closed")


async def _begin_watch(client: AsyncNameServerClient) -> AsyncNameWatch:
    watch = client.watch()
    try:
        await watch.begin()
    except BaseException:
        watch.abort()
        raise
    return watch
