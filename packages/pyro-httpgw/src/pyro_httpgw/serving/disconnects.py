"""Noticing that a web client has gone while its request is being answered.

An ASGI server tells that only those who wait for it, and a task that waits would cost
more than most requests do. So only requests that take longer than a moment get one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

__all__ = ["DisconnectWatch", "WatchedClient"]

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

MOMENT_SECONDS: Final = 0.25
"""How often requests are looked at. One that is seen twice is listened for: hardly any
call takes so long, and work for nobody goes on for half a second at most."""


class WatchedClient:
    """A client that waits for the answer to its request.

    The task that has made this is cancelled when the client goes away.

    Args:
        receive: what the server tells about the client.

    Attributes:
        gone: whether it has gone, so that the task was cancelled for that.
    """

    __slots__ = ("_listener", "_receive", "_task", "gone")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._task = asyncio.current_task()
        self._listener: asyncio.Task[None] | None = None
        self.gone: bool = False

    def listen(self) -> None:
        """Begin to listen, unless that has begun."""
        if self._listener is None:
            self._listener = asyncio.get_running_loop().create_task(self._listen())

    def stop(self) -> None:
        """Listen no more."""
        if self._listener is not None:
            self._listener.cancel()

    def forgive(self) -> None:
        """Let the task go on that was cancelled because the client has gone."""
        if self._task is not None:
            self._task.uncancel()

    def dismiss(self) -> None:
        """End what is done for it, as if it had gone."""
        self.gone = True
        if self._task is not None:
            self._task.cancel()

    async def _listen(self) -> None:
        event = await self._receive()
        while event["type"] == "http.request" and event.get("more_body", False):
            # What is left of a body that nobody reads.
            event = await self._receive()
        if event["type"] == "http.disconnect":
            self.gone = True
            if self._task is not None:
                self._task.cancel()


class DisconnectWatch:
    """Listens for clients whose requests take longer; for use in one event loop."""

    def __init__(self) -> None:
        self._new: set[WatchedClient] = set()
        self._seen: set[WatchedClient] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, receive: Receive) -> WatchedClient:
        """Watch the client of a request, which the running task answers.

        Args:
            receive: what the server tells about it; the request has been received.
        """
        client = WatchedClient(receive)
        self._new.add(client)
        if self._timer is None:
            self._set_timer()
        return client

    def end(self, client: WatchedClient) -> None:
        """Watch it no more."""
        self._new.discard(client)
        self._seen.discard(client)
        client.stop()

    def close(self) -> None:
        """Watch nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(MOMENT_SECONDS, self._look)

    def _look(self) -> None:
        for client in self._seen:
            client.listen()
        self._seen, self._new = self._new, set()
        self._timer = None
        if self._seen:
            self._set_timer()
