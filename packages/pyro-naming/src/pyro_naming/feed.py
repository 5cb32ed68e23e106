"""The changes of a storage, told to any number of watchers in an event loop.

One thread waits for them, and only while somebody watches.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import NamingError

from .ring import ChangeRing
from .storages.interface import Change, HistoryLostError
from .watching import read_changes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from .storages import Storage

__all__ = ["Feed"]

_logger = logging.getLogger("pyro.naming")

_BATCH: Final = 1000
# How long the thread waits for a change before it looks whether it is still needed,
# and how long it keeps away from a storage that has failed.
_PATIENCE_SECONDS: Final = 1.0
# A client that asks again and again leaves for a moment each time.
_IDLE_SECONDS: Final = 10.0

# What somebody waited for, which may be nothing, and where to go on from.
_News = tuple[list[Change], str]


class Feed:
    """Tells watchers what has happened since a position, or waits until it has.

    A watcher is only a position. What has happened of late is kept for all of them
    together; those who have stayed behind further read the storage.

    Args:
        storage: the registrations.
        call: calls a function of the storage, where it holds up nobody.
        most_watchers: how many there may be at a time.
    """

    def __init__(
        self,
        storage: Storage,
        call: Callable[..., Coroutine[Any, Any, Any]],
        most_watchers: int,
    ) -> None:
        self._storage = storage
        self._call = call
        self._most_watchers = most_watchers
        self._watchers = 0
        # Those that have seen everything, by the prefix of the names they wait for.
        self._waiting: dict[str, set[asyncio.Future[_News]]] = {}
        self._ring = ChangeRing()
        self._ready: asyncio.Future[None] | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._closed = False
        # How many wait for an answer, and whether that is nobody.
        self._asked = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def closed(self) -> bool:
        """Whether nobody is told anything any more."""
        return self._closed

    @property
    def watchers(self) -> int:
        """How many watchers there are."""
        return self._watchers

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Be a watcher, as long as the block runs.

        Raises:
            NamingError: there are too many, or the storage fails.
        """
        if self._watchers >= self._most_watchers:
            raise NamingError(
                f"{self._watchers} clients are watching already, and no more are "
                "allowed (MAX_WATCHERS); try again later"
            )
        self._watchers += 1
        try:
            with self._asking():
                await self._started()
            yield
        finally:
            self._watchers -= 1
            if not self._watchers and not self._closed:
                loop = asyncio.get_running_loop()
                self._rest = loop.call_later(_IDLE_SECONDS, self._end_if_idle)

    async def next(
        self, after: str, prefix: str, limit: int, seconds: float
    ) -> tuple[list[Change], str]:
        """Return the next changes of some names, and the position to go on from.

        Args:
            after: the position to go on from now.
            prefix: what the names begin with.
            limit: how many changes to return at most.
            seconds: how long to wait for the first.

        Raises:
            NamingError: the history since then is not kept.
        """
        with self._asking():
            return await self._next(after, prefix, limit, seconds)

    async def _next(
        self, after: str, prefix: str, limit: int, seconds: float
    ) -> tuple[list[Change], str]:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not self._closed:
            head = self._ring.head
            found = self._ring.since(after, limit)
            if found is None:
                found = await self._call(read_changes, self._storage, after, limit)
                if not found and self._ring.head != head:
                    # Something has come since the storage was read.
                    continue
            if found:
                after = found[-1].position
                matching = [one for one in found if one.name.startswith(prefix)]
                if matching:
                    return matching, after
                # There may be many that do not match, and others want to go on too.
                await asyncio.sleep(0)
                continue
            caught_up = after == head
            news = await self._news(prefix if caught_up else "", end - loop.time())
            if caught_up:
                # Where nothing was told, nothing that matches has come until now.
                told, after = news or ([], self._ring.head or after)
                if told:
                    return told[:limit], told[:limit][-1].position
            if news is None:
                break
        return [], after

    def close(self) -> None:
        """Send all watchers home; to be called in the loop."""
        self._closed = True
        self._wake()
        self._end()

    async def answered(self) -> None:
        """Wait until all watchers have been sent home, but not for long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._idle.wait()

    async def join(self) -> None:
        """Wait until the thread has ended; the storage should be closed before."""
        thread = self._thread
        if thread is not None:
            self._thread = None
            await asyncio.to_thread(thread.join, _PATIENCE_SECONDS)

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Note that somebody waits for an answer."""
        self._asked += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._asked -= 1
            if not self._asked:
                self._idle.set()

    async def _news(self, prefix: str, seconds: float) -> _News | None:
        """Wait for changes, and return them; None if it takes too long."""
        if seconds <= 0:
            return None
        future = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(prefix, set())
        waiting.add(future)
        try:
            await asyncio.wait((future,), timeout=seconds)
            return future.result() if future.done() else None
        finally:
            waiting.discard(future)
            if not waiting and self._waiting.get(prefix) is waiting:
                del self._waiting[prefix]

    async def _started(self) -> None:
        """Have the thread running, and wait until it knows where it begins."""
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        if self._closed:
            return
        if self._ready is None:
            loop = asyncio.get_running_loop()
            self._ready = loop.create_future()
            self._stop = threading.Event()
            self._thread = threading.Thread(
                target=_follow,
                args=(self._storage, self, loop, self._stop),
                name="pyro name server changes",
                daemon=True,
            )
            self._thread.start()
        await asyncio.shield(self._ready)

    def begin(self, stop: threading.Event, position: str) -> None:
        """Take notice of where the thread begins, or begins anew after a gap."""
        if stop is self._stop and self._ready is not None:
            self._wake()
            self._ring.begin(position)
            if not self._ready.done():
                self._ready.set_result(None)

    def fail(self, stop: threading.Event, error: Exception) -> None:
        """Take notice that the thread cannot begin."""
        if stop is self._stop and self._ready is not None:
            if not self._ready.done():
                self._ready.set_exception(error)
                # Whoever waits for it may have gone.
                self._ready.exception()
            self._end()

    def take(
        self, stop: threading.Event, changes: list[Change], taken: threading.Event
    ) -> None:
        """Tell the watchers what the thread has found."""
        taken.set()
        if stop is not self._stop:
            return
        self._ring.extend(changes)
        for prefix, waiting in list(self._waiting.items()):
            matching = [one for one in changes if one.name.startswith(prefix)]
            if matching:
                del self._waiting[prefix]
                _tell(waiting, (matching, matching[-1].position))

    def _end_if_idle(self) -> None:
        if not self._watchers:
            self._end()

    def _end(self) -> None:
        """Have the thread end soon, and forget what it has brought."""
        self._stop.set()
        self._stop = threading.Event()
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)
        self._ready = None
        self._ring.clear()
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None

    def _wake(self) -> None:
        """Have all look anew."""
        waiting, self._waiting = self._waiting, {}
        for futures in waiting.values():
            _tell(futures, ([], self._ring.head or ""))


