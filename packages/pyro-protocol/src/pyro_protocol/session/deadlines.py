"""How the time that a caller has left travels with a call.

It is relative, so that the clocks of the two sides need not agree. The time that
the message itself takes is not known to anybody, and not counted.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from ..errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..wire import Annotations

__all__ = ["DEADLINE_ID", "Deadline", "decode_deadline", "encode_deadline"]

DEADLINE_ID: Final = "DLIN"
"""The annotation of an INVOKE that holds the time that remains."""

_MICROSECONDS: Final = struct.Struct("!Q")
_PER_SECOND: Final = 1_000_000
_MOST: Final = 0xFFFF_FFFF_FFFF_FFFF


class Deadline:
    """When the time of a call is used up.

    Args:
        seconds: how long that is from now on.
        clock: returns the time in seconds, as ``time.monotonic`` does.
    """

    __slots__ = ("_at", "_clock")

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at = clock() + seconds

    def remaining(self) -> float:
        """Return the seconds that are left; 0 when the time is used up."""
        return max(0.0, self._at - self._clock())


def encode_deadline(seconds: float) -> bytes:
    """Return the annotation for the seconds that remain; less than 0 counts as 0."""
    if not seconds > 0:
        return _MICROSECONDS.pack(0)
    # Rounded up, so that only what is used up is sent as used up.
    microseconds = min(seconds * _PER_SECOND, float(_MOST))
    return _MICROSECONDS.pack(min(max(1, int(microseconds)), _MOST))


def decode_deadline(annotations: Annotations) -> float | None:
    """Return the seconds that remain; None if the caller has set no bound.

    Raises:
        RemoteProtocolError: the annotation does not have 8 bytes.
    """
    data = annotations.get(DEADLINE_ID)
    if data is None:
        return None
    if len(data) != _MICROSECONDS.size:
        raise RemoteProtocolError(
            f"annotation {DEADLINE_ID} has {len(data)} bytes instead of 8"
        )
    (microseconds,) = _MICROSECONDS.unpack(data)
    return float(microseconds) / _PER_SECOND
