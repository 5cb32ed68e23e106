"""Registrations in a file of the kind that Pyro4 used.

There a name leads to a URI and to nothing else. So the rest is kept in a second file
beside it, which Pyro4 does not know.
"""

from __future__ import annotations

import dbm
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import NamingError

from .dbm_file import DbmFile
from .history import HISTORY_LENGTH
from .interface import Registration
from .memory import MemoryStorage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from .interface import Change

__all__ = ["DbmStorage"]

_DETAILS_SUFFIX: Final = ".details"


class DbmStorage(MemoryStorage):
    """Keeps registrations in a DBM file, and in memory.

    It is there for the files of Pyro4, which can go on using them. Only one name
    server at a time may use a file, and some kinds of DBM file do not survive that
    its process is killed while it writes; `SqlStorage` has neither limitation.

    Args:
        path: the file, without the ending that some kinds add; it is created if there
            is none.
        history: how many changes are kept for those who watch.

    Raises:
        ValueError: there is no path.
        NamingError: the file cannot be opened, or is no DBM file.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, history: int = HISTORY_LENGTH
    ) -> None:
        super().__init__(history=history)
        self._path = os.fspath(path)
        if not self._path:
            raise ValueError("a DBM storage needs the path of a file")
        self._uris = DbmFile(self._path)
        self._details = DbmFile(self._path + _DETAILS_SUFFIX)
        try:
            with self._errors("opened"):
                self._uris.open()
                self._details.open()
            with self._errors("read"):
                self._table.load(self._read_all())
                self._uris.finish()
                self._details.finish()
        except BaseException:
            self._uris.close()
            self._details.close()
            raise

    def put(
        self, name: str, registration: Registration, *, expected: int | None = None
    ) -> bool:
        """Register a name, or replace what is registered; see `Storage.put`."""
        with self._writing():
            return super().put(name, registration, expected=expected)

    def renew(self, names: Collection[str], owner: str, now: float) -> set[str]:
        """Note that an owner still lives; see `Storage.renew`."""
        with self._writing():
            return super().renew(names, owner, now)

    def restart_leases(self, now: float) -> None:
        """Begin the time of all leases anew; see `Storage.restart_leases`."""
        with self._writing():
            super().restart_leases(now)

    def remove(self, names: Mapping[str, int | None]) -> list[str]:
        """Remove names, and return those that were removed; see `Storage.remove`."""
        with self._writing():
            return super().remove(names)

    def close(self) -> None:
        """Close the files, and end the waiting of others."""
        with self._lock, self._errors("closed"):
            super().close()
            self._uris.close()
            self._details.close()

    def _save(self, name: str, new: Registration | None, change: Change | None) -> None:
        del change
        key = name.encode()
        if new is None:
            self._uris.remove(key)
            self._details.remove(key)
            return
        uri, metadata, *others = new
        known = self._table.registrations.get(name)
        # Written first: alone they count for nothing.
        details = json.dumps([uri, sorted(metadata), *others[:-1]])
        self._details.write(key, details.encode())
        if known is None or known.uri != uri:
            self._uris.write(key, uri.encode())

    def _read_all(self) -> dict[str, Registration]:
        found = {}
        all_details = self._details.read()
        for key, value in self._uris.read().items():
            name, uri = key.decode(), value.decode()
            self._number += 1
            details: list[Any] = json.loads(all_details.get(key, b"[null]"))
            if details[0] == uri:
                _, metadata, *others = details
                one = Registration(uri, frozenset(metadata), *others)
            else:
                one = Registration(uri)
            found[name] = one._replace(version=self._number)
        return found

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock, self._errors("written"):
            if self._closed:
                raise NamingError(f"the name database {self._path} is closed")
            try:
                yield
            finally:
                self._uris.finish()
                self._details.finish()

    @contextmanager
    def _errors(self, done: str) -> Iterator[None]:
        try:
            yield
        except (*dbm.error, UnicodeError, ValueError) as error:
            raise NamingError(
                f"the name database {self._path} cannot be {done}: {error}"
            ) from error
