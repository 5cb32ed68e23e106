"""How far the producer of a stream may be ahead of its consumer."""

from __future__ import annotations

from typing import Final

from ..frozen import Frozen
from .stream_frames import UNBOUNDED

__all__ = ["DEFAULT_READ_AHEAD", "NO_READ_AHEAD", "CreditPlan", "Grant", "ReadAhead"]

Grant = tuple[int, int]
"""What to give `grant`: items and bytes; (0, 0) is nothing to grant."""

_NOTHING: Final[Grant] = (0, 0)


class ReadAhead(Frozen):
    """How much of a stream may be under way, or wait here to be consumed.

    Attributes:
        items: the most items; 0 means that each is produced only when the program
            asks for it, as side effects may demand.
        bytes: the most bytes. A single larger item is let through alone.
    """

    items: int
    bytes: int

    def __post_init__(self) -> None:
        if not (0 <= self.items < UNBOUNDED and 0 < self.bytes < UNBOUNDED):
            raise ValueError(
                "a read-ahead needs 0 items or more, and at least 1 byte, both less "
                f"than {UNBOUNDED}; not {self.items!r} and {self.bytes!r}"
            )

    def start(self) -> CreditPlan:
        """Return the plan for one stream."""
        return CreditPlan(self)


NO_READ_AHEAD: Final = ReadAhead(0, 1)
"""Each item is produced when the program asks for it, and not before."""

DEFAULT_READ_AHEAD: Final = ReadAhead(1000, 1024 * 1024)
"""1000 items keep a fast consumer busy over any network; 1 MiB is what a few
hundred streams may hold at the same time."""


class CreditPlan:
    """What to grant for one stream, and when; each method returns what to grant now.

    Credit is renewed when half of it has been consumed: earlier would cost a
    message for each item, later would make the producer wait. An item that is larger
    than the read-ahead is let through when nothing else waits to be consumed.

    Args:
        policy: how far the producer may be ahead.
    """

    __slots__ = ("_advance", "_items", "_missing", "_policy", "_size", "_waiting")

    def __init__(self, policy: ReadAhead) -> None:
        self._policy = policy
        # Consumed and not granted again yet.
        self._items = 0
        self._size = 0
        # Received and not consumed yet.
        self._waiting = 0
        # What the next item needs beyond what is granted, and what was granted so.
        self._missing = 0
        self._advance = 0

    def begin(self) -> Grant:
        """The stream begins."""
        if not self._policy.items:
            # One item at a time is bound enough.
            return 0, UNBOUNDED
        return self._policy.items, self._policy.bytes

    def demanded(self) -> Grant:
        """The program asks for an item, and none is waiting or under way."""
        return _NOTHING if self._policy.items else (1, 0)

    def received(self, items: int) -> None:
        """So many items have arrived, and wait to be consumed."""
        self._waiting += items

    def consumed(self, size: int, items: int = 1) -> Grant:
        """The program has taken items that needed ``size`` bytes of credit in all."""
        policy = self._policy
        self._waiting -= items
        if not policy.items:
            return _NOTHING
        self._items += items
        self._size += size
        granted = renewed = 0
        if self._items * 2 >= policy.items or self._size * 2 >= policy.bytes:
            granted, self._items = self._items, 0
            size, self._size = self._size, 0
            repaid = min(size, self._advance)
            self._advance -= repaid
            renewed = size - repaid
            self._missing = max(0, self._missing - renewed)
        return granted, renewed + self._let_through()

    def wanted(self, missing: int) -> Grant:
        """The next item needs ``missing`` bytes more than are left."""
        self._missing = missing
        return 0, self._let_through()

    def _let_through(self) -> int:
        """Return what is missing for an item, once it is to be the only one here."""
        if self._waiting:
            return 0
        missing, self._missing = self._missing, 0
        self._advance += missing
        return missing
