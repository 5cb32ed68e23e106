"""Ctrl-C and SIGTERM as one exception, raised only where it does no harm."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["Interrupted", "Interruption"]


class Interrupted(BaseException):
    """The user, or the system, wants this program to end.

    Attributes:
        signal_number: The signal that said so.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.strsignal(signal_number))
        self.signal_number = signal_number


class Interruption:
    """Turns the signals into `Interrupted`, raised in the main thread.

    It is raised inside `allowed` blocks only. Everywhere else a signal waits, so that
    nothing can disturb the ending of processes that was begun.
    """

    def __init__(self) -> None:
        self._allowed = False
        self._pending: int | None = None
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, self._on_signal)

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Let a signal interrupt the block.

        Raises:
            Interrupted: A signal has come, before the block or in it.
        """
        with self._set(allowed=True):
            yield

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Let a signal wait until the end of the block, inside an `allowed` one.

        Between the start of a process and the note of it, an exception would leave
        a process behind that nobody knows of.
        """
        with self._set(allowed=False):
            yield
        self._raise_pending()

    @contextmanager
    def _set(self, *, allowed: bool) -> Iterator[None]:
        before, self._allowed = self._allowed, allowed
        try:
            self._raise_pending()
            yield
        finally:
            self._allowed = before

    def _on_signal(self, signal_number: int, _frame: FrameType | None) -> None:
        self._pending = signal_number
        self._raise_pending()

    def _raise_pending(self) -> None:
        if self._allowed and self._pending is not None:
            pending, self._pending = self._pending, None
            raise Interrupted(pending)
