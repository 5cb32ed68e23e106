"""Registrations in memory, forgotten when the name server ends."""

from __future__ import annotations

import secrets
import threading
from time import monotonic
from typing import TYPE_CHECKING, ClassVar, Literal

from .history import HISTORY_LENGTH, History
from .interface import FREE, Change, Registration, Storage
from .table import RegistrationTable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["MemoryStorage"]


class MemoryStorage(Storage):
    """Keeps registrations in memory.

    Storages that keep them in a file too derive from it, and write down what is about
    to happen in `_save`.

    Args:
        history: how many changes are kept for those who watch.
    """

    _poll_seconds: ClassVar[float | None] = None
    """How often to look for the changes of other processes; None: there are none."""

    def __init__(self, *, history: int = HISTORY_LENGTH) -> None:
        self._table = RegistrationTable()
        self._history = History(secrets.token_hex(8), history)
        self._number = 0
        self._closed = False
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)

    def get(self, name: str) -> Registration | None:
        """Return the registration of a name, or None."""
        return self._table.registrations.get(name)

    def put(
        self, name: str, registration: Registration, *, expected: int | None = None
    ) -> bool:
        """Register a name, or replace what is registered; see `Storage.put`."""
        with self._lock:
            known = self._table.registrations.get(name)
            if expected is not None and expected != _version_of(known):
                return False
            number = self._number + 1
            new = registration._replace(version=number)
            change = None
            if known is None or not known.says_the_same(new):
                kind: Literal["added", "changed"] = "changed" if known else "added"
                change = Change(kind, name, new, self._history.position(number))
            self._write(name, new, change)
            return True

    def renew(self, names: Collection[str], owner: str, now: float) -> set[str]:
        """Note that an owner still lives; see `Storage.renew`."""
        renewed = set()
        with self._lock:
            for name in names:
                known = self._table.registrations.get(name)
                if known and known.owner == owner and not known.has_expired(now):
                    # With another version, nobody who has read it before can put
                    # back the time that it had then.
                    number = self._number + 1
                    new = known._replace(renewed=now, version=number)
                    self._write(name, new, None)
                    renewed.add(name)
        return renewed

    def restart_leases(self, now: float) -> None:
        """Begin the time of all leases anew; see `Storage.restart_leases`."""
        with self._lock:
            for name, known in list(self._table.registrations.items()):
                if known.ttl:
                    number = self._number + 1
                    new = known._replace(renewed=now, version=number)
                    self._write(name, new, None)

    def remove(self, names: Mapping[str, int | None]) -> list[str]:
        """Remove names, and return those that were removed; see `Storage.remove`."""
        removed = []
        with self._lock:
            for name, expected in names.items():
                known = self._table.registrations.get(name)
                if known is not None and expected in (None, known.version):
                    position = self._history.position(self._number + 1)
                    self._write(name, None, Change("removed", name, None, position))
                    removed.append(name)
        return removed

    def find(
        self, prefix: str = "", *, after: str | None = None, limit: int | None = None
    ) -> dict[str, Registration]:
        """Return the registrations whose names begin with a text, ordered by name."""
        with self._lock:
            self._look_for_changes()
            return self._table.find(prefix, after, limit)

    def find_by_metadata(
        self,
        tags: frozenset[str],
        *,
        every: bool,
        after: str | None = None,
        limit: int | None = None,
    ) -> dict[str, Registration]:
        """Return the registrations that have every one of some tags, or any."""
        with self._lock:
            self._look_for_changes()
            return self._table.find_by_metadata(
                tags, every=every, after=after, limit=limit
            )

    def expired(self, now: float, limit: int) -> dict[str, int]:
        """Return names that have expired, with their versions."""
        with self._lock:
            self._look_for_changes()
            return self._table.expired(now, limit)

    def count_of(self, owner: str) -> int:
        """Return how many names are registered in the name of an owner."""
        with self._lock:
            self._look_for_changes()
            return self._table.count_of(owner)

    def position(self) -> str:
        """Return where in its history the storage is now."""
        with self._lock:
            self._look_for_changes()
            return self._history.position(self._number)

    def changes(self, after: str, *, wait: float, limit: int = 1000) -> list[Change]:
        """Return what has happened since a position; see `Storage.changes`."""
        end = monotonic() + wait
        with self._changed:
            while True:
                self._look_for_changes()
                number = self._history.number_of(after, self._number)
                found = self._history.since(number, limit)
                left = end - monotonic()
                if found or left <= 0 or self._closed:
                    return found
                poll = self._poll_seconds
                self._changed.wait(left if poll is None else min(left, poll))
                if self._closed:
                    return []

    def __len__(self) -> int:
        return len(self._table.registrations)

    def close(self) -> None:
        """Forget everything, and end the waiting of others."""
        with self._changed:
            self._closed = True
            self._table.load({})
            self._changed.notify_all()

    def _look_for_changes(self) -> None:
        """Take over what other processes have changed; none can, here."""

    def _save(self, name: str, new: Registration | None, change: Change | None) -> None:
        """Write down what is about to happen to a name, if it is to outlive this.

        Args:
            name: the name.
            new: what it gets; None if it is removed.
            change: what is noted in the history; None if nothing is.
        """

    def _write(
        self, name: str, new: Registration | None, change: Change | None
    ) -> None:
        self._save(name, new, change)
        self._number += 1
        if new is None:
            self._table.delete(name)
        else:
            self._table.set(name, new)
        if change is not None:
            self._history.add(self._number, change)
            self._changed.notify_all()


def _version_of(known: Registration | None) -> int:
    return FREE if known is None else known.version
