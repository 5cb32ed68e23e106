"""The connections of an async proxy: one for each event loop, and how it is made."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import inspect
import random
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import (
    CommunicationError,
    ConnectionClosedError,
    PyroError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.naming import resolve_all_async, resolve_async
from pyro_protocol.transport.asyncio_calls import not_sent
from pyro_protocol.transport.blocking_channel import incoming, time_limit

from .async_channel import AsyncClientChannel
from .candidates import health, none_reached
from .leases import forget_connection, remember_connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_protocol.config import Configuration
    from pyro_protocol.session import ConnectAccepted
    from pyro_protocol.uri import URI

    from .facts import ObjectFacts

__all__ = ["AsyncConnections"]

_RECONNECT_INTERVAL: Final = 2.0

# The binding whose server is just being checked, and the connection to it: only the
# check itself may use that yet.
_candidate: ContextVar[tuple[AsyncConnections, AsyncClientChannel] | None] = ContextVar(
    "pyro_candidate", default=None
)


class _Attempt:
    """A connection that is being made, for all tasks that need it."""

    __slots__ = ("shared", "task", "waiters")

    def __init__(self, task: asyncio.Task[AsyncClientChannel]) -> None:
        self.task = task
        self.waiters = 0
        self.shared = False


class AsyncConnections:
    """Where an async proxy leads, what is there, and the connections to it.

    When nobody refers to it any more its connections are closed.

    Attributes:
        uri: the URI as given, or what it was resolved to by ``_pyroBind``.
        object_id: the id of the object that calls are for.
        config: the settings.
        channels: the connections by event loop.
        methods: names of the remote methods.
        attributes: names of the remote attributes.
        oneway: names of the methods whose callers do not wait.
        handshake: the value sent when connecting.
        serializer_name: the serializer to use, or None for the configured one.
        timeout: how many seconds a call may take; None means no bound.
        facts: what the server has said about the object, after a call has failed; None
            if it was not asked yet.
        validate: gives what the server's handshake value is checked with; a weak
            reference, since it is a method of the proxy.
        reconnected: gives what is told of a lost connection that was replaced, like
            ``validate``.
        names_changed: called when a server offers other names than those known
            before.
    """

    def __init__(self, uri: URI, config: Configuration) -> None:
        self.uri: URI = uri
        self.object_id: str = uri.object_id
        self.config: Configuration = config
        self.channels: dict[asyncio.AbstractEventLoop, AsyncClientChannel] = {}
        self._attempts: dict[asyncio.AbstractEventLoop, _Attempt] = {}
        self.methods: set[str] = set()
        self.attributes: set[str] = set()
        self.oneway: set[str] = set()
        self.handshake: object = "hello"
        self.serializer_name: str | None = None
        self.timeout: float | None = config.COMMTIMEOUT or None
        self.facts: ObjectFacts | None = None
        self.validate: Callable[[], Callable[[Any], Any] | None] | None = None
        self.reconnected: Callable[[], Callable[[bool], Any] | None] | None = None
        self._sequence = 0
        self.names_changed: Callable[[], None] | None = None

    def __del__(self) -> None:
        for channel in list(getattr(self, "channels", {}).values()):
            channel.drop()

    @property
    def current_channel(self) -> AsyncClientChannel | None:
        """The connection in the event loop that runs here; or None."""
        with contextlib.suppress(RuntimeError):
            channel = self.channels.get(asyncio.get_running_loop())
            if channel is not None and channel.usable:
                return channel
        candidate = _candidate.get()
        if candidate is None or candidate[0] is not self or not candidate[1].usable:
            return None
        return candidate[1]

    @property
    def connected(self) -> bool:
        """Whether there is a connection in the event loop that runs here."""
        return self.current_channel is not None

    @property
    def last_channel(self) -> AsyncClientChannel | None:
        """The connection made last that has not ended, in whatever event loop."""
        found = [one for one in list(self.channels.values()) if one.usable]
        return found[-1] if found else None

    async def connect(self, *, replace_uri: bool = False) -> AsyncClientChannel:
        """Return the connection, making it first if there is none.

        Tasks that need it at the same time wait for the same one. It is given up when
        none of them waits any longer.

        Raises:
            CommunicationError: the server could not be reached, or refused, or the
                time was used up.
            NamingError: the name could not be resolved.
        """
        return await self.connect_within(self.timeout, replace_uri=replace_uri)

    async def connect_within(
        self, patience: float | None, *, replace_uri: bool = False
    ) -> AsyncClientChannel:
        """Like `connect`, but wait so many seconds; None means no bound."""
        channel = self.current_channel
        if channel is not None:
            return channel
        patience = time_limit(patience)
        loop = asyncio.get_running_loop()
        attempt = self._attempts.get(loop)
        if attempt is None or attempt.task.done():
            task = loop.create_task(self._open(loop, patience, replace_uri=replace_uri))
            attempt = self._attempts[loop] = _Attempt(task)
        else:
            attempt.shared = True
        attempt.waiters += 1
        began = loop.time()
        try:
            async with asyncio.timeout(patience):
                channel = await asyncio.shield(attempt.task)
        except builtins.TimeoutError as error:
            if attempt.task.done():
                raise
            raise _not_sent(
                TimeoutError(
                    f"connecting to {self.uri}: timeout after "
                    f"{loop.time() - began:.3f} s"
                )
            ) from error
        except CommunicationError as error:
            if attempt.shared:
                # One exception raised in several tasks mixes their traces.
                raise not_sent(error) from error.__cause__
            raise
        finally:
            attempt.waiters -= 1
            if not attempt.waiters:
                attempt.task.cancel()
                if self._attempts.get(loop) is attempt:
                    del self._attempts[loop]
        if channel.accepted is not None:
            incoming(channel.accepted.annotations)
        return channel

    async def _open(
        self,
        loop: asyncio.AbstractEventLoop,
        patience: float | None,
        *,
        replace_uri: bool,
    ) -> AsyncClientChannel:
        uri = self.uri
        if uri.protocol == "PYROMETA":
            return await self._open_any(loop, uri, patience, replace_uri=replace_uri)
        if uri.protocol != "PYRO":
            uri = await resolve_async(uri, config=self.config)
        return await self._open_at(loop, uri, replace_uri=replace_uri)

    async def _open_any(
        self,
        loop: asyncio.AbstractEventLoop,
        uri: URI,
        patience: float | None,
        *,
        replace_uri: bool,
    ) -> AsyncClientChannel:
        """Connect to any of the servers that a URI may stand for.

        Each server gets its share of the time.
        """
        end = None if patience is None else loop.time() + patience
        failures: list[CommunicationError] = []
        tried = health.ordered(await resolve_all_async(uri, config=self.config))
        for number, one in enumerate(tried):
            share = None
            if end is not None:
                share = (end - loop.time()) / (len(tried) - number)
            try:
                async with asyncio.timeout(share):
                    channel = await self._open_at(loop, one, replace_uri=replace_uri)
            except CommunicationError as error:
                failures.append(error)
            except builtins.TimeoutError:
                failures.append(
                    _not_sent(TimeoutError(f"connecting to {one.location}: timeout"))
                )
            else:
                health.works(one)
                return channel
            health.failed(one)
        raise none_reached(uri, failures)

    async def _open_at(
        self, loop: asyncio.AbstractEventLoop, uri: URI, *, replace_uri: bool
    ) -> AsyncClientChannel:
        validate = None
        if self.validate is not None:
            validate = self.validate()
            if validate is None:
                raise _not_sent(
                    ConnectionClosedError(
                        "the proxy that would check the server is gone"
                    )
                )
        before = self.channels.get(loop)
        channel = await AsyncClientChannel.open(
            uri,
            handshake=self.handshake,
            serializer=self.serializer_name,
            sequence=self._sequence if before is None else before.sequence,
            config=self.config,
        )
        known = set(self.methods), set(self.oneway), set(self.attributes)
        try:
            accepted = _offer(channel)
            self.object_id = uri.object_id
            self.set_metadata(accepted.methods, accepted.oneway, accepted.attributes)
            token = _candidate.set((self, channel))
            try:
                checked = None if validate is None else validate(accepted.handshake)
                if inspect.isawaitable(checked):
                    await checked
                if before is not None and not before.retired:
                    await self._resume(before, channel)
            finally:
                _candidate.reset(token)
        except BaseException:
            self.set_metadata(*known)
            channel.close()
            raise
        if replace_uri:
            self.uri = uri
        self._keep(loop, channel)
        return channel

    async def _resume(
        self, lost: AsyncClientChannel, found: AsyncClientChannel
    ) -> None:
        """Act on the loss of a connection that has just been replaced."""

    def _keep(
        self, loop: asyncio.AbstractEventLoop, channel: AsyncClientChannel
    ) -> None:
        for other in [one for one in self.channels if one.is_closed()]:
            del self.channels[other]
        before = self.channels.pop(loop, None)
        if before is not None and before.lease_key is not None:
            forget_connection(before.lease_key)
        self.channels[loop] = channel
        if channel.lease_key is not None:
            remember_connection(channel.lease_key, channel)

    def set_metadata(self, methods: Any, oneway: Any, attributes: Any) -> None:
        """Take over the names that the remote object offers."""
        before = set(self.methods), set(self.attributes)
        # In place, as views of the proxy share them.
        for known, new in (
            (self.methods, methods),
            (self.oneway, oneway),
            (self.attributes, attributes),
        ):
            names = set(new)
            # In this order: event loops in other threads may look meanwhile.
            known.update(names)
            known.intersection_update(names)
        if before != (self.methods, self.attributes):
            self.facts = None
            if self.names_changed is not None:
                self.names_changed()

    def use_serializer(self, name: str | None) -> None:
        """Use a serializer from now on; None stands for the configured one."""
        self.serializer_name = name
        if name is None:
            for channel in self.channels.values():
                channel.serializer = channel.choose(self.config.SERIALIZER)

    async def need_metadata(self) -> None:
        """Connect if it is not known yet what the remote object offers."""
        if not self.methods and not self.attributes:
            await self.connect()

    async def release(self) -> None:
        """End the connections; the next call makes a new one."""
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        for loop, channel in list(self.channels.items()):
            self.channels.pop(loop, None)
            self._sequence = channel.sequence
            if channel.lease_key is not None:
                forget_connection(channel.lease_key)
            if loop is here:
                await channel.aclose()
            else:
                channel.drop()

    async def reconnect(self, tries: int) -> None:
        """Make a new connection, trying again every two seconds.

        Raises:
            ConnectionClosedError: none of the tries succeeded.
        """
        await self.release()
        while tries > 0:
            tries -= 1
            try:
                await self.connect()
            except CommunicationError as error:
                if tries <= 0:
                    raise _not_sent(
                        ConnectionClosedError("failed to reconnect")
                    ) from error
                spread = random.uniform(0.9, 1.1)  # noqa: S311 - spreads clients out
                await asyncio.sleep(_RECONNECT_INTERVAL * spread)
            else:
                return
        raise _not_sent(ConnectionClosedError("failed to reconnect"))


def _offer(channel: AsyncClientChannel) -> ConnectAccepted:
    """Return what the server has accepted us with.

    Raises:
        PyroError: its object has nothing that could be used.
    """
    accepted = channel.accepted
    if accepted is None or not (accepted.methods or accepted.attributes):
        raise PyroError(
            f"remote object {channel.uri} exposes nothing: no method, no attribute"
        )
    return accepted


def _not_sent(error: CommunicationError) -> CommunicationError:
    error.outcome = "not_sent"
    return error