def _tell(waiting: set[asyncio.Future[_News]], news: _News) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(news)


def _follow(
    storage: Storage,
    feed: Feed,
    loop: asyncio.AbstractEventLoop,
    stop: threading.Event,
) -> None:
    """Bring the changes of a storage into an event loop, in a thread."""
    try:
        position = storage.position()
    except Exception as error:  # noqa: BLE001 - the watchers get it
        _post(loop, feed.fail, stop, error)
        return
    _post(loop, feed.begin, stop, position)
    while not stop.is_set() and not loop.is_closed():
        try:
            found = storage.changes(position, wait=_PATIENCE_SECONDS, limit=_BATCH)
            if found:
                position = found[-1].position
        except HistoryLostError:
            _logger.warning("the changes came faster than they could be read")
            try:
                position = storage.position()
            except Exception:  # noqa: BLE001 - tried again, with the same result
                stop.wait(_PATIENCE_SECONDS)
            else:
                _post(loop, feed.begin, stop, position)
        except Exception:
            if not stop.is_set():
                _logger.exception("following the registrations failed")
                stop.wait(_PATIENCE_SECONDS)
        else:
            if found:
                taken = threading.Event()
                _post(loop, feed.take, stop, found, taken)
                # Not more at once than the loop has time for.
                while not taken.wait(_PATIENCE_SECONDS) and not stop.is_set():
                    pass


def _post(
    loop: asyncio.AbstractEventLoop, function: Callable[..., None], *args: object
) -> None:
    # A loop that has ended takes no more calls.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *args)
