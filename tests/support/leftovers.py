"""What a test has left behind in this process: threads, descriptors, connections."""

from __future__ import annotations

import contextlib
import gc
import threading
from pathlib import Path
from typing import Final

from pyro_client.sharing import SharedChannel
from pyro_client.sharing.watcher import watcher

from .daemons import eventually

__all__ = ["Leftovers"]

_DESCRIPTORS: Final = Path("/proc/self/fd")
# Threads of the client that stay for a while, and do not keep the program from ending.
_STAYING: Final = frozenset({"pyro-watcher", "pyro-client"})


class Leftovers:
    """What there is more of than there was when this was made."""

    def __init__(self) -> None:
        # Its descriptors are there once for all connections.
        watcher()
        self._threads = set(threading.enumerate())
        self._descriptors = _descriptors()

    def threads(self) -> list[str]:
        """Return the names of threads that are not to stay."""
        left = set(threading.enumerate()) - self._threads
        return [one.name for one in left if one.name not in _STAYING]

    def descriptors(self) -> dict[str, str]:
        """Return what open descriptors lead to."""
        now = _descriptors()
        return {key: now[key] for key in now.keys() - self._descriptors.keys()}

    def connections(self) -> list[str]:
        """Return what clients' connections that are not closed still have."""
        gc.collect()
        channels = [one for one in gc.get_objects() if isinstance(one, SharedChannel)]
        return [
            f"{one.uri}: {len(one._waiters)} calls, {len(one._streams)} streams"
            for one in channels
            if not one.closed or one._waiters or one._places or one._streams
        ]

    def wait_until_nothing_is_left(self) -> None:
        """Wait until there is no more than there was."""
        for look in (self.threads, self.connections, self.descriptors):
            try:
                eventually(lambda: not look())  # noqa: B023 - called in this turn
            except AssertionError as error:
                raise AssertionError(f"left behind: {look()}") from error


def _descriptors() -> dict[str, str]:
    if not _DESCRIPTORS.is_dir():
        return {}
    found = {}
    for path in _DESCRIPTORS.iterdir():
        # That of the listing itself is gone.
        with contextlib.suppress(OSError):
            found[path.name] = str(path.readlink())
    return found
