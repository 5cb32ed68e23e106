"""Time-outs of many connections that are all equally long."""

from __future__ import annotations

import time
from typing import Generic, TypeVar

__all__ = ["Timeouts"]

M = TypeVar("M")


class Timeouts(Generic[M]):
    """Since when each of its members has been waiting.

    Any thread may take out a member; the rest is for one thread.

    All may wait equally long, so that the one that waits longest is always the
    next whose time is up, and starting anew costs the same however many there are.

    Attributes:
        since: since when each of them has been waiting.
    """

    def __init__(self) -> None:
        self.since: dict[M, float] = {}

    def __len__(self) -> int:
        return len(self.since)

    def start(self, member: M) -> None:
        """Let the time of a member begin, or begin anew."""
        self.since.pop(member, None)
        self.since[member] = time.monotonic()

    def cancel(self, member: M) -> None:
        """Let a member wait for as long as it likes."""
        self.since.pop(member, None)

    def take_expired(self, seconds: float) -> list[M]:
        """Remove and return the members that have waited for so long."""
        latest = time.monotonic() - seconds
        expired: list[M] = []
        while self.since:
            try:
                member = next(iter(self.since))
            except (RuntimeError, StopIteration):
                # Another thread has taken one out in the meantime.
                continue
            since = self.since.get(member, 0.0)
            if since > latest:
                break
            if self.since.pop(member, None) is not None:
                expired.append(member)
        return expired
