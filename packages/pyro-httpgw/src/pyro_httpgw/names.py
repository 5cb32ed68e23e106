"""Where the objects are: what the name server says, remembered for a moment."""

from __future__ import annotations

import asyncio
import contextvars
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from pyro_protocol.errors import CommunicationError, NamingError
from pyro_protocol.naming import AsyncNameServerClient, locate_ns_async, resolve_async

from .errors import CallFailedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pyro_protocol import URI, Configuration

__all__ = ["Found", "NameCache"]

REMEMBER_SECONDS: Final = 2.0
"""How long an answer of the name server counts. It saves the lookup when calls come
in a row, and a change of a registration is followed after this time at the latest."""

# As many names as anybody uses within that time; a bound on memory.
_MOST_REMEMBERED: Final = 1000


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
    connection to it has been lost.

    Args:
        config: where to search for it.
        remember_seconds: how long an answer counts.
        clock: tells the time in seconds.
    """

    def __init__(
        self,
        config: Configuration,
        *,
        remember_seconds: float = REMEMBER_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._remember_seconds = remember_seconds
        self._clock = clock
        self._remembered: dict[str, tuple[float, URI]] = {}
        self._client: AsyncNameServerClient | None = None
        self._search: asyncio.Task[AsyncNameServerClient] | None = None

    @property
    def location(self) -> str | None:
        """Where the name server is, or None if it has not been found yet."""
        return None if self._client is None else self._client._pyroUri.location

    async def lookup(self, name: str) -> Found:
        """Return where the object of this name is.

        Raises:
            CallFailedError: there is no such name.
            NamingError: there is no name server.
            CommunicationError: it does not answer.
        """
        expires, remembered = self._remembered.get(name, (0.0, None))
        if remembered is not None and expires > self._clock():
            return Found(remembered, remembered=True)
        uri = await self._ask(lambda client: _lookup(client, name))
        if uri.protocol != "PYRO":
            uri = await resolve_async(uri, config=self._config)
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[name] = self._clock() + self._remember_seconds, uri
        return Found(uri, remembered=False)

    def forget(self, name: str) -> None:
        """Ask the name server again the next time."""
        self._remembered.pop(name, None)

    async def all_names(self) -> list[str]:
        """Return every registered name.

        Raises:
            NamingError: there is no name server.
            CommunicationError: it does not answer.
        """
        return list(await self._ask(lambda client: client.list()))

    async def aclose(self) -> None:
        """Close the connection to the name server."""
        if self._search is not None:
            self._search.cancel()
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

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
                    await known.aclose()
        return await question(await self._locate())

    async def _locate(self) -> AsyncNameServerClient:
        """Search for the name server; all who need it wait for the same search."""
        if self._client is not None:
            return self._client
        if self._search is None:
            self._search = asyncio.get_running_loop().create_task(
                locate_ns_async(config=self._config),
                # Not on behalf of the one request that happens to be the first.
                context=contextvars.Context(),
            )
            self._search.add_done_callback(self._searched)
        return await asyncio.shield(self._search)

    def _searched(self, search: asyncio.Task[AsyncNameServerClient]) -> None:
        self._search = None
        if not search.cancelled() and search.exception() is None:
            self._client = search.result()


async def _lookup(client: AsyncNameServerClient, name: str) -> URI:
    try:
        return await client.lookup(name)
    except NamingError as error:
        raise CallFailedError(
            HTTPStatus.NOT_FOUND, NamingError(f"unknown name: {name}")
        ) from error
