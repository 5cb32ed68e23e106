"""How calls of a daemon wait: in its event loop, which no method may hold up."""

from __future__ import annotations

import contextlib
import contextvars
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from pyro_protocol.errors import ServerBusyError

if TYPE_CHECKING:
    import asyncio
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
        import asyncio  # noqa: PLC0415 - daemons without coroutines start sooner

        loop = asyncio.get_running_loop()
        came = asyncio.Event()
        turn.on(lambda: loop.call_soon_threadsafe(came.set))
        await came.wait()

    async def run(self, function: Callable[[], Any]) -> Any:
        """Run a function in a worker, in the context of the caller.

        Who is cancelled waits until the function has ended, if it has begun, and else
        it is never run.

        Raises:
            ServerBusyError: there is no room for it; it was not run.
            BaseException: whatever the function raises.
        """
        import asyncio  # noqa: PLC0415 - see above

        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        ended = asyncio.Event()
        outcome: list[tuple[Any, BaseException | None]] = []
        # Whoever takes it out decides: the worker begins, or the caller gives up.
        open_to_both = [True]

        def work() -> None:
            if not _take(open_to_both):
                return
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
        try:
            await ended.wait()
        except asyncio.CancelledError:
            if not _take(open_to_both):
                await _in_any_case(ended)
                _discard(outcome[0][0])
            raise
        result, error = outcome.pop()
        if error is not None:
            raise error
        return result


def _take(token: list[bool]) -> bool:
    """Take the only item out of a list; whether nobody else has."""
    try:
        return token.pop()
    except IndexError:
        return False


async def _in_any_case(event: asyncio.Event) -> None:
    """Wait for an event, also when asked again to stop waiting."""
    import asyncio  # noqa: PLC0415 - see above

    while not event.is_set():
        with contextlib.suppress(asyncio.CancelledError):
            await event.wait()


def _discard(result: Any) -> None:
    """Close a coroutine that nobody will await."""
    if type(result) is CoroutineType:
        result.close()
