"""Threads that do work besides the callers': callbacks, and items of streams."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from pyro_protocol.logs import log_exception

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Workers", "workers"]

_logger = logging.getLogger("pyro.client")

_IDLE_SECONDS: Final = 10.0


class Workers:
    """Threads that are started as they are needed, and end when they are not.

    They do not keep the program from ending.

    Args:
        most: how many there may be; more work waits.
    """

    def __init__(self, most: int) -> None:
        self.most: int = most
        # Re-entrant, as finalizers may have something to be done at any moment.
        self._lock = threading.RLock()
        self._work_waits = threading.Condition(self._lock)
        self._jobs: deque[Callable[[], object]] = deque()
        self._threads = 0
        self._idle = 0

    def submit(self, job: Callable[[], object]) -> None:
        """Have something done soon, by any of the threads."""
        with self._lock:
            self._jobs.append(job)
            if self._idle >= len(self._jobs):
                self._work_waits.notify()
                return
            if self._threads >= self.most:
                return
            self._threads += 1
        try:
            threading.Thread(target=self._work, name="pyro-client", daemon=True).start()
        except RuntimeError:
            # No more threads, or the program ends. Those that there are will do it.
            with self._lock:
                self._threads -= 1
            _logger.debug("no thread can be started for the work of a server")

    def _work(self) -> None:
        while True:
            with self._lock:
                while not self._jobs:
                    self._idle += 1
                    in_time = self._work_waits.wait(_IDLE_SECONDS)
                    self._idle -= 1
                    if not in_time and not self._jobs:
                        self._threads -= 1
                        return
                job = self._jobs.popleft()
            try:
                job()
            except BaseException:  # noqa: BLE001 - logged; the thread is not the job's
                log_exception(_logger, "work for a server failed")
            # Or it would be kept until there is other work.
            del job


_workers: list[Workers] = []
_lock = threading.RLock()


def workers(most: int) -> Workers:
    """Return the threads of this process.

    Args:
        most: how many there may be; the largest number that was asked for counts.
    """
    with _lock:
        if not _workers:
            _workers.append(Workers(most))
        _workers[0].most = max(_workers[0].most, most)
        return _workers[0]


def _after_fork() -> None:
    """Have a forked child start threads of its own."""
    global _lock  # noqa: PLW0603 - one per process
    _lock = threading.RLock()
    _workers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
