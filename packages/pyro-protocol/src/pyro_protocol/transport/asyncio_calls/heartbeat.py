"""The heartbeat of a connection in an event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ...session import Heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AsyncHeartbeat"]


class AsyncHeartbeat:
    """Asks a silent peer for a sign of life, and tells when none comes.

    Args:
        interval: after how many seconds of silence the peer is asked.
        timeout: how many seconds it has to answer.
        ping: asks the peer.
        dead: called with the seconds of silence when no answer has come in time.

    Attributes:
        heard: when something has arrived last; to be set by whoever receives.
        time: tells the time.
    """

    __slots__ = (
        "_dead",
        "_heartbeat",
        "_last",
        "_loop",
        "_ping",
        "_timer",
        "heard",
        "time",
    )

    def __init__(
        self,
        interval: float,
        timeout: float,
        *,
        ping: Callable[[], None],
        dead: Callable[[float], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.time: Callable[[], float] = self._loop.time
        self.heard: float = self.time()
        self._last = self.heard
        self._heartbeat = Heartbeat(interval, timeout, self.heard)
        self._ping = ping
        self._dead = dead
        self._timer = self._loop.call_at(self._heartbeat.due, self._look)

    def stop(self) -> None:
        """Look no more; harmless if it was stopped."""
        self._timer.cancel()

    def _look(self) -> None:
        """See whether the peer is to be asked, or has not answered in time."""
        now = self._loop.time()
        heartbeat = self._heartbeat
        if self.heard > self._last:
            # Only now, as what arrives often must not cost much.
            self._last = self.heard
            heartbeat.received(self.heard)
        if heartbeat.is_dead(now):
            self._dead(now - self._last)
            return
        if heartbeat.should_ping(now):
            heartbeat.pinged(now)
            self._ping()
        # What arrives meanwhile may move the time at which to ask again.
        due = min(heartbeat.due, now + heartbeat.interval)
        self._timer = self._loop.call_at(due, self._look)
