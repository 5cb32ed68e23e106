"""What has happened to the registrations of late."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from .interface import Change, HistoryLostError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["HISTORY_LENGTH", "History"]

HISTORY_LENGTH: Final = 10_000
"""How many changes are kept: minutes of a busy name server, in a few megabytes."""

# More digits than any number of writes has.
_LONGEST_NUMBER: Final = 18


class History:
    """The last changes, each with the number of the write that made it.

    Args:
        origin: tells positions in this history from those in others.
        length: how many changes are kept.
        forgotten: the number of the last change that is not kept.
    """

    def __init__(
        self, origin: str, length: int = HISTORY_LENGTH, *, forgotten: int = 0
    ) -> None:
        self.origin = origin
        self._kept: deque[tuple[int, Change]] = deque(maxlen=length)
        self._forgotten = forgotten

    @property
    def forgotten(self) -> int:
        """The number of the last change that is not kept any more."""
        return self._forgotten

    def position(self, number: int) -> str:
        """Return the position that a write has."""
        return f"{self.origin}-{number}"

    def add(self, number: int, change: Change) -> None:
        """Note a change; its number is the highest so far."""
        kept = self._kept
        if len(kept) == kept.maxlen:
            self._forgotten = kept[0][0]
        kept.append((number, change))

    def extend(self, changes: Iterable[tuple[int, Change]]) -> None:
        """Note several changes, the oldest first."""
        for number, change in changes:
            self.add(number, change)

    def number_of(self, position: str, newest: int) -> int:
        """Return the number of the write at a position.

        Args:
            position: the position, from anywhere.
            newest: the number of the last write.

        Raises:
            HistoryLostError: not everything since then is kept, or the position is
                another history's.
        """
        origin, _, digits = position.rpartition("-")
        known = origin == self.origin and digits.isdecimal()
        number = int(digits) if known and len(digits) <= _LONGEST_NUMBER else -1
        if not self._forgotten <= number <= newest:
            raise HistoryLostError(
                f"history lost: the changes since position {position[:50]!r} are not "
                "all kept; read all registrations again, and go on from there"
            )
        return number

    def since(self, number: int, limit: int) -> list[Change]:
        """Return the changes after a write, the oldest first."""
        # Whoever watches asks for the last few of many.
        found = []
        for noted, change in reversed(self._kept):
            if noted <= number:
                break
            found.append(change)
        found.reverse()
        return found[:limit]
