"""Choices made of the bytes that a fuzzer gives: the same bytes, the same choices."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Script", "block"]

_SIZE_BYTES = 2
_Option = TypeVar("_Option")


def block(data: bytes) -> bytes:
    """Return what `Script.block` takes to be ``data``; at most 65535 bytes."""
    return len(data).to_bytes(_SIZE_BYTES, "big") + data


class Script:
    """Takes choices off the front of some bytes; where they end, all are zero."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def ended(self) -> bool:
        """Whether all bytes have been used up."""
        return self._position >= len(self._data)

    def take(self, size: int) -> bytes:
        """Return up to ``size`` bytes."""
        data = self._data[self._position : self._position + size]
        self._position += size
        return data

    def number(self, size: int = 1) -> int:
        """Return a number of ``size`` bytes."""
        return int.from_bytes(self.take(size), "big")

    def choice(self, options: Sequence[_Option]) -> _Option:
        """Return one of some options."""
        return options[self.number() % len(options)]

    def block(self) -> bytes:
        """Return some bytes whose number comes before them."""
        return self.take(self.number(_SIZE_BYTES))

    def rest(self) -> bytes:
        """Return all the other bytes."""
        return self.take(len(self._data))

    def sizes(self) -> list[int]:
        """Return a few sizes of pieces."""
        return [self.number(_SIZE_BYTES) for _ in range(self.number() % 8)]
