"""What other threads have for the thread of a window."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Inbox"]


class Inbox:
    """Jobs that any thread hands over, and one thread does."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()

    def hand_over(self, job: Callable[[], object]) -> None:
        """Have a job done soon; any thread may call this."""
        self._jobs.put(job)

    def work(self) -> None:
        """Do what has been handed over until now; the thread of the window does."""
        # Not those that come meanwhile: the window wants to be drawn as well.
        for _ in range(self._jobs.qsize()):
            self._jobs.get()()
