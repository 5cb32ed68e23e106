"""Registrations with all that is needed to find them quickly."""

from __future__ import annotations

from heapq import merge
from itertools import groupby, islice, takewhile
from typing import TYPE_CHECKING

from .sorted_keys import SortedKeys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .interface import Registration

__all__ = ["RegistrationTable"]


class RegistrationTable:
    """Registrations by name, by tag, by owner and by the time when they expire.

    The time a search takes grows with what it finds, not with what there is. Only one
    thread at a time may use it, apart from reading `registrations`.

    Attributes:
        registrations: all of them by name, to be read only.
    """

    def __init__(self) -> None:
        self.registrations: dict[str, Registration] = {}
        self._names: SortedKeys[str] = SortedKeys()
        self._tagged: dict[str, SortedKeys[str]] = {}
        self._deadlines: SortedKeys[tuple[float, str]] = SortedKeys()
        self._owned: dict[str, int] = {}

    def load(self, registrations: dict[str, Registration]) -> None:
        """Replace everything."""
        self.registrations.clear()
        self.registrations.update(registrations)
        self._names = SortedKeys(registrations)
        self._deadlines = SortedKeys(
            (one.renewed + one.ttl, name)
            for name, one in registrations.items()
            if one.ttl
        )
        tagged: dict[str, list[str]] = {}
        self._owned = {}
        for name, one in registrations.items():
            self._owned[one.owner] = self._owned.get(one.owner, 0) + 1
            for tag in one.metadata:
                tagged.setdefault(tag, []).append(name)
        self._tagged = {tag: SortedKeys(names) for tag, names in tagged.items()}

    def set(self, name: str, registration: Registration) -> None:
        """Add a name, or replace its registration."""
        known = self.registrations.get(name)
        # A reader in another thread finds the old one or the new one.
        self.registrations[name] = registration
        if known is None:
            self._names.add(name)
        else:
            self._unlink(name, known, but=registration.metadata)
        for tag in registration.metadata:
            if known is None or tag not in known.metadata:
                names = self._tagged.get(tag)
                if names is None:
                    self._tagged[tag] = SortedKeys((name,))
                else:
                    names.add(name)
        if registration.ttl:
            self._deadlines.add((registration.renewed + registration.ttl, name))
        owner = registration.owner
        self._owned[owner] = self._owned.get(owner, 0) + 1

    def delete(self, name: str) -> None:
        """Remove a name that is there."""
        known = self.registrations.pop(name)
        self._names.remove(name)
        self._unlink(name, known)

    def find(
        self, prefix: str, after: str | None, limit: int | None
    ) -> dict[str, Registration]:
        """See `Storage.find`."""
        if after is None or after < prefix:
            names = self._names.beginning_at(prefix)
        else:
            names = self._names.beyond(after)
        if prefix:
            names = takewhile(lambda name: name.startswith(prefix), names)
        return self._page(names, limit)

    def find_by_metadata(
        self,
        tags: frozenset[str],
        *,
        every: bool,
        after: str | None,
        limit: int | None,
    ) -> dict[str, Registration]:
        """See `Storage.find_by_metadata`."""
        tagged = [self._tagged[tag] for tag in tags if tag in self._tagged]
        if not tagged or (every and len(tagged) < len(tags)):
            return {}
        if every:
            # The rarest tag leaves the fewest names to look at.
            names = _beyond(min(tagged, key=len), after)
            if len(tags) > 1:
                known = self.registrations
                names = (name for name in names if tags <= known[name].metadata)
        elif len(tagged) == 1:
            names = _beyond(tagged[0], after)
        else:
            merged = merge(*(_beyond(some, after) for some in tagged))
            names = (name for name, _ in groupby(merged))
        return self._page(names, limit)

    def expired(self, now: float, limit: int) -> dict[str, int]:
        """See `Storage.expired`."""
        due = takewhile(lambda deadline: deadline[0] <= now, self._deadlines)
        return {
            name: self.registrations[name].version for _, name in islice(due, limit)
        }

    def count_of(self, owner: str) -> int:
        """See `Storage.count_of`."""
        return self._owned.get(owner, 0)

    def _page(self, names: Iterable[str], limit: int | None) -> dict[str, Registration]:
        known = self.registrations
        return {name: known[name] for name in islice(names, limit)}

    def _unlink(
        self, name: str, known: Registration, *, but: frozenset[str] = frozenset()
    ) -> None:
        """Forget where a registration is found, apart from tags that it keeps."""
        for tag in known.metadata - but:
            names = self._tagged[tag]
            names.remove(name)
            if not names:
                del self._tagged[tag]
        if known.ttl:
            self._deadlines.remove((known.renewed + known.ttl, name))
        left = self._owned[known.owner] - 1
        if left:
            self._owned[known.owner] = left
        else:
            del self._owned[known.owner]


def _beyond(names: SortedKeys[str], after: str | None) -> Iterator[str]:
    return iter(names) if after is None else names.beyond(after)
