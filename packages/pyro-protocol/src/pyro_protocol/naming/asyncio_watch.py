"""Watching names from a task that waits for what happens."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Self

from ..context import current_context
from .watching import ANSWER_SECONDS, WatchCourse

if TYPE_CHECKING:
    from types import TracebackType

    from .asyncio_connection import AsyncConnection
    from .records import NameChange

__all__ = ["AsyncNameWatch"]


class AsyncNameWatch:
    """Iterates over what happens to names; `AsyncNameServerClient.watch` makes one.

    It is for one event loop, and one task at a time. Cancelling that ends the
    connection, and the next change that is awaited is the one after the last.
    """

    def __init__(
        self,
        connection: AsyncConnection,
        prefix: str,
        after: str | None,
        *,
        existing: bool,
    ) -> None:
        self._connection = connection
        # Whatever happens, a watch must find out when its name server is dead.
        connection.timeout = connection.timeout or ANSWER_SECONDS
        self._loop = asyncio.get_running_loop()
        self._course = WatchCourse(
            prefix, after, existing=existing, clock=self._loop.time
        )
        self._ready: deque[NameChange] = deque()
        self._returned = after
        self._closed = asyncio.Event()
        self._current = False

    @property
    def position(self) -> str | None:
        """After what another watch can go on; see `NameWatch.position`."""
        return self._returned if self._ready else self._course.position

    @property
    def current(self) -> bool:
        """Whether the name server answered the last time; see `NameWatch.current`."""
        return self._current and not self._closed.is_set()

    async def begin(self) -> None:
        """Connect, and miss nothing from here on; harmless if that has been done.

        Raises:
            NamingError: the name server cannot be watched, or does not remember what
                was after the position to go on from.
            CommunicationError: it cannot be reached.
            SecurityError: it refuses this program.
        """
        while not self._course.begun and not self._closed.is_set():
            await self._ask()
            if self._returned is None:
                self._returned = self._course.position

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> NameChange:
        """Wait for the next change and return it; see `NameWatch.__next__`.

        Raises:
            StopAsyncIteration: the watch has been closed.
            NamingError: changes have been missed, or the name server refuses.
            CommunicationError: it does not answer as a name server does.
            SecurityError: it refuses this program.
        """
        await self.begin()
        while not self._closed.is_set():
            if self._ready:
                change = self._ready.popleft()
                self._returned = change.position
                return change
            await self._ask()
        raise StopAsyncIteration

    async def _ask(self) -> None:
        """Ask the name server one question."""
        question = self._course.question()
        try:
            answer = await self._connection.perform(question)
        except Exception as error:
            self._current = False
            if self._closed.is_set():
                return
            remaining = current_context.remaining
            if remaining is not None and remaining <= 0:
                raise
            try:
                pause = self._course.failed(error)
            except BaseException:
                await self.aclose()
                raise
        except BaseException:
            # Its answer would hold up the next question.
            self._connection.abort()
            raise
        else:
            self._current = True
            pause = self._course.answered(answer)
        self._ready += self._course.take_ready()
        if pause:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._closed.wait()

    async def aclose(self) -> None:
        """End the iteration, and the connection; harmless if that has been done."""
        self._closed.set()
        await self._connection.end()

    def abort(self) -> None:
        """End the iteration, and the connection without waiting for that."""
        self._closed.set()
        self._connection.abort()

    async def __aenter__(self) -> Self:
        try:
            await self.begin()
        except BaseException:
            self.abort()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        connection = getattr(self, "_connection", None)
        loop = getattr(self, "_loop", None)
        if loop is not None and connection is not None and connection.connected:
            # Whichever thread this is; and the loop may have ended before.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(connection.abort)
