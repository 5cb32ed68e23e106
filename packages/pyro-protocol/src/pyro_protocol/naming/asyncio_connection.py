"""The connection of an asyncio client to any of several name servers."""

from __future__ import annotations

import asyncio
import builtins
from typing import TYPE_CHECKING, TypeVar

from ..errors import (
    CommunicationError,
    ConnectionClosedError,
    DaemonError,
    SecurityError,
    TimeoutError,  # noqa: A004 - the documented name
)
from ..transport import AsyncChannel
from .standing import (
    check_ability,
    handshake_for,
    is_absent,
    patience_for,
    refused,
    standing,
)

if TYPE_CHECKING:
    from ..config import Configuration
    from ..uri import URI
    from .operations import Operation

__all__ = ["AsyncConnection"]

Result = TypeVar("Result")


class AsyncConnection:
    """Connects to the first name server that works, and to the next if it fails.

    It is for one event loop, whose tasks may share it.

    Args:
        uris: where the name servers are, which answer alike; at least one.
        serializer: the name of the serializer.
        config: the settings.

    Attributes:
        uri: the name server that was connected to last.
        timeout: how many seconds connecting, and each call, may take; None: no bound.
    """

    def __init__(
        self, uris: tuple[URI, ...], serializer: str, config: Configuration
    ) -> None:
        self.uri: URI = uris[0]
        self.timeout: float | None = config.COMMTIMEOUT or None
        self._uris = uris
        self._serializer = serializer
        self._config = config
        self._channel: AsyncChannel | None = None
        self._connecting = asyncio.Lock()
        self._ended = False

    def another(self) -> AsyncConnection:
        """Return one to the same name servers that is not connected yet."""
        result = AsyncConnection(self._uris, self._serializer, self._config)
        result.timeout = self.timeout
        return result

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._channel is not None and not self._channel.closed

    async def open(self) -> bool:
        """Connect; return False if it is connected already; see `Connection.open`."""
        return (await self._current())[1]

    async def aclose(self) -> None:
        """Disconnect; the next call connects again."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.aclose()

    async def end(self) -> None:
        """Disconnect for good; a call that is under way fails."""
        self._ended = True
        await self.aclose()

    def require(self, needs: str) -> None:
        """Make sure that the name server can do something, if it is connected.

        Raises:
            NamingError: it cannot.
        """
        channel = self._channel
        if channel is not None and not channel.closed:
            check_ability(needs, channel.uri, channel.accepted)

    def abort(self) -> None:
        """Disconnect without waiting for that."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    async def perform(self, operation: Operation[Result]) -> Result:
        """Do something, on another name server if one fails; see `Connection`."""
        connects = len(self._uris)
        first = True
        while True:
            channel, fresh = await self._current()
            # Another task may have connected, to a name server that keeps failing.
            connects -= fresh or not first
            first = False
            try:
                return await self._call(channel, operation)
            except TimeoutError:
                standing.failed(channel.uri)
                raise
            except CommunicationError as error:
                # One that is still open brought an error of the server's.
                if not channel.closed:
                    raise
                standing.failed(channel.uri)
                harmless = operation.repeatable or error.outcome == "not_sent"
                if self._ended or not harmless or connects <= 0:
                    raise
            except DaemonError as error:
                if connects <= 0 or not is_absent(error, len(self._uris)):
                    raise
                standing.failed(channel.uri)
                channel.close()

    async def _current(self) -> tuple[AsyncChannel, bool]:
        """Return an open channel, and whether it was opened just now."""
        async with self._connecting:
            channel = self._channel
            if channel is not None and not channel.closed:
                return channel, False
            self._channel = channel = await self._connect()
            self.uri = channel.uri
            if self._ended:
                channel.close()
                raise ConnectionClosedError("the connection was ended here")
            return channel, True

    async def _connect(self) -> AsyncChannel:
        failure: CommunicationError | SecurityError | None = None
        others = len(self._uris) - 1
        for number, uri in enumerate(standing.ordered(self._uris)):
            patience = patience_for(self.timeout, others, others - number)
            try:
                channel = await AsyncChannel.connect(
                    uri,
                    handshake=handshake_for(self._config),
                    serializer=self._serializer,
                    timeout=patience,
                    config=self._config,
                )
            except CommunicationError as error:
                standing.failed(uri)
                telling = refused(error, self._config)
                # That it is not welcome says more than that another one is dead.
                if not isinstance(failure, SecurityError):
                    failure = telling
                continue
            standing.works(uri)
            return channel
        if failure is None:
            raise AssertionError("there is no name server to connect to")
        raise failure

    async def _call(
        self, channel: AsyncChannel, operation: Operation[Result]
    ) -> Result:
        if operation.needs:
            check_ability(operation.needs, channel.uri, channel.accepted)
        method = operation.method
        if channel.accepted is not None:
            method = operation.method_of(channel.accepted.methods)
        name_server = channel.uri.object_id
        limit = None if self.timeout is None else self.timeout + operation.wait
        try:
            async with asyncio.timeout(limit):
                answer = await channel.call(name_server, method, operation.args, {})
        except builtins.TimeoutError as error:
            channel.close()
            raise TimeoutError(
                f"the name server {channel.uri} did not answer {operation.method} "
                f"in {limit:g} seconds"
            ) from error
        return operation.result(answer)
