"""When what a connection sends leaves: together, in turn, and not too much of it.

Requests that are made in one turn of the event loop are written together. As many
calls are in flight as the server takes; the others wait, and whoever came first goes
first.
"""

from __future__ import annotations

import asyncio
import builtins
from collections import deque
from typing import TYPE_CHECKING, Final

from ...errors import (
    CommunicationError,
    TimeoutError,  # noqa: A004 - the documented name
)
from ...wire import FLAG_ONEWAY
from ..asyncio_channel import AsyncChannel

if TYPE_CHECKING:
    from ...session import ClientSession
    from ...uri import URI
    from ...wire import Buffer

__all__ = ["MOST_COLLECTED", "AsyncWriter", "not_sent"]

MOST_COLLECTED: Final = 128
"""So many requests are written even if the event loop has not had a turn, so that a
loop of oneway calls cannot fill the memory."""
# Buffers up to this size are joined to one write: copying them costs less than a system
# call.
_JOINED_BELOW: Final = 64 * 1024


class AsyncWriter(AsyncChannel):
    """The part of a connection that writes.

    Attributes:
        loop: the event loop that it belongs to.
    """

    def __init__(self, uri: URI, session: ClientSession) -> None:
        super().__init__(uri, session)
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._is_writable = True
        # Calls that wait until one more may be sent, and how many of them were told
        # to go on and have not done so yet.
        self._queue: deque[asyncio.Future[None]] = deque()
        self._admitted = 0
        # How many of the last calls have not been given to the transport, and how many
        # messages that is.
        self._unwritten = 0
        self._collected = 0
        self._flush_is_due = False

    def _may_send(self, flags: int) -> bool:
        """Whether a request may be sent now; one that has an answer needs a place."""
        return self._is_writable and bool(
            flags & FLAG_ONEWAY or self._session.free_slots > self._admitted
        )

    async def _wait_for_turn(
        self, object_id: str, method: str, patience: float | None
    ) -> None:
        """Wait until one more call may be sent; whoever came first goes first."""
        if self.closed:
            return
        turn: asyncio.Future[None] = self.loop.create_future()
        self._queue.append(turn)
        try:
            async with asyncio.timeout(patience):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._admitted -= 1
                self._next_turns()
            if isinstance(error, builtins.TimeoutError):
                late = self._too_late(object_id, method, patience or 0.0, sent=False)
                raise late from None
            raise
        self._admitted -= 1

    def _next_turns(self) -> None:
        """Tell those who wait for their turn, as many as may send."""
        queue = self._queue
        while queue and self._is_writable:
            if self._session.free_slots <= self._admitted:
                return
            turn = queue.popleft()
            if not turn.done():
                self._admitted += 1
                turn.set_result(None)

    def _too_late(
        self, object_id: str, method: str, timeout: float, *, sent: bool
    ) -> TimeoutError:
        error = TimeoutError(
            f"{object_id}.{method} at {self.uri.location} was not "
            f"{'answered' if sent else 'sent'} within {timeout:.3g} seconds"
        )
        if not sent:
            error.outcome = "not_sent"
        return error

    def _written(self) -> None:
        """Have what was queued leave: at once, or with what else this turn brings."""
        self._collected += 1
        if len(self._waiting) <= 1 or self._collected >= MOST_COLLECTED:
            self._flush()
        elif not self._flush_is_due:
            self._flush_is_due = True
            self.loop.call_soon(self._flush)

    def flush_soon(self) -> None:
        """Have what was queued leave with what else this turn brings."""
        if not self._flush_is_due:
            self._flush_is_due = True
            self.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        self._unwritten = self._collected = 0
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        buffers = self._session.data_to_send()
        if len(buffers) > 1:
            buffers = _joined(buffers)
        for buffer in buffers:
            transport.write(buffer)

    def pause_writing(self) -> None:
        """Hold back further requests; called by the event loop."""
        super().pause_writing()
        self._is_writable = False

    def resume_writing(self) -> None:
        """Let requests go again; called by the event loop."""
        super().resume_writing()
        self._is_writable = True
        self._next_turns()

    def _fail(self, error: CommunicationError) -> None:
        super()._fail(error)
        queue, self._queue = self._queue, deque()
        for turn in queue:
            if not turn.done():
                turn.set_exception(not_sent(error))
        # Whoever waits is to find out.
        self._is_writable = True


def _joined(buffers: list[Buffer]) -> list[Buffer]:
    """Return buffers with small neighbours made one."""
    if all(len(one) < _JOINED_BELOW for one in buffers):
        return [b"".join(buffers)]
    result: list[Buffer] = []
    small: list[Buffer] = []
    for one in buffers:
        if len(one) < _JOINED_BELOW:
            small.append(one)
            continue
        if small:
            result.append(b"".join(small))
            small = []
        result.append(one)
    if small:
        result.append(b"".join(small))
    return result


def not_sent(error: CommunicationError) -> CommunicationError:
    """Return an equal error for a call of which the server has seen nothing."""
    result = type(error)(*error.args)
    result.outcome = "not_sent"
    return result
