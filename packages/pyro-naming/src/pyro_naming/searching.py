"""Finding registrations, a page at a time or all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Self

from .arguments import checked_tags, checked_text
from .records import Record, entry_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .limits import Limits
    from .storages import Registration, Storage

__all__ = ["Search", "page_of"]

# So that a page of one entry that few names have takes not as many requests as
# there are names.
_LOOKED_AT: Final = 1000


class Search(NamedTuple):
    """What a client looks for.

    Attributes:
        prefix: what the names have to begin with.
        tags: the tags they need; none for all names.
        every: whether all of the tags are needed.
        after: only names beyond this one are wanted; None for all.
        limit: how many entries are wanted at most; None for all.
    """

    prefix: str
    tags: frozenset[str]
    every: bool
    after: str | None
    limit: int | None

    @classmethod
    def of(
        cls,
        limits: Limits,
        prefix: str = "",
        meta_all: Iterable[str] | None = None,
        meta_any: Iterable[str] | None = None,
        after: str = "",
        limit: int | None = None,
    ) -> Self:
        """Return what the arguments of a client mean.

        Raises:
            TypeError: one is of a wrong type.
            ValueError: both kinds of tags are given.
        """
        every, some = checked_tags(meta_all, limits), checked_tags(meta_any, limits)
        if every and some:
            raise ValueError("give meta_all or meta_any, not both")
        return cls(
            checked_text("prefix", prefix),
            every or some,
            bool(every),
            checked_text("name", after) or None,
            limit,
        )

    @property
    def reach(self) -> int | None:
        """How many registrations are looked at for one page; None for all."""
        return None if self.limit is None else max(self.limit, _LOOKED_AT)

    def find(self, storage: Storage) -> dict[str, Registration]:
        """Return the registrations to choose a page from, ordered by name."""
        if not self.tags:
            return storage.find(self.prefix, after=self.after, limit=self.reach)
        return storage.find_by_metadata(
            self.tags, every=self.every, after=self.after, limit=self.reach
        )


def page_of(
    search: Search,
    found: dict[str, Registration],
    wanted: Mapping[str, Registration],
    now: float,
) -> Record:
    """Return a page as `NameServer.entries` gives it.

    Args:
        search: what is looked for.
        found: what `Search.find` has returned.
        wanted: those of them that the client is to see, in the same order.
        now: seconds since the epoch.
    """
    entries: list[Record] = []
    last = ""
    for name, registration in wanted.items():
        # The empty name cannot say where to go on, so it never ends a page.
        if search.limit and len(entries) >= search.limit and last:
            return {"entries": entries, "next": last}
        if name.startswith(search.prefix):
            entries.append(entry_of(name, registration, now))
        last = name
    more = bool(found) and len(found) == search.reach
    return {"entries": entries, "next": next(reversed(found)) if more else ""}
