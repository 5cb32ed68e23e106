"""What trying some bytes may cost: a fixed amount, and so much for each byte."""

from __future__ import annotations

import time
import tracemalloc
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "MEMORY_BASE",
    "MEMORY_PER_BYTE",
    "TIME_BASE",
    "TIME_PER_BYTE",
    "bounded_memory",
    "bounded_time",
]

MEMORY_BASE: Final = 4 * 1024 * 1024
"""Bytes that any input may take. Some are for the peers that the target makes; most
are for unusual serpent text, which Python's own parser reads if it is short."""

MEMORY_PER_BYTE: Final = 400
"""Bytes of memory for each byte of input. An empty deque has 5 bytes on the wire and
760 in memory; a target may hold a value and what was made of it at the same time."""

TIME_BASE: Final = 1.0
"""Seconds of processor time that any input may take, with memory being traced."""

TIME_PER_BYTE: Final = 1e-4
"""Seconds for each byte: some ten times what an ordinary input takes."""

_TRIES: Final = 3


def bounded_memory(run: Callable[[bytes], None], data: bytes, made: int = 0) -> None:
    """Run a target and check what it needs at its peak.

    Args:
        run: the target.
        data: the bytes to try.
        made: how many more bytes the target makes of them.

    Raises:
        AssertionError: it is too much.
    """
    limit = MEMORY_BASE + MEMORY_PER_BYTE * (len(data) + made)
    peak = _peak(run, data)
    if peak > limit:
        # The modules that were imported the first time do not count.
        peak = _peak(run, data)
    assert peak <= limit, (
        f"{len(data)} bytes took {peak} bytes of memory (limit: {limit})"
    )


def _peak(run: Callable[[bytes], None], data: bytes) -> int:
    # Each start leaks a little, so that who tries millions starts it once. Who tries
    # few has it off in between, because everything takes twice as long with it.
    was_tracing = tracemalloc.is_tracing()
    tracemalloc.start(1)
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    try:
        run(data)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        if not was_tracing:
            tracemalloc.stop()


def bounded_time(run: Callable[[bytes], None], data: bytes, made: int = 0) -> None:
    """Run a target and check the processor time; for the fuzzer, not for tests.

    Args:
        run: the target.
        data: the bytes to try.
        made: how many more bytes the target makes of them.

    Raises:
        AssertionError: it is too much, three times in a row.
    """
    limit = TIME_BASE + TIME_PER_BYTE * (len(data) + made)
    seconds = 0.0
    for _ in range(_TRIES):
        start = time.process_time()
        run(data)
        seconds = time.process_time() - start
        if seconds <= limit:
            return
    raise AssertionError(
        f"{len(data)} bytes took {seconds:.2f} s three times (limit: {limit:.2f} s)"
    )
