"""How much memory something takes, as Python counts it."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["least_peak"]

_ROUNDS = 3


def least_peak(work: Callable[[], object]) -> int:
    """Return the most bytes that work takes at once.

    What other threads take meanwhile is counted, too. So it is done several times, and
    the least counts.
    """
    peaks = []
    tracemalloc.start()
    try:
        for _ in range(_ROUNDS):
            tracemalloc.reset_peak()
            before, _peak = tracemalloc.get_traced_memory()
            work()
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    return min(peaks)
