"""How many names an owner has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyro_protocol.errors import NamingError

if TYPE_CHECKING:
    from .storages import Storage

__all__ = ["Quota"]

# Of so many owners it is remembered how many names they may still have: a megabyte.
_MOST_REMEMBERED: Final = 10_000


class Quota:
    """Refuses more names to an owner who has too many.

    The storage may have to ask another machine. So its count is taken seldom: with
    room for many more names, half of them are let pass before the next look.

    Args:
        storage: what counts.
        most: how many names an owner may have.
    """

    def __init__(self, storage: Storage, most: int) -> None:
        self._storage = storage
        self._most = most
        self._unasked: dict[str, int] = {}

    def take(self, owner: str) -> None:
        """Let an owner have another name.

        Raises:
            NamingError: it has too many.
        """
        left = self._unasked.get(owner, 0)
        if left <= 0:
            left = self._room_of(owner)
            if owner not in self._unasked and len(self._unasked) >= _MOST_REMEMBERED:
                self._unasked.clear()
        # Threads that do this at once may let some more pass.
        self._unasked[owner] = left - 1

    def _room_of(self, owner: str) -> int:
        count = self._storage.count_of(owner)
        if count >= self._most:
            who = f"{owner} has" if owner else "nobody owns"
            raise NamingError(
                f"{who} {count} names already, and {self._most} are allowed "
                "(MAX_NAMES_PER_OWNER); remove some first"
            )
        return (self._most - count + 1) // 2
