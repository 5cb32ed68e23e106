"""Waiting for what a client sends beside its requests: in a thread, or in a task."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Protocol

from pyro_protocol.context import current_context

if TYPE_CHECKING:
    import asyncio

__all__ = ["TaskWaiter", "ThreadWaiter", "Waiter", "in_event_loop", "shorter"]


class Waiter(Protocol):
    """Somebody who waits for one thing, once."""

    def wake(self) -> None:
        """Have the one who waits go on; called by any thread, maybe several times."""


class ThreadWaiter:
    """A thread that waits."""

    __slots__ = ("_lock", "woken")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.woken: bool = False

    def wake(self) -> None:
        """Have the thread go on."""
        # Released only once; whoever comes second finds it free, or taken for good.
        if not self.woken:
            self.woken = True
            try:
                self._lock.release()
            except RuntimeError:
                return

    def wait(self, timeout: float | None) -> bool:
        """Wait; whether it was woken in time."""
        return self._lock.acquire(timeout=-1 if timeout is None else timeout)


class TaskWaiter:
    """A task of an event loop that waits; made in the thread of that loop."""

    __slots__ = ("_future", "_loop")

    def __init__(self) -> None:
        import asyncio  # noqa: PLC0415 - see in_event_loop

        self._loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    def wake(self) -> None:
        """Have the task go on."""
        try:
            self._loop.call_soon_threadsafe(self._set)
        except RuntimeError:
            # The event loop was closed, and nobody waits in it any more.
            return

    def _set(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    async def wait(self, seconds: float | None) -> bool:
        """Wait; whether it was woken in time."""
        if seconds is None:
            await self._future
            return True
        import asyncio  # noqa: PLC0415 - see in_event_loop

        done, _ = await asyncio.wait((self._future,), timeout=seconds)
        return bool(done)


def in_event_loop() -> bool:
    """Whether an event loop runs in this thread, so that it must not wait."""
    # The module takes long to import; without it no event loop runs. It may be on its
    # way just now.
    ask = getattr(sys.modules.get("asyncio"), "get_running_loop", None)
    if ask is None:
        return False
    try:
        ask()
    except RuntimeError:
        return False
    return True


def shorter(timeout: float | None) -> float | None:
    """Return how many seconds to wait: until the caller of the method stops, at most.

    Args:
        timeout: another bound, or None.
    """
    left = current_context.remaining
    if left is None or timeout is None:
        return timeout if left is None else left
    return min(left, timeout)
