"""Seeing that an SQLite file has been written without asking SQLite.

Asking takes as long as a small query. But in WAL mode SQLite keeps an index of the log
in a file that is mapped into the memory of all who use it, and its documented header
differs after every commit.
"""

from __future__ import annotations

import mmap
import threading
from pathlib import Path
from typing import Final

__all__ = ["WalIndex"]

_SUFFIX: Final = "-shm"
# The first of two copies of the header.
_HEADER_LENGTH: Final = 48

_lock = threading.Lock()
_open: dict[tuple[int, int], WalIndex] = {}


class WalIndex:
    """The index of the log of one SQLite file; see `of`.

    When a process closes a file, it loses its locks on it, SQLite's among them. So
    there is one object for all users of a file in this process, and each of them
    closes its own connection before it calls `close`.

    Args:
        key: the device and the number of the file.
        path: where it is.

    Attributes:
        users: how many there are.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too short.
    """

    def __init__(self, key: tuple[int, int], path: Path) -> None:
        self._key = key
        self.users: int = 0
        self._file = path.open("rb", buffering=0)
        try:
            self._memory = mmap.mmap(
                self._file.fileno(), _HEADER_LENGTH, access=mmap.ACCESS_READ
            )
        except BaseException:
            self._file.close()
            raise

    @staticmethod
    def of(path: str) -> WalIndex | None:
        """Return the index of a file that SQLite has open; None if there is none.

        Args:
            path: the file, as SQLite calls it.
        """
        file = Path(path + _SUFFIX)
        try:
            with _lock:
                status = file.stat()
                key = (status.st_dev, status.st_ino)
                if key not in _open:
                    _open[key] = WalIndex(key, file)
                index = _open[key]
                index.users += 1
                return index
        except (OSError, ValueError):
            return None

    def header(self) -> bytes:
        """Return what differs after every commit."""
        return self._memory[:]

    def close(self) -> None:
        """Give it back; the last user's call closes it."""
        with _lock:
            self.users -= 1
            if not self.users:
                del _open[self._key]
                self._memory.close()
                self._file.close()
