"""The asyncio client of the name server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self, overload

from ..config import Configuration, config
from . import operations
from .asyncio_connection import AsyncConnection
from .client import PAGE_SIZE, serializer_for, server_uri

if TYPE_CHECKING:
    import builtins
    from collections.abc import AsyncIterator, Iterable

    from ..uri import URI
    from .asyncio_watch import AsyncNameWatch
    from .records import NameEntry

__all__ = ["AsyncNameServerClient"]


class AsyncNameServerClient:
    """A name server somewhere, with its operations as coroutine methods.

    It is for one event loop, whose tasks may share it. It connects when it is
    first used and stays connected until `aclose`, or the end of an ``async with``
    block. If the connection is lost it connects anew, to another name server if it
    knows several, and a call is repeated where that is certainly harmless.

    Args:
        uri: the ``PYRO`` URI of the name server; `locate_ns_async` finds it.
        others: URIs of others that answer alike, because they share what they know.
        config: the settings.

    Raises:
        NamingError: the URI does not say where the name server is.
    """

    def __init__(
        self,
        uri: str | URI,
        *,
        others: Iterable[str | URI] = (),
        config: Configuration = config,
    ) -> None:
        uris = dict.fromkeys(map(server_uri, (uri, *others)))
        self._connection = AsyncConnection(tuple(uris), serializer_for(config), config)
        self._perform = self._connection.perform

    @overload
    async def lookup(
        self, name: str, return_metadata: Literal[False] = False
    ) -> URI: ...

    @overload
    async def lookup(
        self, name: str, return_metadata: Literal[True]
    ) -> tuple[URI, set[str]]: ...

    @overload
    async def lookup(
        self, name: str, return_metadata: bool
    ) -> URI | tuple[URI, set[str]]: ...

    async def lookup(
        self, name: str, return_metadata: bool = False
    ) -> URI | tuple[URI, set[str]]:
        """Return the URI registered under a name; see `NameServerClient.lookup`."""
        if return_metadata:
            return await self._perform(operations.find_with_metadata(name))
        return await self._perform(operations.find(name))

    async def register(
        self,
        name: str,
        uri: str | URI,
        safe: bool = False,
        metadata: Iterable[str] | None = None,
        *,
        ttl: float | None = None,
        owner: str | None = None,
        force: bool = False,
    ) -> None:
        """Register a URI under a name; see `NameServerClient.register`."""
        await self._perform(
            operations.register(
                name, uri, metadata, safe=safe, ttl=ttl, owner=owner, force=force
            )
        )

    async def renew(
        self, names: str | Iterable[str], owner: str | None = None
    ) -> builtins.list[str]:
        """Have names last for their ttl from now on; see `NameServerClient.renew`."""
        return await self._perform(operations.renew(names, owner))

    async def set_metadata(
        self,
        name: str,
        metadata: Iterable[str] | None,
        *,
        owner: str | None = None,
        force: bool = False,
    ) -> None:
        """Replace the metadata of a name; see `NameServerClient.set_metadata`."""
        await self._perform(
            operations.set_metadata(name, metadata, owner=owner, force=force)
        )

    async def remove(
        self,
        name: str | None = None,
        prefix: str | None = None,
        regex: str | None = None,
        *,
        owner: str | None = None,
        force: bool = False,
    ) -> int:
        """Remove a name, or all that match; see `NameServerClient.remove`."""
        return await self._perform(
            operations.remove(name, prefix, regex, owner=owner, force=force)
        )

    async def describe(self, name: str) -> NameEntry:
        """Return all that is known about a name; see `NameServerClient.describe`."""
        return await self._perform(operations.describe(name))

    async def entries(
        self,
        prefix: str = "",
        *,
        meta_all: Iterable[str] | None = None,
        meta_any: Iterable[str] | None = None,
        regex: str | None = None,
        page_size: int = PAGE_SIZE,
    ) -> AsyncIterator[NameEntry]:
        """Return what is registered, page by page; see `NameServerClient.entries`."""
        tags_all, tags_any = operations.criteria(meta_all, meta_any)
        after: str = ""
        while True:
            page = await self._perform(
                operations.page(prefix, tags_all, tags_any, regex, after, page_size)
            )
            for entry in page.entries:
                yield entry
            after = page.next
            if not after:
                return

    def watch(
        self, prefix: str = "", *, after: str | None = None, existing: bool = False
    ) -> AsyncNameWatch:
        """Return an iterator over what happens to names; see `NameServerClient.watch`.

        It begins when its first change is awaited, or as an ``async with`` block;
        `AsyncNameWatch.aclose`, or the end of that block, ends it.
        """
        from .asyncio_watch import AsyncNameWatch  # noqa: PLC0415 - few programs watch

        # It would only find out on a connection of its own.
        self._connection.require("changes")
        connection = self._connection.another()
        return AsyncNameWatch(connection, prefix, after, existing=existing)

    @overload
    async def list(
        self,
        prefix: str | None = None,
        regex: str | None = None,
        return_metadata: Literal[False] = False,
    ) -> dict[str, str]: ...

    @overload
    async def list(
        self,
        prefix: str | None = None,
        regex: str | None = None,
        *,
        return_metadata: Literal[True],
    ) -> dict[str, tuple[str, set[str]]]: ...

    @overload
    async def list(
        self, prefix: str | None, regex: str | None, return_metadata: Literal[True]
    ) -> dict[str, tuple[str, set[str]]]: ...

    async def list(
        self,
        prefix: str | None = None,
        regex: str | None = None,
        return_metadata: bool = False,
    ) -> dict[str, str] | dict[str, tuple[str, set[str]]]:
        """Return the registered names; see `NameServerClient.list`."""
        if return_metadata:
            return await self._perform(operations.list_with_metadata(prefix, regex))
        return await self._perform(operations.list_names(prefix, regex))

    @overload
    async def yplookup(
        self,
        meta_all: Iterable[str] | None = None,
        meta_any: Iterable[str] | None = None,
        return_metadata: Literal[True] = True,
    ) -> dict[str, tuple[str, set[str]]]: ...

    @overload
    async def yplookup(
        self,
        meta_all: Iterable[str] | None = None,
        meta_any: Iterable[str] | None = None,
        *,
        return_metadata: Literal[False],
    ) -> dict[str, str]: ...

    @overload
    async def yplookup(
        self,
        meta_all: Iterable[str] | None,
        meta_any: Iterable[str] | None,
        return_metadata: Literal[False],
    ) -> dict[str, str]: ...

    async def yplookup(
        self,
        meta_all: Iterable[str] | None = None,
        meta_any: Iterable[str] | None = None,
        return_metadata: bool = True,
    ) -> dict[str, str] | dict[str, tuple[str, set[str]]]:
        """Return the names that have metadata; see `NameServerClient.yplookup`."""
        if return_metadata:
            found = operations.search_with_metadata(meta_all, meta_any)
            return await self._perform(found)
        return await self._perform(operations.search(meta_all, meta_any))

    async def count(self) -> int:
        """Return how many names are registered."""
        return await self._perform(operations.count())

    async def ping(self) -> None:
        """Return if the name server is alive; see `NameServerClient.ping`."""
        await self._perform(operations.ping())

    @property
    def _pyroUri(self) -> URI:
        """Where the name server is; of several, the one that was last connected to."""
        return self._connection.uri

    @property
    def _pyroTimeout(self) -> float | None:
        """How many seconds connecting, and each call, may take; None: no bound."""
        return self._connection.timeout

    @_pyroTimeout.setter
    def _pyroTimeout(self, seconds: float | None) -> None:
        self._connection.timeout = seconds or None

    async def _pyroBind(self) -> bool:
        """Connect; return False if it is connected already.

        Raises:
            CommunicationError: the name server cannot be reached.
            SecurityError: it refuses this program.
        """
        return await self._connection.open()

    async def _pyroRelease(self) -> None:
        """Disconnect; the next call connects again."""
        await self._connection.aclose()

    async def aclose(self) -> None:
        """Disconnect."""
        await self._pyroRelease()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        state = "connected" if self._connection.connected else "not connected"
        return f"<{type(self).__name__} {self._pyroUri}, {state}>"
