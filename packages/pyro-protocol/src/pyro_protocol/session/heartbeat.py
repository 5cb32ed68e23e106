"""When to ask a silent peer for a sign of life, and when to take it for dead."""

from __future__ import annotations

__all__ = ["Heartbeat"]


class Heartbeat:
    """The heartbeat of one connection, without a clock of its own.

    Whoever drives the connection tells the time, in seconds of any steady clock.
    Everything that arrives is a sign of life. A peer that was silent for
    ``interval`` is asked with a PING; one that stays silent for ``timeout`` more
    is dead::

        heartbeat.received(now)              # after each receive
        if heartbeat.is_dead(now):           # when `due` has passed
            close the connection
        elif heartbeat.should_ping(now):
            session.send_ping()
            heartbeat.pinged(now)
        wait until heartbeat.due

    Args:
        interval: after how many seconds of silence the peer is asked.
        timeout: how many seconds it has to answer.
        now: the time at the beginning.

    Raises:
        ValueError: ``interval`` or ``timeout`` is not more than 0.
    """

    __slots__ = ("_heard", "_pinged", "interval", "timeout")

    def __init__(self, interval: float, timeout: float, now: float) -> None:
        if not (interval > 0 and timeout > 0):
            raise ValueError(
                "a heartbeat needs an interval and a timeout of more than 0 seconds, "
                f"not {interval!r} and {timeout!r}"
            )
        self.interval: float = interval
        self.timeout: float = timeout
        self._heard = now
        self._pinged: float | None = None

    @property
    def due(self) -> float:
        """When to look again, at the latest."""
        # One thread may look while another takes notice of what has arrived.
        pinged = self._pinged
        if pinged is None:
            return self._heard + self.interval
        return pinged + self.timeout

    def received(self, now: float) -> None:
        """Take notice that something has arrived."""
        self._heard = now
        self._pinged = None

    def should_ping(self, now: float) -> bool:
        """Whether the peer has been silent for so long that it is to be asked."""
        return self._pinged is None and now >= self.due

    def pinged(self, now: float) -> None:
        """Take notice that a PING was sent."""
        self._pinged = now

    def is_dead(self, now: float) -> bool:
        """Whether the peer was asked, and has not given a sign of life in time."""
        return self._pinged is not None and now >= self.due
