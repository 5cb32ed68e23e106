"""What is registered at the name servers that are measured."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["IN_ROOM", "Entry", "entries", "entry", "prefix_of", "tags_of", "write_file"]

IN_ROOM: Final = 10
"""Devices in a room: so many a search finds, however many rooms there are."""

_COMMON_TAG: Final = "class:lab.Device"

_TABLES: Final = """
    CREATE TABLE pyro_names (
        id integer PRIMARY KEY, name nvarchar NOT NULL UNIQUE, uri nvarchar NOT NULL);
    CREATE TABLE pyro_metadata (
        object integer NOT NULL, metadata nvarchar NOT NULL,
        FOREIGN KEY(object) REFERENCES pyro_names(id));
"""


class Entry(NamedTuple):
    """A registration."""

    name: str
    uri: str
    tags: list[str]


def entry(number: int) -> Entry:
    """Return the registration with a number."""
    room, device = divmod(number, IN_ROOM)
    return Entry(
        f"{prefix_of(room)}device{device}",
        f"PYRO:obj_{number:032x}@host.example.org:4444",
        tags_of(room),
    )


def entries(size: int) -> Iterator[Entry]:
    """Return so many registrations."""
    return (entry(number) for number in range(size))


def prefix_of(room: int) -> str:
    """Return what the names of a room begin with."""
    return f"lab.room{room:05}."


def tags_of(room: int) -> list[str]:
    """Return the tags of what is in a room; the first is everywhere."""
    return [_COMMON_TAG, f"room:{room:05}"]


def write_file(path: Path, size: int) -> None:
    """Write so many registrations into an SQLite file of Pyro5's."""
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(_TABLES)
        for number, (name, uri, tags) in enumerate(entries(size), 1):
            database.execute(
                "INSERT INTO pyro_names VALUES (?, ?, ?)", (number, name, uri)
            )
            database.executemany(
                "INSERT INTO pyro_metadata VALUES (?, ?)",
                [(number, tag) for tag in tags],
            )
