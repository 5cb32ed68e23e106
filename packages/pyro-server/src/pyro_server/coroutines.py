"""The event loop in which a daemon runs the coroutines of its objects."""

from __future__ import annotations

import contextvars
import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import PyroError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

__all__ = ["CoroutineLoop", "RunningCoroutine"]

_logger = logging.getLogger("pyro.server")

_STOP_SECONDS: Final = 5.0


class RunningCoroutine:
    """A coroutine that was started; all of it may be used by any thread.

    Args:
        owner: what it runs in.
        coroutine: what is run.
        done: called in the thread of the event loop when it has ended.

    Attributes:
        ended: whether it has ended, or will never begin; true before ``done`` is
            called.
    """

    __slots__ = ("_cancelled", "_coroutine", "_done", "_owner", "_task", "ended")

    def __init__(
        self,
        owner: CoroutineLoop,
        coroutine: Coroutine[Any, Any, None],
        done: Callable[[RunningCoroutine], None],
    ) -> None:
        self._owner = owner
        self._coroutine: Coroutine[Any, Any, None] | None = coroutine
        self._done = done
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False
        self.ended: bool = False

    def cancel(self) -> None:
        """Ask the coroutine to end, by raising CancelledError where it waits.

        That is done once: who asks again must not disturb it while it cleans up.
        """
        self._owner.call_soon(self.cancel_now)

    def begin(self) -> None:
        """Start it; called in the thread of the event loop."""
        coroutine, self._coroutine = self._coroutine, None
        if coroutine is None:
            return
        import asyncio  # noqa: PLC0415 - see _running_loop

        self._task = asyncio.get_running_loop().create_task(coroutine)
        self._task.add_done_callback(self._ended)
        if self._cancelled:
            self._cancel_begun()

    def cancel_now(self) -> None:
        """End it; called in the thread of the event loop."""
        again, self._cancelled = self._cancelled, True
        if self._task is not None and not again:
            self._cancel_begun()

    def _cancel_begun(self) -> None:
        # After its first step, for which the event loop has taken a note before: one
        # that is cancelled before it begins cannot clean up what was begun for it,
        # such as its place in the queue of an object.
        assert self._task is not None  # noqa: S101 - asked by the callers
        self._task.get_loop().call_soon(self._task.cancel)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        self.ended = True
        if not task.cancelled() and task.exception() is not None:
            _logger.error(
                "bringing a call to its end failed", exc_info=task.exception()
            )
        self._owner.forget(self)
        self._done(self)


class CoroutineLoop:
    """An event loop: a running one that was joined, or else one in an own thread.

    The thread is started when the first coroutine needs it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._joined = False
        self._stopped = False
        self._running: set[RunningCoroutine] = set()
        self._idle = threading.Event()
        self._idle.set()

    def join(self) -> None:
        """Use the event loop that runs in the calling thread."""
        import asyncio  # noqa: PLC0415 - see _running_loop

        with self._lock:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.current_thread()
            self._joined = True

    def start(
        self,
        coroutine: Coroutine[Any, Any, None],
        done: Callable[[RunningCoroutine], None],
    ) -> RunningCoroutine:
        """Start a coroutine, which must not raise.

        Args:
            coroutine: what is to be run.
            done: called in the thread of the event loop when it has ended.

        Raises:
            PyroError: the event loop was stopped, or closed by the program; nothing
                was run.
        """
        running = RunningCoroutine(self, coroutine, done)
        with self._lock:
            if self._stopped:
                coroutine.close()
                raise PyroError("the server is being shut down; the call was not run")
            self._running.add(running)
            self._idle.clear()
            loop = self._running_loop()
            if self._thread is not threading.current_thread():
                # Under the lock, so that a stop comes after it, and cancels it.
                try:
                    loop.call_soon_threadsafe(running.begin)
                except RuntimeError as error:
                    coroutine.close()
                    self._discard(running)
                    raise PyroError(
                        "the event loop of the daemon was closed; the call was not run"
                    ) from error
                return running
        running.begin()
        return running

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end, in the context of the caller.

        Raises:
            PyroError: the event loop was stopped, or it is the caller's own.
            BaseException: whatever the coroutine raises.
        """
        if self.runs_current_thread():
            coroutine.close()
            raise PyroError("the thread of the event loop cannot wait for a coroutine")
        ended = threading.Event()
        outcome: list[tuple[Any, BaseException | None]] = []
        try:
            self.start(_record(coroutine, outcome), lambda _running: ended.set())
        except PyroError:
            coroutine.close()
            raise
        ended.wait()
        result, error = outcome[0]
        if error is not None:
            raise error
        return result

    def call_soon(
        self,
        function: Callable[[], object],
        *,
        delay: float | None = None,
    ) -> None:
        """Have a function called in the thread of the event loop, if that runs.

        Args:
            function: what is called, without arguments.
            delay: how many seconds later; None means at once.
        """
        with self._lock:
            loop = self._loop
            if loop is None or loop.is_closed():
                return
            # That of the caller would be kept until then, and with it the call in hand.
            context = contextvars.Context()
            if delay is None:
                loop.call_soon_threadsafe(function, context=context)
            else:
                later = partial(loop.call_later, delay, function, context=context)
                loop.call_soon_threadsafe(later, context=context)

    def runs_current_thread(self) -> bool:
        """Whether the calling thread is the one of the event loop."""
        return threading.current_thread() is self._thread

    def forget(self, running: RunningCoroutine) -> None:
        """Take note that a coroutine has ended."""
        with self._lock:
            self._discard(running)

    def _discard(self, running: RunningCoroutine) -> None:
        self._running.discard(running)
        if not self._running:
            self._idle.set()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            # Daemons without coroutines start sooner.
            import asyncio  # noqa: PLC0415

            # In a context of its own, as its handles would keep that of the first
            # call alive, and so its client.
            context = contextvars.Context()
            self._loop = context.run(asyncio.new_event_loop)
            self._thread = threading.Thread(
                target=self._serve, args=(self._loop,), name="pyro-asyncio", daemon=True
            )
            context.run(self._thread.start)
        return self._loop

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.run_forever()
            loop.run_until_complete(_cancel_others())
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    def stop(self) -> None:
        """Cancel what still runs, wait for it a while, and end an own thread."""
        with self._lock:
            again, self._stopped = self._stopped, True
            loop, thread = self._loop, self._thread
            running = list(self._running)
        if loop is None or thread is None:
            return
        own = self.runs_current_thread()
        if self._joined:
            for one in running:
                one.cancel()
            if not own:
                self._idle.wait(_STOP_SECONDS)
            return
        if not again:
            loop.call_soon_threadsafe(loop.stop)
        if not own:
            thread.join(_STOP_SECONDS)


async def _record(
    coroutine: Coroutine[Any, Any, Any],
    outcome: list[tuple[Any, BaseException | None]],
) -> None:
    """Await a coroutine; an exception such as SystemExit would end the event loop."""
    try:
        outcome.append((await coroutine, None))
    except BaseException as error:  # noqa: BLE001 - raised again where it was called
        outcome.append((None, error))


async def _cancel_others() -> None:
    """Cancel all other tasks of the event loop and wait for their ends."""
    import asyncio  # noqa: PLC0415 - see above

    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
