"""The name server object over a storage on another machine, in an event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol import expose
from pyro_protocol.errors import NamingError

from .arguments import checked_seconds, checked_text
from .asyncio_name_server import AsyncNameServer
from .limits import LONGEST_WAIT
from .name_server import NameServer
from .patterns import compile_pattern

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable

    from pyro_protocol import URI

    from .records import Listing, Record

__all__ = ["ThreadedNameServer"]

# Each waits for the storage most of the time.
_MOST_THREADS: Final = 32


class ThreadedNameServer(AsyncNameServer):
    """A name server whose storage takes its time, so that threads wait for it.

    All methods return coroutines. The arguments are those of `AsyncNameServer`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._threads = ThreadPoolExecutor(_MOST_THREADS, "pyro name server storage")

    async def join(self, *, wait: bool = True) -> None:
        """Let go of the threads; see `AsyncNameServer.join`."""
        await super().join(wait=wait)
        self._threads.shutdown(wait=False)
        if wait:
            await asyncio.to_thread(self._threads.shutdown)

    async def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        loop = asyncio.get_running_loop()
        # The context tells who the client is.
        run = copy_context().run
        try:
            return await loop.run_in_executor(self._threads, run, function, *args)
        except UnicodeEncodeError as error:
            raise NamingError(
                "an argument must be Unicode text, and has half a surrogate pair"
            ) from error

    @expose
    def count(self) -> Coroutine[Any, Any, int]:  # type: ignore[override] # the host awaits a coroutine
        """Return how many names are registered."""
        return self._call(NameServer.count, self)

    @expose
    def lookup(  # type: ignore[override] # as above
        self, name: str, return_metadata: bool = False
    ) -> Coroutine[Any, Any, URI | tuple[URI, set[str]]]:
        """Return the URI of a name; see `NameServer.lookup`."""
        return self._call(NameServer.lookup, self, name, return_metadata)

    @expose
    def locate(self, name: str) -> Coroutine[Any, Any, str]:  # type: ignore[override] # as above
        """Return the URI of a name as text; see `NameServer.locate`."""
        return self._call(NameServer.locate, self, name)

    @expose
    def describe(self, name: str) -> Coroutine[Any, Any, Record]:  # type: ignore[override] # as above
        """Return all that is known about a name; see `NameServer.describe`."""
        return self._call(NameServer.describe, self, name)

    @expose
    def register(  # type: ignore[override] # as above
        self,
        name: str,
        uri: str | URI,
        safe: bool = False,
        metadata: Iterable[str] | None = None,
        ttl: float | None = None,
        owner: str | None = None,
        force: bool = False,
    ) -> Coroutine[Any, Any, None]:
        """Register a name; see `NameServer.register`."""
        function = NameServer.register
        return self._call(function, self, name, uri, safe, metadata, ttl, owner, force)

    @expose
    def set_metadata(  # type: ignore[override] # as above
        self,
        name: str,
        metadata: Iterable[str] | None,
        owner: str | None = None,
        force: bool = False,
    ) -> Coroutine[Any, Any, None]:
        """Replace the metadata of a name; see `NameServer.set_metadata`."""
        return self._call(NameServer.set_metadata, self, name, metadata, owner, force)

    @expose
    def renew(  # type: ignore[override] # as above
        self, names: str | Iterable[str], owner: str | None = None
    ) -> Coroutine[Any, Any, Any]:
        """Begin the time of leases anew; see `NameServer.renew`."""
        return self._call(NameServer.renew, self, names, owner)

    @expose
    def remove(  # type: ignore[override] # as above
        self,
        name: str | None = None,
        prefix: str | None = None,
        regex: str | None = None,
        owner: str | None = None,
        force: bool = False,
    ) -> Coroutine[Any, Any, int]:
        """Remove a name, or all that match; see `NameServer.remove`."""
        if regex and not name and not prefix:
            pattern = compile_pattern(regex)
            return self._remove_matching(pattern, self._claim(owner, force))
        return self._call(NameServer.remove, self, name, prefix, None, owner, force)

    @expose
    def list(  # type: ignore[override] # as above
        self,
        prefix: str | None = None,
        regex: str | None = None,
        return_metadata: bool = False,
        metadata_all: Iterable[str] | None = None,
        metadata_any: Iterable[str] | None = None,
    ) -> Coroutine[Any, Any, Listing]:
        """Return the registered names; see `NameServer.list`."""
        if regex and not (prefix or metadata_all or metadata_any):
            return self._list_matching(compile_pattern(regex), return_metadata)
        return self._call(
            NameServer.list,
            self,
            prefix,
            regex,
            return_metadata,
            metadata_all,
            metadata_any,
        )

    @expose
    def yplookup(  # type: ignore[override] # as above
        self,
        meta_all: Iterable[str] | None = None,
        meta_any: Iterable[str] | None = None,
        return_metadata: bool = True,
    ) -> Coroutine[Any, Any, Listing]:
        """Return the names that have metadata; see `NameServer.yplookup`."""
        return self._call(
            NameServer.yplookup, self, meta_all, meta_any, return_metadata
        )

    @expose
    def entries(  # type: ignore[override] # as above
        self,
        prefix: str = "",
        meta_all: Iterable[str] | None = None,
        meta_any: Iterable[str] | None = None,
        regex: str | None = None,
        after: str = "",
        limit: int = 1000,
    ) -> Coroutine[Any, Any, Record]:
        """Return a page of all that is known about names; see `NameServer.entries`."""
        arguments = (prefix, meta_all, meta_any, regex, after, limit)
        if regex:
            return self._entries_matching(*self._search(*arguments))
        return self._call(NameServer.entries, self, *arguments)

    @expose
    def position(self) -> Coroutine[Any, Any, str]:  # type: ignore[override] # as above
        """Return where in the history of the registrations the name server is now."""
        return self._call(NameServer.position, self)

    @expose
    def changes(  # type: ignore[override] # as above
        self, after: str, prefix: str = "", wait: float = 0.0, limit: int = 1000
    ) -> Coroutine[Any, Any, Record]:
        """Return what has happened since a position; see `NameServer.changes`."""
        checked_text("position", after)
        seconds = checked_seconds("wait", wait, LONGEST_WAIT)
        if not seconds:
            return self._call(NameServer.changes, self, after, prefix, 0.0, limit)
        return self._next_changes(self._watch(prefix, limit), after, seconds)

    @expose
    async def watch(  # type: ignore[override] # as above
        self, prefix: str = "", after: str | None = None, existing: bool = False
    ) -> AsyncIterator[Record]:
        """Return an iterator of the changes; see `NameServer.watch`."""
        watch = self._watch(prefix, after=after, existing=existing)
        if after is None:
            after = await self._call(self.storage.position)
        return self._changes(watch, after)
