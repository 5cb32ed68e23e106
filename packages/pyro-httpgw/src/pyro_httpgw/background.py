"""A gateway in an event loop of its own, for the threads of a WSGI server."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .errors import StreamFailedError
from .gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from pyro_protocol import Configuration

    from .messages import Parts, Request, Response
    from .settings import Settings

__all__ = ["BackgroundGateway", "BackgroundParts"]

MOMENT_SECONDS: Final = 0.5
"""How often it is looked whether a client is still there that waits."""

T = TypeVar("T")


class BackgroundGateway:
    """Answers requests of any thread, in a thread that ends with `close`.

    Args:
        config: see `Gateway`.

    Attributes:
        streams: the bodies that are being sent.
    """

    def __init__(self, config: Configuration) -> None:
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._closed = False
        self._gateway = Gateway(config)
        self.streams: set[BackgroundParts] = set()
        self._thread = threading.Thread(
            target=self._run, name="pyro-httpgw", daemon=True
        )
        self._thread.start()

    def respond(
        self,
        request: Request,
        settings: Settings,
        gone: Callable[[], bool] | None = None,
    ) -> Response:
        """Return the answer to a request; waits for it.

        Args:
            request: the request.
            settings: those that count for it.
            gone: tells whether the client has gone, if that can be told.

        Raises:
            ConnectionAbortedError: the client has gone before there was an answer.
        """
        answering = _Answering(self._gateway)
        try:
            return self.wait_for(answering.run(request, settings), gone)
        except BaseException:
            with contextlib.suppress(ConnectionAbortedError):
                self.wait_for(answering.abandon())
            raise

    def wait_for(
        self,
        coroutine: Coroutine[Any, Any, T],
        gone: Callable[[], bool] | None = None,
    ) -> T:
        """Return what a coroutine returns that runs in the thread of the gateway.

        Args:
            coroutine: the coroutine; it is cancelled if nobody waits any more.
            gone: tells whether the client has gone, if that can be told.

        Raises:
            ConnectionAbortedError: the client has gone, or the gateway was closed.
        """
        with self._lock:
            if self._closed:
                coroutine.close()
                raise ConnectionAbortedError("the gateway was closed")
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return _result(future, gone)
        except CancelledError as closed:
            raise ConnectionAbortedError("the gateway was closed") from closed
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End what is in progress, close the connections and end the thread."""
        with self._lock:
            # What comes later would never be answered.
            self._closed = True
            future = asyncio.run_coroutine_threadsafe(self._shut_down(), self._loop)
        future.result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _shut_down(self) -> None:
        for parts in self.streams.copy():
            await parts.aclose()
        await self._gateway.aclose()
        unfinished = asyncio.all_tasks() - {asyncio.current_task()}
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)


def _result(future: Future[T], gone: Callable[[], bool] | None) -> T:
    seconds = None if gone is None else MOMENT_SECONDS
    while True:
        try:
            return future.result(seconds)
        except TimeoutError:
            if future.done():
                return future.result()
        if gone is not None and gone():
            raise ConnectionAbortedError("the client has gone")


class _Answering:
    """A request that is being answered, whose answer may not be wanted any more."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._task: asyncio.Task[Any] | None = None

    async def run(self, request: Request, settings: Settings) -> Response:
        self._task = asyncio.current_task()
        return await self._gateway.respond(request, settings)

    async def abandon(self) -> None:
        """Give it up; if there is an answer by now, end what it would give."""
        task = self._task
        if task is None:
            return
        task.cancel()
        await asyncio.wait((task,))
        if not task.cancelled() and task.exception() is None:
            parts = task.result().parts
            if parts is not None:
                await parts.aclose()


class BackgroundParts:
    """The parts of a body, for a thread that waits for each of them.

    Args:
        gateway: where they are produced.
        parts: what produces them.
        gone: tells whether the client has gone, if that can be told.
    """

    def __init__(
        self,
        gateway: BackgroundGateway,
        parts: Parts,
        gone: Callable[[], bool] | None,
    ) -> None:
        self._gateway = gateway
        self._open = gateway.streams
        self._open.add(self)
        self._parts = parts
        self._gone = gone
        self._reader: asyncio.Task[Any] | None = None

    def __iter__(self) -> BackgroundParts:
        return self

    def __next__(self) -> bytes:
        """Return the next part; waits for it.

        Raises:
            StopIteration: that was all.
            ConnectionAbortedError: the client has gone, or the answer is to be left
                incomplete.
        """
        try:
            part = self._gateway.wait_for(self._read(), self._gone)
        except StreamFailedError as failed:
            raise ConnectionAbortedError(str(failed)) from failed
        if part is None:
            raise StopIteration
        return part

    def close(self) -> None:
        """End what produces the parts; harmless if it has ended."""
        with contextlib.suppress(ConnectionAbortedError):
            self._gateway.wait_for(self.aclose())

    async def _read(self) -> bytes | None:
        self._reader = asyncio.current_task()
        try:
            return await anext(self._parts, None)
        finally:
            self._reader = None

    async def aclose(self) -> None:
        """Do what `close` does, in the thread of the gateway."""
        self._open.discard(self)
        reader = self._reader
        if reader is not None:
            # Its thread does not wait for it any more.
            reader.cancel()
            await asyncio.wait((reader,))
        await self._parts.aclose()
