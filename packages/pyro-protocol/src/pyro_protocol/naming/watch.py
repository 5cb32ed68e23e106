"""Watching names from a thread that waits for what happens."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Self

from ..context import current_context
from .watching import ANSWER_SECONDS, WatchCourse

if TYPE_CHECKING:
    from types import TracebackType

    from .connection import Connection
    from .records import NameChange

__all__ = ["NameWatch"]


class NameWatch:
    """Iterates over what happens to names; `NameServerClient.watch` makes one.

    One thread at a time may iterate; any thread may close it.
    """

    def __init__(
        self,
        connection: Connection,
        prefix: str,
        after: str | None,
        *,
        existing: bool,
    ) -> None:
        self._connection = connection
        # Whatever happens, a watch must find out when its name server is dead.
        connection.timeout = connection.timeout or ANSWER_SECONDS
        self._course = WatchCourse(
            prefix, after, existing=existing, clock=time.monotonic
        )
        self._ready: deque[NameChange] = deque()
        self._closed = threading.Event()
        self._current = False
        self._process = os.getpid()
        # Now, so that nothing is missed from here on.
        while not self._course.begun:
            self._ask()
        self._returned = self._course.position if after is None else after

    @property
    def position(self) -> str | None:
        """After what another watch can go on where this one is.

        While changes of the kind ``"known"`` are coming, that is after all of them.
        """
        return self._returned if self._ready else self._course.position

    @property
    def current(self) -> bool:
        """Whether the name server answered the last time it was asked.

        While it does not, there may be changes that are not known here yet.
        """
        return self._current and not self._closed.is_set()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> NameChange:
        """Wait for the next change and return it.

        Raises:
            StopIteration: the watch has been closed.
            NamingError: changes have been missed, or the name server refuses.
            CommunicationError: it does not answer as a name server does, or the time
                is up that the caller has.
            SecurityError: it refuses this program.
        """
        while not self._closed.is_set():
            if self._ready:
                change = self._ready.popleft()
                self._returned = change.position
                return change
            self._ask()
        # Another thread may have ended it in the midst of a question.
        self._connection.end()
        raise StopIteration

    def _ask(self) -> None:
        """Ask the name server one question."""
        question = self._course.question()
        try:
            answer = self._connection.perform(question)
        except Exception as error:
            self._current = False
            if self._closed.is_set():
                return
            remaining = current_context.remaining
            if remaining is not None and remaining <= 0:
                raise
            try:
                pause = self._course.failed(error)
            except BaseException:
                self.close()
                raise
        else:
            self._current = True
            pause = self._course.answered(answer)
        self._ready += self._course.take_ready()
        if pause:
            self._closed.wait(pause)

    def close(self) -> None:
        """End the iteration, and the connection; harmless if that has been done."""
        self._closed.set()
        self._connection.end()

    def abandon(self) -> None:
        """Leave the connection to another process that has it too, after a fork."""
        # A thread of the parent's may have held what is in the old one.
        self._closed = threading.Event()
        self._closed.set()
        self._connection.abandon()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if not hasattr(self, "_process"):
            return
        if self._process == os.getpid():
            self.close()
        else:
            self.abandon()
