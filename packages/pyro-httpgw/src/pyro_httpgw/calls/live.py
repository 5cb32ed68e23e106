"""What is registered, kept true for those who want to see it change.

Nothing is asked while nobody looks. All who do are served by one watch of the name
server, or, where that cannot be watched, by one who asks every two seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from typing import TYPE_CHECKING, Final, Protocol

from pyro_protocol.errors import CommunicationError, NamingError, PyroError

if TYPE_CHECKING:
    from pyro_protocol.naming import AsyncNameWatch

__all__ = ["LiveNames", "NameSource"]

_logger = logging.getLogger("pyro.httpgw")

ASK_SECONDS: Final = 2.0
"""How long after a question the next one is asked where the name server cannot be
watched, or could not be reached: soon enough for people, seldom enough for it."""

WATCH_AGAIN_SECONDS: Final = 60.0
"""How long a name server is left alone that could not be watched."""


class NameSource(Protocol):
    """Where to ask for names; see `NameCache`."""

    async def all_metadata(self) -> dict[str, frozenset[str]]:
        """Return every registered name, with its metadata."""

    async def watch(self) -> AsyncNameWatch:
        """Return a watch of the name server that has begun."""


class LiveNames:
    """The names of a name server and their metadata, as they change.

    It is for one event loop.

    Args:
        source: where to ask.
        ask_seconds: how long to wait between two questions.

    Attributes:
        names: what is registered, with its metadata; None while that is not known.
        problem: why that may be out of date; None if it is not.
        version: counts the changes of the two.
        closed: whether no more changes will come.
    """

    def __init__(self, source: NameSource, ask_seconds: float = ASK_SECONDS) -> None:
        self._source = source
        self._ask_seconds = ask_seconds
        self._followers = 0
        self._keeper: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._watch_at = 0.0
        self.names: dict[str, frozenset[str]] | None = None
        self.problem: PyroError | None = None
        self.version: int = 0
        self.closed: bool = False

    def begin(self) -> None:
        """Keep the names true from now on, until `end` is called as often as this."""
        self._followers += 1
        if self._keeper is None and not self.closed:
            self._keeper = asyncio.get_running_loop().create_task(
                self._keep(),
                # Not on behalf of the one request that happens to be the first.
                context=contextvars.Context(),
            )

    def end(self) -> None:
        """Follow no more."""
        self._followers -= 1
        if not self._followers:
            self._stop()

    async def wait(self, version: int, seconds: float) -> None:
        """Wait until it is another version than this one, but not for ever."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.version == version and not self.closed:
                    await self._changed.wait()

    async def aclose(self) -> None:
        """End all that follows; no more may begin."""
        self.closed = True
        keeper = self._keeper
        self._stop()
        self._tell()
        if keeper is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await keeper

    def _stop(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
        # It would be out of date when somebody follows again.
        self.names, self.problem = None, None

    def _tell(self) -> None:
        self.version += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _keep(self) -> None:
        while True:
            watch = await self._begin_watch()
            try:
                self.names = await self._source.all_metadata()
                self.problem = None
                self._tell()
                if watch is None:
                    await asyncio.sleep(self._ask_seconds)
                else:
                    await self._apply(watch)
            except PyroError as error:
                await self._pause_for(error)
            except Exception as error:
                _logger.exception("the list of objects could not be brought up to date")
                await self._pause_for(PyroError(f"the gateway failed: {error}"))
            finally:
                if watch is not None:
                    watch.abort()

    async def _pause_for(self, problem: PyroError) -> None:
        self.problem = problem
        # It may come back as one that can be watched.
        self._watch_at = 0.0
        self._tell()
        await asyncio.sleep(self._ask_seconds)

    async def _begin_watch(self) -> AsyncNameWatch | None:
        """Return a watch, or None if it is time to ask instead."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._watch_at:
            return None
        try:
            return await self._source.watch()
        except CommunicationError:
            return None
        except NamingError as error:
            _logger.debug("the name server is asked instead of watched: %s", error)
            self._watch_at = loop.time() + WATCH_AGAIN_SECONDS
            return None

    async def _apply(self, watch: AsyncNameWatch) -> None:
        """Follow a watch until it fails."""
        while True:
            change = asyncio.ensure_future(anext(watch))
            try:
                while not change.done():
                    await asyncio.wait({change}, timeout=self._ask_seconds)
                    self._note_standing(watch)
                told = change.result()
            finally:
                change.cancel()
            names = self.names
            if names is None:
                return
            if told.kind == "removed":
                names.pop(told.name, None)
            else:
                names[told.name] = told.metadata
            self._tell()

    def _note_standing(self, watch: AsyncNameWatch) -> None:
        """Take note whether the name server answers."""
        if watch.current == (self.problem is None):
            return
        self.problem = (
            None if watch.current else NamingError("the name server does not answer")
        )
        self._tell()
