"""What the producer of a stream may send: each side keeps the account for itself."""

from __future__ import annotations

from .stream_frames import UNBOUNDED

__all__ = ["Credit"]


class Credit:
    """How much of one stream may still be sent.

    Attributes:
        items: how many items; None means any number.
        size: how many bytes; None means any number.
    """

    __slots__ = ("items", "size")

    def __init__(self) -> None:
        self.items: int | None = 0
        self.size: int | None = 0

    def add(self, items: int, size: int) -> None:
        """Add what the consumer has granted; ``UNBOUNDED`` lifts a bound for good."""
        if items == UNBOUNDED:
            self.items = None
        elif self.items is not None:
            self.items += items
        if size == UNBOUNDED:
            self.size = None
        elif self.size is not None:
            self.size += size

    def spend(self, items: int, size: int) -> None:
        """Take off what was sent, which must be not more than was granted."""
        if self.items is not None:
            self.items -= items
        if self.size is not None:
            self.size -= size
