"""Running functions of the program in threads, also when these wait for each other."""

from __future__ import annotations

import contextlib
import contextvars
import os
import threading
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.context import call_state, current_context

from .workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["MOST_THREADS", "giving_way", "in_background"]

MOST_THREADS: Final = 200
"""How many functions run at once. Programs start a few; one that starts thousands is
to have its calls made one after the other, not thousands of threads."""

# One in each process, made when it is first needed.
_pools: list[Workers] = []
_lock = threading.Lock()
_here = threading.local()


def in_background(function: Callable[[], object]) -> None:
    """Run a function in a thread of its own, in a copy of the caller's context.

    The threads do not keep the program from ending.
    """
    context = contextvars.copy_context()
    context.run(_own_call_state)

    def job() -> None:
        _here.is_worker = True
        context.run(function)

    _pool().submit(job)


@contextlib.contextmanager
def giving_way() -> Iterator[None]:
    """Let another function run in place of this one, which waits in a ``with`` block.

    So functions that wait for each other can never take all threads.
    """
    if not getattr(_here, "is_worker", False):
        yield
        return
    pool = _pool()
    with _lock:
        pool.most += 1
    # Starts a thread, if some were missing.
    pool.submit(_nothing)
    try:
        yield
    finally:
        with _lock:
            pool.most -= 1


def _pool() -> Workers:
    with _lock:
        if not _pools:
            _pools.append(Workers(MOST_THREADS))
        return _pools[0]


def _own_call_state() -> None:
    """Keep what answers bring along from the calls that the starter makes meanwhile."""
    if call_state.get() is not None:
        current_context.from_global(current_context.to_global())


def _nothing() -> Any:
    return None


def _after_fork() -> None:
    """Have a forked child start threads of its own."""
    global _lock  # noqa: PLW0603 - one per process
    _lock = threading.Lock()
    _pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
