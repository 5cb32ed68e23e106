"""The asyncio host: it lives in the event loop that runs where it is served.

Coroutine methods run in that event loop, all others in worker threads, as in the
thread host. All there is between the two loops is one descriptor: that of the
selector, which becomes readable when there is something to do on any connection.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import PyroError
from pyro_protocol.wire import FLAG_COMPRESSED, FLAG_ONEWAY, Frame

from .requests import INVOKE, LET_GO
from .thread import ThreadHost

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_protocol.dispatch import Call

    from ..connection import Connection

__all__ = ["EventLoopHost"]

# A larger request is decoded by a worker, as that may take long.
_DECODED_HERE: Final = 16 * 1024


class EventLoopHost(ThreadHost):
    """Serves connections in a running event loop."""

    # The loop looks at each call itself: it may be one of a coroutine method.
    _leaves_messages = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._condition: Callable[[], bool] = _always

    def loop(self, condition: Callable[[], bool]) -> None:
        """Serve in an event loop of its own, until stopped.

        Raises:
            RuntimeError: an event loop is running in this thread already.
        """
        asyncio.run(self.serve(condition))

    async def serve(self, condition: Callable[[], bool] | None = None) -> None:
        """Serve in the event loop that runs here, until `stop` is called.

        Args:
            condition: asked every now and then; serving ends when it is false.

        Raises:
            PyroError: this event loop cannot watch descriptors, or the host is
                served already.
        """
        if self.loop_thread is not None:
            raise PyroError("the daemon is being served already")
        self._condition = condition or _always
        self._ended = asyncio.get_running_loop().create_future()
        # Before looking whether it was stopped: whoever stops it now leaves it to us.
        self.loop_thread = threading.current_thread()
        try:
            if not self._stopping:
                await self._serve_in(asyncio.get_running_loop(), self._ended)
        finally:
            # In another thread, as it waits for calls that may need the event loop.
            await asyncio.shield(asyncio.to_thread(self._leave))

    async def _serve_in(
        self, loop: asyncio.AbstractEventLoop, ended: asyncio.Future[None]
    ) -> None:
        try:
            descriptor = self._descriptor()
            loop.add_reader(descriptor, self._turn)
        except (AttributeError, NotImplementedError) as error:
            raise PyroError(
                "this event loop cannot watch the sockets of the daemon; use "
                "asyncio.SelectorEventLoop, or the server type 'thread', which runs "
                "async methods as well"
            ) from error
        self._loop = loop
        self._coroutines.join()
        try:
            self._turn()
            await ended
        finally:
            if self._timer is not None:
                self._timer.cancel()
            loop.remove_reader(descriptor)
            self._loop = None

    def _descriptor(self) -> int:
        """Return what becomes readable when there is something to do.

        Raises:
            AttributeError: the selector of this system has no such thing.
        """
        selector: Any = self.selector
        descriptor: int = selector.fileno()
        return descriptor

    def _leave(self) -> None:
        self.loop_thread = None
        super().release_if_stopped()

    def _turn(self) -> None:
        """Do what there is to do, and see to it that the time is looked at."""
        if self._loop is None or self._ended is None or self._ended.done():
            return
        try:
            self.turn(0)
            serving = not self._stopping and self._condition()
        except Exception as error:  # noqa: BLE001 - raised where it is served
            self._ended.set_exception(error)
            return
        if not serving:
            self._ended.set_result(None)
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(self.wait_time(), self._turn)

    def release_if_stopped(self) -> None:
        """Release everything, unless the event loop has to be left first."""
        if self._loop is None:
            super().release_if_stopped()

    def run(self, connection: Connection) -> None:
        """Start the coroutine methods that are called; workers do the rest."""
        while connection.may_begin:
            with connection.lock:
                frame = connection.waiting[0] if connection.waiting else None
            if not isinstance(frame, Frame):
                break
            call = self._coroutine_call(connection, frame)
            if call is None:
                break
            with connection.lock:
                # A worker may have taken it in the meantime.
                if not connection.waiting or connection.waiting[0] is not frame:
                    continue
                del connection.waiting[0]
            coroutine = connection.served.handle(frame, call)
            if coroutine is not None:
                if self.start(connection, frame, coroutine) is LET_GO:
                    break
            elif not connection.flush(wait=False):
                break
        if connection.waiting and connection.may_begin and not connection.outbox:
            super().run(connection)
        else:
            self.take_back(connection)

    def _coroutine_call(self, connection: Connection, frame: Frame) -> Call | None:
        """Return the call that a request makes, if it is one of a coroutine method."""
        if (
            frame.kind != INVOKE
            or frame.flags & (FLAG_COMPRESSED | FLAG_ONEWAY)
            or len(frame.payload) > _DECODED_HERE
        ):
            return None
        try:
            call = connection.session.read_call(frame)
        except PyroError:
            # The worker that reads it again answers that.
            return None
        awaits = self._service.dispatcher.awaits(connection.client, call)
        return call if awaits else None


def _always() -> bool:
    return True
