"""An object whose calls wait until a test lets them go on."""

from __future__ import annotations

import threading

from pyro_protocol import expose, oneway

from .hosting import DEADLINE

__all__ = ["Gate"]


class Gate:
    """A gate that is closed at first.

    Attributes:
        passed: the numbers of the calls that have passed, in order.
    """

    def __init__(self) -> None:
        self._entered = threading.Semaphore(0)
        self._opened = threading.Event()
        self.passed: list[int] = []
        self._lock = threading.Lock()

    @expose
    def enter(self, number: int = 0) -> int:
        """Wait until the gate is open; return the number."""
        self._entered.release()
        assert self._opened.wait(DEADLINE), "the gate was never opened"
        with self._lock:
            self.passed.append(number)
        return number

    @expose
    @oneway
    def send_through(self, number: int) -> None:
        """Like `enter`, for callers that do not wait."""
        self.enter(number)

    @expose
    def look(self) -> str:
        """Return at once."""
        return "closed" if not self._opened.is_set() else "open"

    def open(self) -> None:
        self._opened.set()

    def close(self) -> None:
        self._opened.clear()

    def wait_for_visitors(self, count: int = 1) -> None:
        """Wait until so many more calls have begun."""
        for _ in range(count):
            assert self._entered.acquire(timeout=DEADLINE), "nobody comes"
