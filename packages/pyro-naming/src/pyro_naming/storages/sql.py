"""Registrations in an SQLite file, which outlive the name server.

The tables are those of Pyro5, so that its files can be used, and ours by it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import NamingError

from .interface import Registration, Storage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["SqlStorage"]

# Another process may be writing; it takes milliseconds.
_LOCK_TIMEOUT_SECONDS: Final = 10.0

_CREATE_NAMES: Final = (
    "CREATE TABLE pyro_names (id integer PRIMARY KEY,"
    " name nvarchar NOT NULL UNIQUE, uri nvarchar NOT NULL)"
)
_CREATE_METADATA: Final = (
    "CREATE TABLE pyro_metadata (object integer NOT NULL, metadata nvarchar NOT NULL,"
    " FOREIGN KEY(object) REFERENCES pyro_names(id))"
)
_CREATE_INDEXES: Final = (
    "CREATE INDEX IF NOT EXISTS pyro_metadata_by_object ON pyro_metadata(object)",
    "CREATE INDEX IF NOT EXISTS pyro_metadata_by_tag ON pyro_metadata(metadata)",
)
_SELECT: Final = (
    "SELECT n.name, n.uri, m.metadata FROM pyro_names n"
    " LEFT JOIN pyro_metadata m ON m.object = n.id"
)
_HIGHEST_CHARACTER: Final = "\U0010ffff"


class SqlStorage(Storage):
    """Keeps registrations in an SQLite file.

    What was acknowledged is still there after the process was killed. Several
    name servers on one machine may use one file.

    Args:
        path: the file; it is created if there is none.

    Raises:
        ValueError: there is no path, or it means a database in memory.
        NamingError: the file cannot be opened, or is not an SQLite database.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        if self._path in ("", ":memory:"):
            raise ValueError(
                f"an SQL storage needs the path of a file, not {self._path!r}; "
                "use the memory storage to keep nothing"
            )
        self._lock = threading.RLock()
        with self._errors("opened"):
            self._database = sqlite3.connect(
                self._path,
                timeout=_LOCK_TIMEOUT_SECONDS,
                # Transactions are begun and ended in one place, `_transaction`.
                isolation_level=None,
                # The lock makes one connection do for all threads.
                check_same_thread=False,
            )
        try:
            with self._errors("opened"):
                # Readers do not wait for the writer, and a commit is one write.
                self._database.execute("PRAGMA journal_mode=WAL")
                self._database.execute("PRAGMA synchronous=NORMAL")
                self._database.execute("PRAGMA foreign_keys=ON")
            self._create_tables()
        except BaseException:
            self._database.close()
            raise

    def get(self, name: str) -> Registration | None:
        """Return the registration of a name, or None."""
        return self._select(" WHERE n.name = ?", name).get(name)

    def put(
        self, name: str, registration: Registration, *, replace: bool = True
    ) -> bool:
        """Register a name; False if it is there already and may not be replaced."""
        uri, metadata = registration
        with self._transaction() as database:
            known = self._id_of(name)
            if known is None:
                known = database.execute(
                    "INSERT INTO pyro_names(name, uri) VALUES (?, ?)", (name, uri)
                ).lastrowid
            elif replace:
                database.execute(
                    "UPDATE pyro_names SET uri = ? WHERE id = ?", (uri, known)
                )
            else:
                return False
            self._write_metadata(known, metadata)
        return True

    def set_metadata(self, name: str, metadata: frozenset[str]) -> bool:
        """Replace the metadata of a name; return False if there is no such name."""
        with self._transaction():
            known = self._id_of(name)
            if known is None:
                return False
            self._write_metadata(known, metadata)
        return True

    def remove(self, names: Iterable[str]) -> int:
        """Remove names, and return how many of them were there."""
        removed = 0
        with self._transaction() as database:
            for name in names:
                known = self._id_of(name)
                if known is not None:
                    self._write_metadata(known, frozenset())
                    database.execute("DELETE FROM pyro_names WHERE id = ?", (known,))
                    removed += 1
        return removed

    def find(self, prefix: str = "") -> dict[str, Registration]:
        """Return the registrations whose names begin with a text."""
        if not prefix:
            return self._select("")
        end = _after_all_with(prefix)
        if end is None:
            return self._select(" WHERE n.name >= ?", prefix)
        return self._select(" WHERE n.name >= ? AND n.name < ?", prefix, end)

    def find_by_metadata(
        self, tags: frozenset[str], *, every: bool
    ) -> dict[str, Registration]:
        """Return the registrations that have every one of some tags, or any."""
        having = " WHERE n.id IN (SELECT object FROM pyro_metadata WHERE metadata = ?)"
        if every:
            found = self._select(having, next(iter(tags)))
            return {name: one for name, one in found.items() if tags <= one.metadata}
        result: dict[str, Registration] = {}
        with self._lock:
            for tag in tags:
                result |= self._select(having, tag)
        return result

    def __len__(self) -> int:
        with self._lock, self._errors("read"):
            row = self._database.execute("SELECT count(*) FROM pyro_names").fetchone()
        return int(row[0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _select(self, condition: str, *values: str) -> dict[str, Registration]:
        with self._lock, self._errors("read"):
            rows = self._database.execute(_SELECT + condition, values).fetchall()
        uris: dict[str, str] = {}
        metadata: dict[str, set[str]] = {}
        for name, uri, tag in rows:
            uris[name] = uri
            tags = metadata.setdefault(name, set())
            if tag is not None:
                tags.add(tag)
        return {
            name: Registration(uri, frozenset(metadata[name]))
            for name, uri in uris.items()
        }

    def _id_of(self, name: str) -> int | None:
        row: tuple[int] | None = self._database.execute(
            "SELECT id FROM pyro_names WHERE name = ?", (name,)
        ).fetchone()
        return None if row is None else row[0]

    def _write_metadata(self, known: int | None, metadata: frozenset[str]) -> None:
        self._database.execute("DELETE FROM pyro_metadata WHERE object = ?", (known,))
        self._database.executemany(
            "INSERT INTO pyro_metadata(object, metadata) VALUES (?, ?)",
            [(known, tag) for tag in sorted(metadata)],
        )

    def _create_tables(self) -> None:
        """Make what is missing; bring a file without metadata to today's form."""
        with self._transaction() as database:
            tables = {
                row[0]
                for row in database.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table'"
                )
            }
            names: list[Any] = []
            if "pyro_metadata" not in tables:
                if "pyro_names" in tables:
                    names = database.execute(
                        "SELECT name, uri FROM pyro_names"
                    ).fetchall()
                    database.execute("DROP TABLE pyro_names")
                database.execute(_CREATE_NAMES)
                database.execute(_CREATE_METADATA)
            for statement in _CREATE_INDEXES:
                database.execute(statement)
            database.executemany(
                "INSERT INTO pyro_names(name, uri) VALUES (?, ?)", names
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the body as a whole or not at all, with no other writer beside it."""
        with self._lock, self._errors("written"):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                # Some failures have ended the transaction already.
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _errors(self, done: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeError) as error:
            raise NamingError(
                f"the name database {self._path} cannot be {done}: {error}"
            ) from error


def _after_all_with(prefix: str) -> str | None:
    """Return the first text, in SQLite's order, after all that begin with a prefix.

    None if there is no such text.
    """
    prefix = prefix.rstrip(_HIGHEST_CHARACTER)
    if not prefix:
        return None
    following = ord(prefix[-1]) + 1
    # The numbers of surrogates are no characters.
    if following == 0xD800:  # noqa: PLR2004 - the first of them
        following = 0xE000
    return prefix[:-1] + chr(following)
