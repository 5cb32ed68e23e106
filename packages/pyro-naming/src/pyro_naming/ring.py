"""The last changes, by their positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .storages.interface import Change

__all__ = ["RING_LENGTH", "ChangeRing"]

RING_LENGTH: Final = 10_000
"""How many changes are kept at least: some megabytes, whoever is behind."""


class ChangeRing:
    """Finds what has come after a position; only positions in it are known.

    Args:
        length: how many changes are kept at least, and up to twice as many.
    """

    def __init__(self, length: int = RING_LENGTH) -> None:
        self._length = length
        self._changes: list[Change] = []
        # How many changes there were up to a position, counted from the beginning.
        self._counts: dict[str, int] = {}
        self._dropped = 0
        self.head: str | None = None

    def clear(self) -> None:
        """Forget everything."""
        self._changes.clear()
        self._counts.clear()
        self._dropped = 0
        self.head = None

    def begin(self, position: str) -> None:
        """Forget everything, and begin at a position."""
        self.clear()
        self._counts[position] = 0
        self.head = position

    def extend(self, changes: Iterable[Change]) -> None:
        """Add changes, the oldest first."""
        for change in changes:
            self._changes.append(change)
            self._counts[change.position] = self._dropped + len(self._changes)
            self.head = change.position
        surplus = len(self._changes) - self._length
        if surplus > self._length:
            del self._changes[:surplus]
            self._dropped += surplus
            self._counts = {
                position: count
                for position, count in self._counts.items()
                if count >= self._dropped
            }

    def since(self, position: str, limit: int) -> list[Change] | None:
        """Return some of what has come after a position; None if it is not known."""
        count = self._counts.get(position)
        if count is None:
            return None
        start = count - self._dropped
        return self._changes[start : start + limit]
