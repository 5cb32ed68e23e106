"""The asyncio client of the name server."""

from __future__ import annotations

import asyncio
import builtins
from typing import TYPE_CHECKING, Literal, Self, TypeVar, overload

from ..config import Configuration, config
from ..errors import CommunicationError, TimeoutError  # noqa: A004 - the documented name
from ..transport import AsyncChannel
from . import operations
from .client import serializer_for, server_uri

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..uri import URI
    from .operations import Operation

__all__ = ["AsyncNameServerClient"]

Result = TypeVar("Result")


class AsyncNameServerClient:
    """A name server somewhere, with its operations as coroutine methods.

    It is for one event loop, whose tasks may share it. It connects when it is
    first used and stays connected until `aclose`, or the end of an ``async with``
    block. If the connection is lost it connects anew, and a call is repeated
    where that is certainly harmless.

    Args:
        uri: the ``PYRO`` URI of the name server; `locate_ns_async` finds it.
        config: the settings.

    Raises:
        NamingError: the URI does not say where the name server is.
    """

    def __init__(self, uri: str | URI, *, config: Configuration = config) -> None:
        self._pyroUri = server_uri(uri)
        self._pyroTimeout: float | None = config.COMMTIMEOUT or None
        self._config = config
        self._serializer = serializer_for(config)
        self._channel: AsyncChannel | None = None
        self._connecting = asyncio.Lock()

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
    ) -> None:
        """Register a URI under a name; see `NameServerClient.register`."""
        await self._perform(operations.register(name, uri, metadata, safe=safe))

    async def set_metadata(self, name: str, metadata: Iterable[str] | None) -> None:
        """Replace the metadata of a name; see `NameServerClient.set_metadata`."""
        await self._perform(operations.set_metadata(name, metadata))

    async def remove(
        self,
        name: str | None = None,
        prefix: str | None = None,
        regex: str | None = None,
    ) -> int:
        """Remove a name, or all that match; see `NameServerClient.remove`."""
        return await self._perform(operations.remove(name, prefix, regex))

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

    async def _pyroBind(self) -> bool:
        """Connect; return False if it is connected already.

        Raises:
            CommunicationError: the name server cannot be reached, or refuses.
        """
        return (await self._connected())[1]

    async def _pyroRelease(self) -> None:
        """Disconnect; the next call connects again."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.aclose()

    async def aclose(self) -> None:
        """Disconnect."""
        await self._pyroRelease()

    async def _connected(self) -> tuple[AsyncChannel, bool]:
        """Return an open channel, and whether it was opened just now."""
        async with self._connecting:
            if self._channel is not None and not self._channel.closed:
                return self._channel, False
            self._channel = await AsyncChannel.connect(
                self._pyroUri,
                serializer=self._serializer,
                timeout=self._pyroTimeout,
                config=self._config,
            )
            return self._channel, True

    async def _perform(self, operation: Operation[Result]) -> Result:
        channel, fresh = await self._connected()
        try:
            return await self._call(channel, operation)
        except TimeoutError:
            raise
        except CommunicationError as error:
            harmless = operation.repeatable or error.outcome == "not_sent"
            # One that is still open brought an error of the server's.
            if fresh or not channel.closed or not harmless:
                raise
        channel, _fresh = await self._connected()
        return await self._call(channel, operation)

    async def _call(
        self, channel: AsyncChannel, operation: Operation[Result]
    ) -> Result:
        name_server = self._pyroUri.object_id
        try:
            async with asyncio.timeout(self._pyroTimeout):
                answer = await channel.call(
                    name_server, operation.method, operation.args, {}
                )
        except builtins.TimeoutError as error:
            channel.close()
            raise TimeoutError(
                f"the name server {self._pyroUri} did not answer {operation.method} "
                f"in {self._pyroTimeout:g} seconds"
            ) from error
        return operation.result(answer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        connected = self._channel is not None and not self._channel.closed
        state = "connected" if connected else "not connected"
        return f"<{type(self).__name__} {self._pyroUri}, {state}>"
