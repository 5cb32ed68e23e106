"""The event loop in which a daemon runs the coroutines of its objects."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import PyroError

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["CoroutineThread"]

_STOP_SECONDS: Final = 5.0


class CoroutineThread:
    """A thread with an event loop, started when the first coroutine needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end, in the context of the caller.

        Raises:
            PyroError: the thread was stopped.
            BaseException: whatever the coroutine raises.
        """
        outcome = _outcome(coroutine)
        with self._lock:
            if self._stopped:
                outcome.close()
                coroutine.close()
                raise PyroError("the server is being shut down; the call was not run")
            # Scheduled under the lock, so that a stop comes after it, and cancels it.
            future = asyncio.run_coroutine_threadsafe(outcome, self._running_loop())
        result, error = future.result()
        if error is not None:
            raise error
        return result

    def runs_current_thread(self) -> bool:
        """Whether the calling thread is the one of the event loop."""
        return threading.current_thread() is self._thread

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=self._serve, args=(self._loop,), name="pyro-asyncio", daemon=True
            )
            self._thread.start()
        return self._loop

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.run_forever()
            loop.run_until_complete(_cancel_others())
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    def stop(self) -> None:
        """Cancel what still runs and end the thread."""
        with self._lock:
            if self._loop is not None and not self._stopped:
                self._loop.call_soon_threadsafe(self._loop.stop)
            self._stopped = True
            thread = self._thread
        if thread is not None and not self.runs_current_thread():
            thread.join(_STOP_SECONDS)


async def _outcome(
    coroutine: Coroutine[Any, Any, Any],
) -> tuple[Any, BaseException | None]:
    """Await a coroutine; an exception such as SystemExit would end the event loop."""
    try:
        return await coroutine, None
    except BaseException as error:  # noqa: BLE001 - raised again where it was called
        return None, error


async def _cancel_others() -> None:
    """Cancel all other tasks of the event loop and wait for their ends."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
