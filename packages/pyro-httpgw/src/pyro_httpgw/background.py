"""A gateway in an event loop of its own, for the threads of a WSGI server."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from .gateway import Gateway

if TYPE_CHECKING:
    from pyro_protocol import Configuration

    from .messages import Request, Response
    from .settings import Settings

__all__ = ["BackgroundGateway"]


class BackgroundGateway:
    """Answers requests of any thread, in a thread that ends with `close`.

    Args:
        config: see `Gateway`.
    """

    def __init__(self, config: Configuration) -> None:
        self._loop = asyncio.new_event_loop()
        self._gateway = Gateway(config)
        self._thread = threading.Thread(
            target=self._run, name="pyro-httpgw", daemon=True
        )
        self._thread.start()

    def respond(self, request: Request, settings: Settings) -> Response:
        """Return the answer to a request; waits for it."""
        future = asyncio.run_coroutine_threadsafe(
            self._gateway.respond(request, settings), self._loop
        )
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Close the connections and end the thread; no requests may come any more."""
        future = asyncio.run_coroutine_threadsafe(self._shut_down(), self._loop)
        future.result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _shut_down(self) -> None:
        await self._gateway.aclose()
        unfinished = asyncio.all_tasks() - {asyncio.current_task()}
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
