"""Time for tests, which need not wait for it."""

from __future__ import annotations

__all__ = ["Clock"]


class Clock:
    """Time that passes when a test says so.

    Attributes:
        now: the seconds that `Clock` returns when it is called.
    """

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
