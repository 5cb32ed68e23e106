"""A DBM file of any kind, of which what was written is kept."""

from __future__ import annotations

import dbm
from typing import Any

__all__ = ["DbmFile"]


class DbmFile:
    """A DBM file that is open for as long as its kind allows.

    Some kinds write only when they are closed, or belong to one thread.

    Args:
        path: the file, without the ending that some kinds add.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._database: Any = None
        self._replaced = False

    def open(self) -> Any:
        """Open the file, if it is not open, and create it, if there is none.

        Raises:
            dbm.error: it cannot be opened; the other methods raise that too.
        """
        if self._database is None:
            self._database = dbm.open(self._path, "c")  # noqa: SIM115 - see `close`
        return self._database

    def read(self) -> dict[bytes, bytes]:
        """Return everything."""
        database = self.open()
        # Not all kinds can be iterated.
        return {key: database[key] for key in database.keys()}  # noqa: SIM118

    def write(self, key: bytes, value: bytes) -> None:
        """Set the value of a key."""
        database = self.open()
        self._replaced = self._replaced or key in database
        database[key] = value

    def remove(self, key: bytes) -> None:
        """Remove a key, if it is there."""
        database = self.open()
        if key in database:
            self._replaced = True
            del database[key]

    def finish(self) -> None:
        """Have what was written come into the file; to be called by the same thread."""
        if not hasattr(self._database, "sync"):
            self.close()
        elif self._replaced:
            # What is new is there already, and this may rewrite all of it.
            self._database.sync()
        self._replaced = False

    def close(self) -> None:
        """Close the file; harmless if it is closed."""
        if self._database is not None:
            self._database.close()
            self._database = None
