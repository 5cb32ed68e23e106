"""How calls of a daemon wait: in its event loop, which no method may hold up."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Any

from pyro_protocol.errors import ServerBusyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_protocol.dispatch.runtime import Turn

__all__ = ["DaemonRuntime"]


class DaemonRuntime:
    """Waits in the event loop of a daemon, and runs methods in its workers.

    Args:
        submit: has a job run by a worker; returns whether there is room for it.
    """

    def __init__(self, submit: Callable[[Callable[[], None]], bool]) -> None:
        self._submit = submit

    async def wait_for(self, turn: Turn) -> None:
        """Wait until the turn of a call has come."""
        loop = asyncio.get_running_loop()
        came = asyncio.Event()
        turn.on(lambda: loop.call_soon_threadsafe(came.set))
        await came.wait()

    async def run(self, function: Callable[[], Any]) -> Any:
        """Run a function in a worker, in the context of the caller.

        Raises:
            ServerBusyError: there is no room for it; it was not run.
            BaseException: whatever the function raises.
        """
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        ended = asyncio.Event()
        outcome: list[tuple[Any, BaseException | None]] = []

        def work() -> None:
            try:
                outcome.append((context.run(function), None))
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                outcome.append((None, error))
            # The event loop may have been left, when nobody waits for this any more.
            if not loop.is_closed():
                loop.call_soon_threadsafe(ended.set)

        if not self._submit(work):
            raise ServerBusyError(
                "the server is busy: all its workers are, and its queue is full; the "
                "call was not run (see THREADPOOL_SIZE and THREADPOOL_QUEUE_SIZE)"
            )
        await ended.wait()
        result, error = outcome.pop()
        if error is not None:
            raise error
        return result
