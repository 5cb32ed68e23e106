"""Asking a storage engine again after it could not be reached."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeVar

from pyro_protocol.errors import NamingError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RETRY_SECONDS", "EngineCalls"]

RETRY_SECONDS: Final = 10.0
"""How long an operation is tried again. A restarted engine answers within one to
three seconds unless it has much to read; and whoever asks the name server would
rather hear of a failure than wait for minutes."""

# The first is short, since a reconnect is often enough; the longest keeps hundreds of
# waiting operations from keeping a starting engine busy.
_SHORTEST_PAUSE_SECONDS: Final = 0.02
_LONGEST_PAUSE_SECONDS: Final = 0.5

T = TypeVar("T")


class EngineCalls:
    """Calls an engine until it answers, it refuses, or the time is over.

    Args:
        engine: what the engine is and where, for error messages.
        errors: what the engine's library raises.
        is_passing: tells whether such an error may be gone at the next attempt.
    """

    def __init__(
        self,
        engine: str,
        errors: tuple[type[Exception], ...],
        is_passing: Callable[[Exception], bool],
    ) -> None:
        self._engine = engine
        self._errors = errors
        self._is_passing = is_passing
        self._closed = threading.Event()
        self._running = 0
        self._ended = threading.Condition()

    @property
    def closed(self) -> bool:
        """Whether nothing is tried again."""
        return self._closed.is_set()

    def stop(self) -> None:
        """Let nothing be tried again from now on."""
        self._closed.set()

    def close(self) -> None:
        """Let nothing be tried again, and wait for what is under way."""
        self.stop()
        with self._ended:
            self._ended.wait_for(lambda: not self._running, RETRY_SECONDS)

    def persist(self, attempt: Callable[[], T]) -> T:
        """Return what the attempt returns that succeeds.

        Args:
            attempt: asks the engine. It has to do no harm when it is called again
                after the engine has done it and the answer was lost.

        Raises:
            NamingError: the engine refuses, or cannot be reached for `RETRY_SECONDS`.
        """
        with self._ended:
            self._running += 1
        try:
            return self._persist(attempt)
        finally:
            with self._ended:
                self._running -= 1
                self._ended.notify_all()

    def _persist(self, attempt: Callable[[], T]) -> T:
        end: float | None = None
        pause = _SHORTEST_PAUSE_SECONDS
        while True:
            try:
                return attempt()
            except self._errors as error:
                if not self._is_passing(error):
                    raise NamingError(f"{self._engine} refuses: {error}") from error
                now = monotonic()
                if end is None:
                    end = now + RETRY_SECONDS
                if now + pause > end or self._closed.wait(pause):
                    raise NamingError(
                        f"{self._engine} cannot be reached: {error}; "
                        "see whether it runs and whether that is its address"
                    ) from error
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
