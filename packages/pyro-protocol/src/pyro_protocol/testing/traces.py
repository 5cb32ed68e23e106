"""What a test leaves behind in its process: threads and open descriptors."""

from __future__ import annotations

import contextlib
import gc
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Traces"]

# Threads of the client that stay for a while, and do not keep the program from ending.
_STAYING: Final = frozenset({"pyro-watcher", "pyro-client"})
_DESCRIPTORS: Final = Path("/proc/self/fd")
_PAUSE: Final = 0.002


class Traces:
    """What there is more of than there was when this was made.

    Args:
        connections: returns what clients' connections have left; nothing if left out.
        staying: the names of threads that may stay.
    """

    def __init__(
        self,
        connections: Callable[[], list[str]] | None = None,
        *,
        staying: Iterable[str] = _STAYING,
    ) -> None:
        self._connections = connections
        self._staying = frozenset(staying)
        self._threads = set(threading.enumerate())
        self._descriptors = _descriptors()

    def threads(self) -> list[str]:
        """Return the names of threads that are not to stay."""
        left = set(threading.enumerate()) - self._threads
        return sorted(one.name for one in left if one.name not in self._staying)

    def descriptors(self) -> dict[str, str]:
        """Return what open descriptors lead to, such as sockets and files.

        Where the system does not tell, as other systems than Linux do not, that is
        nothing.
        """
        now = _descriptors()
        return {key: now[key] for key in now.keys() - self._descriptors.keys()}

    def connections(self) -> list[str]:
        """Return what clients' connections that are not closed still have."""
        return self._connections() if self._connections else []

    def wait_until_nothing_is_left(self, timeout: float = 10.0) -> None:
        """Wait until there is no more than there was; what ends takes its moment.

        Args:
            timeout: how many seconds.

        Raises:
            AssertionError: something is left; the message says what.
        """
        deadline = time.monotonic() + timeout
        pause = threading.Event()
        for look in (self.threads, self.connections, self.descriptors):
            while left := look():
                if time.monotonic() > deadline:
                    raise AssertionError(f"left behind: {left}")
                # What is in cycles is closed when these are found.
                gc.collect()
                pause.wait(_PAUSE)


def _descriptors() -> dict[str, str]:
    if not _DESCRIPTORS.is_dir():
        return {}
    found = {}
    for path in _DESCRIPTORS.iterdir():
        # That of the listing itself is gone.
        with contextlib.suppress(OSError):
            found[path.name] = str(path.readlink())
    return found
