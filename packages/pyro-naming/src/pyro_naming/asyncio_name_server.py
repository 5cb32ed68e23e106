"""The name server object as it is published in an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyro_protocol import NAMESERVER_NAME, expose

from .name_server import Listing, NameServer, listing_of
from .patterns import PatternProcess, compile_pattern, is_quick

if TYPE_CHECKING:
    import re
    from collections.abc import Coroutine
    from typing import Any

    from .storages import Registration, Storage

__all__ = ["AsyncNameServer"]


class AsyncNameServer(NameServer):
    """A name server in which no regular expression holds up other clients.

    Where matching could take long, its methods return a coroutine.

    Args:
        storage: where registrations are kept.
        patterns: what matches costly regular expressions.
    """

    def __init__(
        self, storage: Storage, patterns: PatternProcess | None = None
    ) -> None:
        super().__init__(storage)
        self._patterns = patterns or PatternProcess()

    @expose
    def remove(  # type: ignore[override] # the host awaits a coroutine
        self,
        name: str | None = None,
        prefix: str | None = None,
        regex: str | None = None,
    ) -> int | Coroutine[Any, Any, int]:
        """Remove a name, or all that match; see `NameServer.remove`."""
        if regex and not name and not prefix:
            pattern = compile_pattern(regex)
            found = self.storage.find()
            if not is_quick(pattern, found):
                return self._remove_matching(pattern, found)
        return super().remove(name, prefix, regex)

    @expose
    def list(  # type: ignore[override] # as above
        self,
        prefix: str | None = None,
        regex: str | None = None,
        return_metadata: bool = False,
    ) -> Listing | Coroutine[Any, Any, Listing]:
        """Return the registered names; see `NameServer.list`."""
        if regex and not prefix:
            pattern = compile_pattern(regex)
            found = self.storage.find()
            if not is_quick(pattern, found):
                return self._list_matching(pattern, found, return_metadata)
        return super().list(prefix, regex, return_metadata)

    async def _remove_matching(
        self, pattern: re.Pattern[str], found: dict[str, Registration]
    ) -> int:
        names = await self._patterns.matching(pattern, found)
        return self.storage.remove(set(names) - {NAMESERVER_NAME})

    async def _list_matching(
        self,
        pattern: re.Pattern[str],
        found: dict[str, Registration],
        return_metadata: bool,
    ) -> Listing:
        names = await self._patterns.matching(pattern, found)
        return listing_of({name: found[name] for name in names}, return_metadata)
