"""An SQLite file with registrations: transactions, and what is done in them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from pyro_protocol.errors import NamingError

from .interface import FREE, Registration
from .sql_tables import create_tables
from .wal_index import WalIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .interface import Change

__all__ = ["Kind", "NumberedChange", "SqlFile", "State"]

Kind = Literal["added", "changed", "removed"]
NumberedChange = tuple[int, Kind, str, Registration | None]
"""The number of a write, and kind, name and registration of the change it made."""

# Another process writes for milliseconds. Whoever writes for longer makes every client
# of this name server wait: after half a second they get an error instead.
_LOCK_TIMEOUT_SECONDS: Final = 0.02
_LOCK_ATTEMPTS: Final = 25

_SELECT_NAMES: Final = (
    "SELECT id, name, uri, owner, ttl, registered, renewed, version FROM pyro_names"
)
_INSERT_NAME: Final = (
    "INSERT INTO pyro_names(uri, owner, ttl, registered, renewed, version, name)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_UPDATE_NAME: Final = (
    "UPDATE pyro_names SET uri = ?, owner = ?, ttl = ?, registered = ?, renewed = ?,"
    " version = ? WHERE name = ?"
)


class State(NamedTuple):
    """What is noted about the file as a whole.

    Attributes:
        origin: whose positions those of its history are.
        forgotten: up to which one the changes are not kept any more.
        touched: whether Pyro5 has written something that nobody has looked at.
    """

    origin: str
    forgotten: int
    touched: bool


class SqlFile:
    """An SQLite file with registrations; only one thread at a time may use it.

    Args:
        path: the file; it is created if there is none.

    Raises:
        NamingError: the file cannot be opened, or is not an SQLite database.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        with self._errors("opened"):
            self._database = sqlite3.connect(
                path,
                timeout=_LOCK_TIMEOUT_SECONDS,
                # Transactions are begun and ended in one place, `transaction`.
                isolation_level=None,
                check_same_thread=False,
            )
        self._execute = self._database.execute
        self._index: WalIndex | None = None
        # Whether the last who wanted to write has waited for nothing.
        self._locked = False
        try:
            with self._errors("opened"):
                # Readers do not wait for the writer, and a commit is one write. Some
                # network file systems do not allow it.
                (mode,) = self._patiently("PRAGMA journal_mode=WAL").fetchone()
                if mode == "wal":
                    self._execute("PRAGMA synchronous=NORMAL")
            with self.transaction():
                create_tables(self._database)
                _, _, real_path = self._execute("PRAGMA database_list").fetchone()
            self._index = WalIndex.of(real_path)
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """Close the file; harmless if it is closed."""
        self._database.close()
        if self._index is not None:
            self._index.close()
            self._index = None

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction has begun."""
        return self._database.in_transaction

    def header(self) -> bytes:
        """Return what differs after every commit; nothing if that cannot be told."""
        return b"" if self._index is None else self._index.header()

    def data_version(self) -> int:
        """Return a number that changes when another connection has written.

        Raises:
            NamingError: the file cannot be read, or is closed.
        """
        try:
            row = self._patiently("PRAGMA data_version").fetchone()
        except sqlite3.Error as error:
            raise self._error("read", error) from error
        return int(row[0])

    @contextmanager
    def transaction(self, *, writing: bool = True) -> Iterator[None]:
        """Run the body as a whole or not at all.

        Args:
            writing: whether it writes; then no other process does meanwhile.

        Raises:
            NamingError: it cannot be done; nothing has happened then.
        """
        with self._errors("written" if writing else "read"):
            if writing:
                self._begin_writing()
            else:
                self._patiently("BEGIN")
            try:
                yield
                self._execute("COMMIT")
            except BaseException:
                # Some failures have ended the transaction already.
                if self._database.in_transaction:
                    self._execute("ROLLBACK")
                raise

    def state(self) -> State:
        """Return what is noted about the file."""
        origin, forgotten, touched = self._execute(
            "SELECT origin, forgotten, touched FROM pyro_state"
        ).fetchone()
        return State(origin, forgotten, bool(touched))

    def settle(self, origin: str) -> None:
        """Note that what Pyro5 has written has been looked at."""
        self._execute("UPDATE pyro_metadata SET version = 1 WHERE version IS NULL")
        self._execute("UPDATE pyro_state SET origin = ?, touched = 0", (origin,))

    def forget(self, position: int) -> None:
        """Keep the changes after a position only."""
        self._execute("DELETE FROM pyro_changes WHERE position <= ?", (position,))
        self._execute("UPDATE pyro_state SET forgotten = ?", (position,))

    def read_all(self) -> dict[str, Registration]:
        """Return all registrations; those of Pyro5 have the version `FREE`."""
        tags: dict[int, list[str]] = {}
        for number, tag in self._execute("SELECT object, metadata FROM pyro_metadata"):
            tags.setdefault(number, []).append(tag)
        return {
            name: Registration(
                *(uri, frozenset(tags.get(number, ())), owner, ttl, registered),
                *(renewed, version or FREE),
            )
            for number, name, uri, owner, ttl, registered, renewed, version in (
                self._execute(_SELECT_NAMES)
            )
        }

    def read_after(self, version: int) -> Iterator[tuple[str, Registration]]:
        """Return names and registrations that were written after another."""
        for number, name, uri, *others in self._execute(
            _SELECT_NAMES + " WHERE version > ?", (version,)
        ).fetchall():
            tags = self._execute(
                "SELECT metadata FROM pyro_metadata WHERE object = ?", (number,)
            )
            yield name, Registration(uri, frozenset(tag for (tag,) in tags), *others)

    def write(self, name: str, new: Registration, known: Registration | None) -> None:
        """Write down what a name gets.

        Args:
            name: the name.
            new: its registration.
            known: what it has now; None if it is not there.
        """
        uri, metadata, *others = new
        if known is None:
            number = self._execute(_INSERT_NAME, (uri, *others, name)).lastrowid
            self._write_tags(number, metadata)
            return
        self._execute(_UPDATE_NAME, (uri, *others, name))
        if metadata != known.metadata:
            if known.metadata:
                self._delete_tags(name)
            self._write_tags(*self._number_of(name), metadata)

    def delete(self, name: str, known: Registration) -> None:
        """Remove a name; `known` is what it has now."""
        if known.metadata:
            self._delete_tags(name)
        self._execute("UPDATE pyro_names SET version = 0 WHERE name = ?", (name,))
        self._execute("DELETE FROM pyro_names WHERE name = ?", (name,))

    def set_version(self, name: str, version: int) -> None:
        """Give a name a version, and nothing else."""
        self._execute(
            "UPDATE pyro_names SET version = ? WHERE name = ?", (version, name)
        )

    def add_change(self, number: int, change: Change) -> None:
        """Add to the history; the number is higher than those of all others."""
        contents = None
        if (one := change.registration) is not None:
            contents = json.dumps([one.uri, sorted(one.metadata), *one[2:]])
        self._execute(
            "INSERT INTO pyro_changes VALUES (?, ?, ?, ?)",
            (number, change.kind, change.name, contents),
        )

    def changes_after(self, number: int) -> Iterator[NumberedChange]:
        """Return changes that are newer than a write, the oldest first."""
        rows = self._execute(
            "SELECT * FROM pyro_changes WHERE position > ? ORDER BY position", (number,)
        )
        return _decoded(rows)

    def last_changes(self, limit: int) -> Iterator[NumberedChange]:
        """Return the last changes, the oldest first; see `changes_after`."""
        rows = self._execute(
            "SELECT * FROM pyro_changes ORDER BY position DESC LIMIT ?", (limit,)
        ).fetchall()
        return _decoded(reversed(rows))

    def _delete_tags(self, name: str) -> None:
        number = self._number_of(name)
        self._execute("UPDATE pyro_metadata SET version = 0 WHERE object = ?", number)
        self._execute("DELETE FROM pyro_metadata WHERE object = ?", number)

    def _number_of(self, name: str) -> tuple[int]:
        row: tuple[int] = self._execute(
            "SELECT id FROM pyro_names WHERE name = ?", (name,)
        ).fetchone()
        return row

    def _write_tags(self, number: int | None, tags: Iterable[str]) -> None:
        for tag in tags:
            self._execute("INSERT INTO pyro_metadata VALUES (?, ?, 1)", (number, tag))

    def _begin_writing(self) -> None:
        attempts = 1 if self._locked else _LOCK_ATTEMPTS
        # Whoever comes next does not wait all over again.
        self._locked = True
        self._patiently("BEGIN IMMEDIATE", attempts)
        self._locked = False

    def _patiently(
        self, statement: str, attempts: int = _LOCK_ATTEMPTS
    ) -> sqlite3.Cursor:
        """Execute a statement for which no other process may be writing.

        SQLite's own way of waiting looks ever more rarely, and somebody else is
        quicker for ever.
        """
        for _ in range(attempts - 1):
            try:
                return self._execute(statement)
            except sqlite3.OperationalError as error:
                if not _is_busy(error):
                    raise
        return self._execute(statement)

    @contextmanager
    def _errors(self, done: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeError, OverflowError) as error:
            raise self._error(done, error) from error

    def _error(self, done: str, error: Exception) -> NamingError:
        advice = ""
        if isinstance(error, sqlite3.OperationalError) and _is_busy(error):
            advice = " by another program; try again when that has ended"
        return NamingError(
            f"the name database {self._path} cannot be {done}: {error}{advice}"
        )


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _decoded(rows: Iterable[Any]) -> Iterator[NumberedChange]:
    for number, kind, name, contents in rows:
        one = None
        if contents is not None:
            uri, metadata, *others = json.loads(contents)
            one = Registration(uri, frozenset(metadata), *others)
        yield number, kind, name, one
