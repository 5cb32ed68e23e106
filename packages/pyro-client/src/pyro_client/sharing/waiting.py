"""Waiting for what another thread receives."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyro_protocol.errors import CommunicationError
    from pyro_protocol.wire import Frame

__all__ = ["Waiter", "seconds_left"]


class Waiter:
    """Somebody who waits for an answer, an item, or for his turn.

    All of it happens under the lock of the channel, but for the sleep itself.

    Attributes:
        done: whether what was waited for is here, or will never be.
        frame: the answer.
        error: why there is none.
        sequence: the sequence number of the call.
        sent: whether all of the request was written.
    """

    __slots__ = ("_bell", "done", "error", "frame", "sent", "sequence")

    def __init__(self) -> None:
        self.done: bool = False
        self.frame: Frame | None = None
        self.error: CommunicationError | None = None
        self.sequence: int = -1
        self.sent: bool = False
        self._bell: threading.Lock | None = None

    @property
    def asleep(self) -> bool:
        """Whether somebody sleeps until `wake` is called."""
        return self._bell is not None

    def prepare_sleep(self) -> threading.Lock:
        """Return what to acquire, once, in order to sleep until `wake` is called."""
        self._bell = bell = threading.Lock()
        bell.acquire()
        return bell

    def wake(self) -> None:
        """Wake the one who sleeps, if there is one, to look around."""
        bell, self._bell = self._bell, None
        if bell is not None:
            bell.release()

    def finish(
        self, frame: Frame | None = None, error: CommunicationError | None = None
    ) -> None:
        """Have the wait ended."""
        self.frame = frame
        self.error = error
        self.done = True
        self.wake()


def seconds_left(deadline: float | None) -> float:
    """Return how many seconds a lock may be waited for; -1 is without end."""
    if deadline is None:
        return -1.0
    return min(max(deadline - time.monotonic(), 0.0), threading.TIMEOUT_MAX)
