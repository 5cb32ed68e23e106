"""The name server object as it is published in an event loop."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from pyro_protocol import config, expose

from .arguments import checked_seconds, checked_text
from .feed import Feed
from .limits import LONGEST_WAIT
from .name_server import NameServer
from .patterns import PatternProcess, compile_pattern, is_quick, plain_start
from .records import Listing, Record, known_of, listing_of
from .searching import Search, page_of
from .watching import Watch, next_changes

if TYPE_CHECKING:
    import re
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable

    from pyro_protocol import URI, Configuration

    from .rights import Access, Claim
    from .storages import Registration, Storage

__all__ = ["AsyncNameServer"]


class AsyncNameServer(NameServer):
    """A name server in which no client holds up others.

    Where matching a regular expression could take long, and where changes have to be
    waited for, its methods return a coroutine.

    Args:
        storage: where registrations are kept.
        patterns: what matches costly regular expressions.
        access: the rules for clients; None if there are none.
        config: the settings; they are read now.
        clock: returns the seconds since the epoch.
    """

    def __init__(
        self,
        storage: Storage,
        patterns: PatternProcess | None = None,
        *,
        access: Access | None = None,
        config: Configuration = config,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(storage, access=access, config=config, clock=clock)
        self._patterns = patterns or PatternProcess()
        self._feed = Feed(storage, self._call, self._limits.watchers)

    def close(self) -> None:
        """End the waiting of those who watch; to be called in the event loop."""
        super().close()
        self._feed.close()

    async def answered(self) -> None:
        """Wait until those who watch know that it has been closed, but not for long."""
        await self._feed.answered()

    async def join(self, *, wait: bool = True) -> None:
        """Let go of the threads, after `close`.

        Args:
            wait: whether to wait until none uses the storage any more, which has been
                closed so that this does not take long.
        """
        if wait:
            await self._feed.join()

    async def sweep_now(self) -> int:
        """Do `sweep` where it holds up nobody.

        Raises:
            NamingError: the storage fails.
        """
        swept: int = await self._call(self.sweep)
        return swept

    async def keep_announced_now(self, uri: URI, ttl: float) -> None:
        """Do `keep_announced` where it holds up nobody.

        Raises:
            NamingError: the storage fails.
        """
        await self._call(self.keep_announced, uri, ttl)

    @property
    def watchers(self) -> int:
        """How many clients are waiting for changes."""
        return self._feed.watchers

    @expose
    def remove(  # type: ignore[override] # the host awaits a coroutine
        self,
        name: str | None = None,
        prefix: str | None = None,
        regex: str | None = None,
        owner: str | None = None,
        force: bool = False,
    ) -> int | Coroutine[Any, Any, int]:
        """Remove a name, or all that match; see `NameServer.remove`."""
        if regex and not name and not prefix:
            pattern = compile_pattern(regex)
            return self._remove_matching(pattern, self._claim(owner, force))
        return super().remove(name, prefix, regex, owner, force)

    @expose
    def list(  # type: ignore[override] # as above
        self,
        prefix: str | None = None,
        regex: str | None = None,
        return_metadata: bool = False,
        metadata_all: Iterable[str] | None = None,
        metadata_any: Iterable[str] | None = None,
    ) -> Listing | Coroutine[Any, Any, Listing]:
        """Return the registered names; see `NameServer.list`."""
        if regex and not (prefix or metadata_all or metadata_any):
            return self._list_matching(compile_pattern(regex), return_metadata)
        return super().list(prefix, regex, return_metadata, metadata_all, metadata_any)

    @expose
    def entries(  # type: ignore[override] # as above
        self,
        prefix: str = "",
        meta_all: Iterable[str] | None = None,
        meta_any: Iterable[str] | None = None,
        regex: str | None = None,
        after: str = "",
        limit: int = 1000,
    ) -> Record | Coroutine[Any, Any, Record]:
        """Return a page of all that is known about names; see `NameServer.entries`."""
        arguments = (prefix, meta_all, meta_any, regex, after, limit)
        if regex:
            return self._entries_matching(*self._search(*arguments))
        return super().entries(*arguments)

    @expose
    def changes(  # type: ignore[override] # as above
        self, after: str, prefix: str = "", wait: float = 0.0, limit: int = 1000
    ) -> Record | Coroutine[Any, Any, Record]:
        """Return what has happened since a position; see `NameServer.changes`."""
        watch = self._watch(prefix, limit)
        checked_text("position", after)
        seconds = checked_seconds("wait", wait, LONGEST_WAIT)
        answer = next_changes(self.storage, watch, after, 0.0)
        if answer["changes"] or not seconds:
            return answer
        return self._next_changes(watch, answer["position"], seconds)

    @expose
    def watch(  # type: ignore[override] # as above
        self, prefix: str = "", after: str | None = None, existing: bool = False
    ) -> AsyncIterator[Record]:
        """Return an iterator of the changes; see `NameServer.watch`."""
        watch = self._watch(prefix, after=after, existing=existing)
        position = self.storage.position() if after is None else after
        return self._changes(watch, position)

    async def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function that uses the storage."""
        return function(*args)

    async def _remove_matching(self, pattern: re.Pattern[str], claim: Claim) -> int:
        found = self._live(await self._call(self.storage.find, plain_start(pattern)))
        names = await self._names_matching(pattern, found)
        chosen = {name: found[name] for name in names}
        removed: int = await self._call(self._registrar.remove_all, chosen, claim)
        return removed

    async def _list_matching(
        self, pattern: re.Pattern[str], return_metadata: bool
    ) -> Listing:
        found = self._seen(await self._call(self.storage.find, plain_start(pattern)))
        names = await self._names_matching(pattern, found)
        return listing_of({name: found[name] for name in names}, return_metadata)

    async def _entries_matching(
        self, search: Search, pattern: re.Pattern[str] | None
    ) -> Record:
        found = await self._call(search.find, self.storage)
        wanted = self._seen(found)
        if pattern is not None:
            names = await self._names_matching(pattern, wanted)
            wanted = {name: wanted[name] for name in names}
        return page_of(search, found, wanted, self._clock())

    async def _names_matching(
        self, pattern: re.Pattern[str], found: dict[str, Registration]
    ) -> Iterable[str]:
        if is_quick(pattern, found):
            match = pattern.match
            return [name for name in found if match(name)]
        return await self._patterns.matching(pattern, found)

    async def _next_changes(self, watch: Watch, after: str, seconds: float) -> Record:
        """Wait for the next changes, as `changes` gives them."""
        end = time.monotonic() + seconds
        async with self._feed.watching():
            while True:
                found, after = await self._feed.next(
                    after, watch.prefix, watch.limit, end - time.monotonic()
                )
                records = watch.choose(found)
                if records or not found:
                    return {"changes": records, "position": after}

    async def _changes(self, watch: Watch, after: str) -> AsyncIterator[Record]:
        """Give one change after the other, as `watch` does."""
        async with self._feed.watching():
            page = Search(
                watch.prefix, frozenset(), every=False, after=None, limit=watch.limit
            )
            while watch.existing and not self._ended:
                there = await self._call(page.find, self.storage)
                if not there:
                    break
                for name, one in self._live(there).items():
                    if watch.wants(name):
                        yield known_of(name, one, after)
                page = page._replace(after=next(reversed(there)))
            while True:
                found, after = await self._feed.next(
                    after, watch.prefix, watch.limit, math.inf
                )
                if not found:
                    return
                for record in watch.choose(found):
                    yield record
