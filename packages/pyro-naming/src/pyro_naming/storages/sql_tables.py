"""The tables of an SQLite file with registrations.

``pyro_names`` and ``pyro_metadata`` are those of Pyro5 with further columns, which it
leaves alone: it can use the file too. What it writes has no version, and triggers note
that something is to be looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

__all__ = ["create_tables"]

_CREATE_NAMES: Final = (
    "CREATE TABLE pyro_names (id integer PRIMARY KEY,"
    " name nvarchar NOT NULL UNIQUE, uri nvarchar NOT NULL)"
)
_CREATE_METADATA: Final = (
    "CREATE TABLE pyro_metadata (object integer NOT NULL, metadata nvarchar NOT NULL,"
    " FOREIGN KEY(object) REFERENCES pyro_names(id))"
)
_COLUMNS: Final = {
    "pyro_names": (
        "owner text NOT NULL DEFAULT ''",
        "ttl real NOT NULL DEFAULT 0",
        "registered real NOT NULL DEFAULT 0",
        "renewed real NOT NULL DEFAULT 0",
        "version integer",
    ),
    "pyro_metadata": ("version integer",),
}
# `touched` tells whether Pyro5 has written something, `forgotten` up to which position
# the changes are not kept any more, and `origin` whose positions they are.
_CREATE_OTHERS: Final = (
    "CREATE INDEX IF NOT EXISTS pyro_names_by_version ON pyro_names(version)",
    "CREATE INDEX IF NOT EXISTS pyro_metadata_by_object ON pyro_metadata(object)",
    (
        "CREATE TABLE IF NOT EXISTS pyro_changes (position integer PRIMARY KEY,"
        " kind text NOT NULL, name text NOT NULL, contents text)"
    ),
    (
        "CREATE TABLE IF NOT EXISTS pyro_state (id integer PRIMARY KEY CHECK (id = 1),"
        " origin text NOT NULL, forgotten integer NOT NULL, touched integer NOT NULL)"
    ),
    "INSERT OR IGNORE INTO pyro_state VALUES (1, '', 0, 1)",
)
# A row is marked with version 0 before this package removes it.
_CREATE_TRIGGER: Final = (
    "CREATE TRIGGER IF NOT EXISTS {table}_{event}_elsewhere AFTER {event} ON {table}"
    " WHEN {condition} BEGIN UPDATE pyro_state SET touched = 1; END"
)
_CONDITIONS: Final = {"INSERT": "NEW.version IS NULL", "DELETE": "OLD.version > 0"}


def create_tables(database: sqlite3.Connection) -> None:
    """Make what is missing, and bring old files to today's form.

    To be called in a transaction.
    """
    query = "SELECT name FROM sqlite_master WHERE type = 'table'"
    tables = {row[0] for row in database.execute(query)}
    old: list[tuple[str, str]] = []
    if "pyro_metadata" not in tables:
        if "pyro_names" in tables:
            old = database.execute("SELECT name, uri FROM pyro_names").fetchall()
            database.execute("DROP TABLE pyro_names")
        database.execute(_CREATE_NAMES)
        database.execute(_CREATE_METADATA)
    for table, columns in _COLUMNS.items():
        known = {row[1] for row in database.execute(f"PRAGMA table_info({table})")}
        for column in columns:
            if column.split()[0] not in known:
                database.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
    for statement in _CREATE_OTHERS:
        database.execute(statement)
    for table in _COLUMNS:
        for event, condition in _CONDITIONS.items():
            database.execute(
                _CREATE_TRIGGER.format(table=table, event=event, condition=condition)
            )
    database.executemany("INSERT INTO pyro_names(name, uri) VALUES (?, ?)", old)
