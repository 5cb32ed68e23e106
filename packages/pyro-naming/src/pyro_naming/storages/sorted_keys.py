"""Keys that are kept in order while they come and go."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["SortedKeys"]

Key = TypeVar("Key", str, tuple[float, str])

# Inserting into a list moves what is behind it: short lists keep that cheap, and few
# of them the search for the right one.
_LONGEST_CHUNK: Final = 1000


class SortedKeys(Generic[Key]):
    """A sorted set, in which adding and removing take no time that grows noticeably.

    Args:
        keys: what it holds from the beginning, in any order and each once.
    """

    __slots__ = ("_chunks", "_length", "_starts")

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        ordered = sorted(keys)
        half = _LONGEST_CHUNK // 2
        self._length = len(ordered)
        self._chunks: list[list[Key]] = [
            ordered[start : start + half] for start in range(0, len(ordered), half)
        ] or [[]]
        # What is in each chunk but the first is not less than its entry here.
        self._starts: list[Key] = [chunk[0] for chunk in self._chunks[1:]]

    def add(self, key: Key) -> None:
        """Add a key that is not there."""
        index = bisect_right(self._starts, key)
        chunk = self._chunks[index]
        insort(chunk, key)
        self._length += 1
        if len(chunk) > _LONGEST_CHUNK:
            half = _LONGEST_CHUNK // 2
            self._chunks.insert(index + 1, chunk[half:])
            self._starts.insert(index, chunk[half])
            del chunk[half:]

    def remove(self, key: Key) -> None:
        """Remove a key that is there."""
        index = bisect_right(self._starts, key)
        chunk = self._chunks[index]
        del chunk[bisect_left(chunk, key)]
        self._length -= 1
        if not chunk and self._starts:
            del self._chunks[index]
            del self._starts[max(index - 1, 0)]

    def beginning_at(self, key: Key) -> Iterator[Key]:
        """Return in order what is not less than a key."""
        index = bisect_right(self._starts, key)
        return self._from(index, bisect_left(self._chunks[index], key))

    def beyond(self, key: Key) -> Iterator[Key]:
        """Return in order what is greater than a key."""
        index = bisect_right(self._starts, key)
        return self._from(index, bisect_right(self._chunks[index], key))

    def _from(self, index: int, place: int) -> Iterator[Key]:
        yield from self._chunks[index][place:]
        for following in range(index + 1, len(self._chunks)):
            yield from self._chunks[following]

    def __iter__(self) -> Iterator[Key]:
        return self._from(0, 0)

    def __len__(self) -> int:
        return self._length
