"""Registrations in an SQLite file, which outlive the name server.

They are kept in memory too, where they are looked for. What other processes have
written is taken over before anything is read or written.
"""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, Final

from .history import HISTORY_LENGTH, History
from .interface import FREE, Change, Registration
from .memory import MemoryStorage
from .sql_file import SqlFile, State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from .sql_file import Kind

__all__ = ["SqlStorage"]

# Deleting what is not kept of the history any more is done for many at once.
_FORGOTTEN_AT_ONCE: Final = 1000
# SQLite never says that this is the version of its data.
_NOTHING_READ: Final = -1


class SqlStorage(MemoryStorage):
    """Keeps registrations in an SQLite file, and in memory.

    What was acknowledged is still there after the process was killed. Several
    name servers on one machine may use one file, Pyro5's too.

    Args:
        path: the file; it is created if there is none.
        history: how many changes are kept for those who watch.

    Raises:
        ValueError: there is no path, or it means a database in memory.
        NamingError: the file cannot be opened, or is not an SQLite database.
    """

    _poll_seconds: ClassVar[float | None] = 0.25

    def __init__(
        self, path: str | os.PathLike[str], *, history: int = HISTORY_LENGTH
    ) -> None:
        super().__init__(history=history)
        path = os.fspath(path)
        if path in ("", ":memory:"):
            raise ValueError(
                f"an SQL storage needs the path of a file, not {path!r}; "
                "use the memory storage to keep nothing"
            )
        self._length = history
        self._data_version = _NOTHING_READ
        self._header = b""
        # Up to where the file has no changes any more.
        self._pruned = 0
        self._touched = False
        self._file = SqlFile(path)
        try:
            with self._transaction():
                pass
        except BaseException:
            self._file.close()
            raise

    def get(self, name: str) -> Registration | None:
        """Return the registration of a name, or None."""
        with self._lock:
            self._look_for_changes()
            return self._table.registrations.get(name)

    def put(
        self, name: str, registration: Registration, *, expected: int | None = None
    ) -> bool:
        """Register a name, or replace what is registered; see `Storage.put`."""
        with self._transaction():
            return super().put(name, registration, expected=expected)

    def renew(self, names: Collection[str], owner: str, now: float) -> set[str]:
        """Note that an owner still lives; see `Storage.renew`."""
        with self._transaction():
            return super().renew(names, owner, now)

    def restart_leases(self, now: float) -> None:
        """Begin the time of all leases anew; see `Storage.restart_leases`."""
        with self._transaction():
            super().restart_leases(now)

    def remove(self, names: Mapping[str, int | None]) -> list[str]:
        """Remove names, and return those that were removed; see `Storage.remove`."""
        with self._transaction():
            return super().remove(names)

    def __len__(self) -> int:
        with self._lock:
            self._look_for_changes()
            return len(self._table.registrations)

    def close(self) -> None:
        """Close the file, and end the waiting of others."""
        with self._lock:
            super().close()
            self._file.close()

    def _save(self, name: str, new: Registration | None, change: Change | None) -> None:
        known = self._table.registrations.get(name)
        if new is not None:
            self._file.write(name, new, known)
        elif known is not None:
            self._file.delete(name, known)
        if change is not None:
            self._file.add_change(self._number + 1, change)
            if self._history.forgotten >= self._pruned + _FORGOTTEN_AT_ONCE:
                self._pruned = self._history.forgotten
                self._file.forget(self._pruned)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Run the body as a whole or not at all, with no other writer beside it."""
        with self._lock:
            number: int | None = self._number
            try:
                with self._file.transaction():
                    self._look_for_changes()
                    number = self._number
                    if self._touched:
                        number = None
                        self._adopt()
                    yield
            except BaseException:
                if self._number != number:
                    # What came into memory did not come into the file.
                    self._forget_version()
                raise

    def _look_for_changes(self) -> None:
        header = self._file.header()
        if header and header == self._header:
            return
        # Read first: what is written meanwhile makes it differ next time.
        version = self._file.data_version()
        if version != self._data_version:
            if self._file.in_transaction:
                self._take_over(version)
            else:
                self._take_over_apart()
        self._header = header

    def _take_over_apart(self) -> None:
        with self._file.transaction(writing=False):
            self._take_over(self._file.data_version())
        if self._touched:
            with self._transaction():
                pass

    def _take_over(self, version: int) -> None:
        """Bring memory up to date, apart from what Pyro5 has written."""
        known = self._data_version
        self._forget_version()
        state = self._file.state()
        if (
            known == _NOTHING_READ
            or state.origin != self._history.origin
            or state.forgotten > self._number
        ):
            self._load(state)
        else:
            self._follow()
        self._touched = state.touched
        self._data_version = version
        self._changed.notify_all()

    def _forget_version(self) -> None:
        """Have everything read again."""
        self._data_version = _NOTHING_READ
        self._header = b""

    def _load(self, state: State) -> None:
        """Read everything."""
        found = self._file.read_all()
        changes = list(self._file.last_changes(self._length))
        last = changes[-1][0] if changes else state.forgotten
        self._number = max(last, *(one.version for one in found.values()), FREE)
        self._pruned = state.forgotten
        self._table.load(found)
        if state.touched:
            # Nobody knows what it was like before Pyro5 wrote.
            origin = secrets.token_hex(8)
            self._history = History(origin, self._length, forgotten=self._number)
            return
        forgotten = state.forgotten
        if len(changes) == self._length:
            # There may be older ones.
            forgotten = max(forgotten, changes[0][0] - 1)
        self._history = History(state.origin, self._length, forgotten=forgotten)
        for number, kind, name, one in changes:
            self._note(number, kind, name, one)

    def _follow(self) -> None:
        """Read what has been written since the last look."""
        start = self._number
        for number, kind, name, one in self._file.changes_after(start):
            self._note(number, kind, name, one)
            if one is None and name in self._table.registrations:
                self._table.delete(name)
            self._number = number
        for name, written in self._file.read_after(start):
            self._table.set(name, written)
            self._number = max(self._number, written.version)

    def _adopt(self) -> None:
        """Give versions to what Pyro5 has written, and note it in the history."""
        if self._history.origin != self._file.state().origin:
            self._pruned = self._number
            self._file.forget(self._number)
        found = self._file.read_all()
        known = self._table.registrations
        for name in known.keys() - found.keys():
            self._number += 1
            self._table.delete(name)
            self._file.add_change(
                self._number, self._note(self._number, "removed", name, None)
            )
        for name, one in found.items():
            before = known.get(name)
            same = before is not None and before.says_the_same(one)
            if same and one.version != FREE:
                continue
            self._number += 1
            new = one._replace(version=self._number)
            self._file.set_version(name, self._number)
            self._table.set(name, new)
            if not same:
                kind: Kind = "changed" if before else "added"
                self._file.add_change(
                    self._number, self._note(self._number, kind, name, new)
                )
        self._file.settle(self._history.origin)
        self._touched = False
        self._changed.notify_all()

    def _note(
        self, number: int, kind: Kind, name: str, new: Registration | None
    ) -> Change:
        change = Change(kind, name, new, self._history.position(number))
        self._history.add(number, change)
        return change
