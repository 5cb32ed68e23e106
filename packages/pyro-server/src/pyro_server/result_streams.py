"""Streams that methods return: their items are sent ahead, as far as clients allow.

A generator runs in a worker, an asynchronous one in the event loop, and only while
there is something to do: it waits for credit, or for a slow reader, without either.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import AsyncIterator
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.context import CallState, call_state
from pyro_protocol.dispatch import Call
from pyro_protocol.errors import PyroError
from pyro_protocol.logs import log_exception
from pyro_protocol.session.short_messages import (
    NO_MORE,
    items_beginning,
    join_item_start,
)
from pyro_protocol.wire.frame import JOIN_BELOW

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine
    from contextvars import Context

    from pyro_protocol.dispatch import StreamStarted
    from pyro_protocol.dispatch.streams import ItemIterator
    from pyro_protocol.serializers import Serializer
    from pyro_protocol.wire import Payload

    from .coroutines import RunningCoroutine
    from .links import Link

__all__ = ["ResultStreams"]

_logger = logging.getLogger("pyro.server")

# A generator is asked for so many items between two looks at what else there is to do.
_MOST_AT_ONCE: Final = 512
# Seconds that this may take. Longer, and others would wait for it; much shorter, and
# looking around would be most of the work.
_SLOW: Final = 0.002
_QUICK: Final = 0.0005
# What a message with one item has besides it: the number of the stream, and its size.
_OVERHEAD: Final = 8


class _Sent:
    """One stream.

    Attributes:
        number: its number on the connection.
        stream_id: by which its items can be fetched as well, until they are sent.
        serializer: what its items are written with.
        context: what its generator runs in.
        iterator: the generator; None until the client wants items ahead.
        pull: returns its next item, if whoever reads the connection may ask for one:
            it must not be asynchronous, nor end unasked when it has existed for long.
        beginning: how a message with items of it begins.
        origin: object id and method of the call that returned it.
        running: whether a job or a task is at it, or is about to be.
        closing: whether it is to be ended, and its generator to be closed.
        over: whether that was done.
        created: when it was opened.
        expired: whether it is closed for having existed for too long.
        most: how many items to ask for at once.
        sender: the task of an asynchronous one that is running.
        pulling: whether that waits for an item.
    """

    __slots__ = (
        "beginning",
        "closing",
        "context",
        "created",
        "expired",
        "iterator",
        "most",
        "number",
        "origin",
        "over",
        "pull",
        "pulling",
        "running",
        "sender",
        "serializer",
        "stream_id",
    )

    def __init__(
        self, number: int, stream_id: str, serializer: Serializer, context: Context
    ) -> None:
        self.number = number
        self.stream_id = stream_id
        self.serializer = serializer
        self.context = context
        self.iterator: ItemIterator | None = None
        self.pull: Callable[[], object] | None = None
        self.beginning = items_beginning(serializer.id)
        self.origin = ("", "")
        self.running = False
        self.closing = False
        self.over = False
        self.created = 0.0
        self.expired = False
        self.most = 1
        self.sender: asyncio.Task[Any] | None = None
        self.pulling = False

    def adapt(self, seconds: float) -> None:
        """Choose how many items to ask for, after the last took so long."""
        if seconds > _SLOW:
            self.most = max(1, self.most // 4)
        elif seconds < _QUICK:
            self.most = min(_MOST_AT_ONCE, self.most * 2)


def _lasting(state: CallState) -> CallState:
    """Return the state of a call for its stream, which goes on for longer."""
    lasting = CallState(
        state.client,
        state.sequence,
        state.message_flags,
        state.serializer_id,
        state.annotations,
        state.correlation,
    )
    lasting.own_annotations = state.own_annotations
    return lasting


class ResultStreams:
    """The streams of one connection whose items are sent ahead.

    Args:
        link: the connection.
    """

    __slots__ = ("_link", "_stalled", "_streams")

    def __init__(self, link: Link) -> None:
        self._link = link
        # Whether some wait for the socket to take more.
        self._stalled = False
        self._streams: dict[int, _Sent] = {}

    @property
    def taken(self) -> int:
        """How many there are whose items are sent ahead."""
        streams = list(self._streams.values())
        return sum(one.iterator is not None for one in streams)

    def open(
        self, state: CallState, serializer: Serializer, started: StreamStarted
    ) -> StreamStarted:
        """Give a stream a number, if the client takes one more.

        Args:
            state: that of the call which has returned it.
            serializer: that of the call.
            started: the stream; its items can be fetched one by one in any case.
        """
        link = self._link
        if started.stream_id is None:
            return started
        with link.lock:
            if link.lost:
                return started
            number = self._free_number(serializer)
            if number is None:
                return started
            context = copy_context()
            context.run(call_state.set, _lasting(state))
            self._streams[number] = _Sent(
                number, started.stream_id, serializer, context
            )
        return started._replace(number=number)

    def _free_number(self, serializer: Serializer) -> int | None:
        session = self._link.session
        for attempt in (self._forget_fetched, None):
            try:
                number: int = session.open_stream(serializer)
            except PyroError:
                if attempt is None:
                    break
                attempt()
            else:
                return number
        return None

    def _forget_fetched(self) -> None:
        """Forget those whose items were fetched one by one, to the end."""
        for stream in list(self._streams.values()):
            if stream.iterator is None and stream.stream_id not in self._table:
                self._link.session.discard_stream(stream.number)
                del self._streams[stream.number]

    @property
    def _table(self) -> Any:
        return self._link.host.streams

    def discard(self, number: int) -> None:
        """Take back a stream that the client was not told of, and end it."""
        with self._link.lock:
            stream = self._streams.pop(number, None)
            self._link.session.discard_stream(number)
        if stream is not None:
            self._table.close(stream.stream_id)

    def credited(self, number: int) -> None:
        """More of a stream may be sent; the lock is held."""
        stream = self._streams.get(number)
        if stream is not None:
            self._begin(stream)

    def closed(self, number: int) -> None:
        """The client wants no more of a stream; the lock is held."""
        stream = self._streams.get(number)
        if stream is not None:
            self._close(stream)

    def written(self) -> None:
        """Go on with those that had to wait for the socket; the lock is held."""
        if self._stalled:
            self._stalled = False
            for stream in list(self._streams.values()):
                if stream.iterator is not None:
                    self._begin(stream)

    def abandon(self) -> None:
        """End all whose items are sent ahead; the lock is held.

        The others wait for their client to come back.
        """
        for stream in list(self._streams.values()):
            if stream.iterator is None:
                del self._streams[stream.number]
            else:
                self._close(stream)

    def expire(self, latest: float) -> None:
        """End those that were opened before; the lock is held."""
        for stream in list(self._streams.values()):
            if (
                stream.iterator is not None
                and stream.created < latest
                and not stream.closing
            ):
                stream.expired = True
                self._close(stream)

    def _close(self, stream: _Sent) -> None:
        stream.closing = True
        if stream.running and isinstance(stream.iterator, AsyncIterator):
            self._link.host.coroutines.call_soon(partial(_interrupt, stream))
        self._begin(stream)

    def _begin(self, stream: _Sent) -> None:
        """Have a job or a task see to a stream, unless one does already."""
        if stream.running or (stream.iterator is None and not self._take(stream)):
            return
        link = self._link
        if not stream.closing:
            if not link.session.can_produce(stream.number):
                return
            if link.connection.outbox:
                self._stalled = True
                return
        stream.running = True
        link.active += 1
        if not isinstance(stream.iterator, AsyncIterator):
            link.host.run_soon(partial(self._work, stream))
        elif not stream.context.run(
            link.start,
            self._send_later(stream, stream.iterator),
            partial(self._task_ended, stream),
        ):
            # The event loop has ended, and has closed what was begun in it.
            link.active -= 1
            del self._streams[stream.number]

    def _take(self, stream: _Sent) -> bool:
        """Take a stream over from where its items can be fetched one by one."""
        session = self._link.session
        try:
            taken = self._table.take(stream.stream_id)
        except PyroError as error:
            del self._streams[stream.number]
            if stream.closing:
                self._table.close(stream.stream_id)
                session.end_stream(stream.number)
            else:
                session.fail_stream(stream.number, error)
            self._link.attend()
            return False
        stream.iterator, stream.origin = taken.iterator, taken.origin
        stream.created = taken.created
        if not (isinstance(taken.iterator, AsyncIterator) or self._table.lifetime):
            stream.pull = taken.iterator.__next__
        return True

    def give_item(self, number: int, data: bytes, hold: list[Any]) -> bytes | None:
        """Return the message with one item that was asked for; see `Exchange`."""
        stream = self._streams.get(number)
        if stream is None or stream.pull is None:
            return None
        link = self._link
        session, connection = link.session, link.connection
        with link.lock:
            # An item must not overtake what is still to be written, nor its own end.
            if (
                stream.running
                or stream.closing
                or connection.outbox
                or connection.answers
                or not session.awaits_item(number)
            ):
                return None
            stream.running = True
            link.active += 1
        hold.append(data)
        item: Payload | None = None
        try:
            item = stream.context.run(self._pull, stream, stream.pull)
        except BaseException:  # noqa: BLE001 - logged
            self._cannot_go_on(stream)
        try:
            hold.pop()
        except IndexError:
            # Somebody else reads the connection, and may have heard more of the client.
            alone = False
        else:
            alone = True
        with link.lock:
            stream.running = False
            link.active -= 1
            if (
                type(item) is bytes
                and len(item) < JOIN_BELOW - _OVERHEAD
                and alone
                and not stream.closing
            ):
                size = len(item)
                start = join_item_start(
                    stream.beginning, 0, size + _OVERHEAD, NO_MORE, number, size
                )
                return start + item
            if item is not None:
                session.send_asked_item(number, item)
            if stream.over:
                self._streams.pop(number, None)
            else:
                self._begin(stream)
        return b""

    def _pull(self, stream: _Sent, pull: Callable[[], object]) -> Payload | None:
        """Return the next item as it is sent; None if the stream has ended."""
        try:
            item: Payload = self._link.session.pull_item(stream.number, pull)
        except StopIteration as end:
            self._finish(stream, end.value)
        except BaseException as error:  # noqa: BLE001 - whatever it raises is told
            self._fail_now(stream, error)
        else:
            return item
        return None

    def _work(self, stream: _Sent) -> None:
        """Send items in a worker."""
        try:
            stream.context.run(self._send_now, stream, stream.iterator)
        except BaseException:  # noqa: BLE001 - logged
            self._cannot_go_on(stream)
        self._ended(stream)

    def _cannot_go_on(self, stream: _Sent) -> None:
        client = self._link.connection.client
        log_exception(_logger, "a stream for %s cannot go on", client)
        stream.over = True

    def _send_now(self, stream: _Sent, iterator: Any) -> None:
        link = self._link
        pull: Callable[[], object] = iterator.__next__
        try:
            while not self._rests(stream):
                started = time.perf_counter()
                announce = partial(self._announce, started, stream.most)
                link.session.send_items(
                    stream.number, pull, stream.most, link.lock, announce
                )
                link.flush()
                stream.adapt(time.perf_counter() - started)
                if link.host.has_waiting_work():
                    return
            if stream.closing:
                _call(getattr(iterator, "close", None))
                self._finish_early(stream)
        except StopIteration as end:
            self._finish(stream, end.value)
        except BaseException as error:  # noqa: BLE001 - whatever it raises is told
            self._fail_now(stream, error)

    def _fail_now(self, stream: _Sent, error: BaseException) -> None:
        self._fail(stream, error)
        with contextlib.suppress(Exception):
            _call(getattr(stream.iterator, "close", None))

    async def _send_later(self, stream: _Sent, iterator: AsyncIterator[Any]) -> None:
        """Send items in the event loop."""
        import asyncio  # noqa: PLC0415 - daemons without coroutines start sooner

        stream.sender = asyncio.current_task()
        try:
            await self._send_awaited(stream, iterator)
            if stream.closing:
                await _await(getattr(iterator, "aclose", None))
                self._finish_early(stream)
        except StopAsyncIteration:
            self._finish(stream, None)
        except BaseException as error:  # noqa: BLE001 - whatever it raises is told
            self._fail(stream, error)
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await _await(getattr(iterator, "aclose", None))

    async def _send_awaited(self, stream: _Sent, iterator: AsyncIterator[Any]) -> None:
        import asyncio  # noqa: PLC0415 - see above

        link = self._link
        session = link.session
        while not self._rests(stream):
            started = time.perf_counter()
            for _ in range(stream.most):
                stream.pulling = True
                try:
                    value = await anext(iterator)
                except asyncio.CancelledError:
                    if stream.closing:
                        return
                    raise
                finally:
                    stream.pulling = False
                item = session.encode_item(stream.serializer, value)
                with link.lock:
                    first = not session.waiting_items(stream.number)
                    if not (
                        session.send_encoded_item(stream.number, item)
                        and session.can_produce(stream.number)
                    ):
                        break
                if first and not self._announce(started, stream.most):
                    break
            link.flush()
            stream.adapt(time.perf_counter() - started)
            # One that never waits would hold up all others.
            await asyncio.sleep(0)

    def _announce(self, started: float, most: int) -> bool:
        """Have an item sent that is to travel with others; whether to wait for them.

        What comes before an item that takes long does not wait for it.
        """
        if time.perf_counter() - started > _SLOW:
            return False
        if most > 1:
            self._link.host.attend_later(self._link.connection)
        return True

    def _rests(self, stream: _Sent) -> bool:
        """Whether no item is to be sent now."""
        link = self._link
        with link.lock:
            return (
                stream.closing
                or bool(link.connection.outbox)
                or not link.session.can_produce(stream.number)
            )

    def _finish_early(self, stream: _Sent) -> None:
        """End a stream whose generator was closed."""
        if stream.expired:
            self._fail(
                stream,
                PyroError(
                    "the stream has existed for longer than the server's "
                    "ITER_STREAM_LIFETIME allows"
                ),
            )
        else:
            self._finish(stream, None)

    def _finish(self, stream: _Sent, value: object) -> None:
        """End a stream with what its generator has returned."""
        link = self._link
        try:
            payload = link.session.encode_item(stream.serializer, value)
        except Exception as error:  # noqa: BLE001 - it may hold anything
            self._fail(stream, error)
            return
        stream.over = True
        with link.lock:
            link.session.end_encoded(stream.number, payload)

    def _fail(self, stream: _Sent, error: BaseException) -> None:
        """End a stream with what its generator has raised."""
        stream.over = True
        link = self._link
        service = link.connection.served.service
        call = Call(*stream.origin, (), None)
        failed = service.dispatcher.failure(link.connection.client, call, error)
        payload = link.session.encode_failure(stream.serializer, failed.error)
        with link.lock:
            link.session.end_encoded(stream.number, payload, failed=True)

    def _task_ended(self, stream: _Sent, _running: RunningCoroutine) -> None:
        stream.sender = None
        self._ended(stream)

    def _ended(self, stream: _Sent) -> None:
        """Take note that a job or task has done what there was to do."""
        link = self._link
        with link.lock:
            stream.running = False
            if stream.over:
                self._streams.pop(stream.number, None)
            else:
                # What has come meanwhile has found it running.
                self._begin(stream)
            link.active -= 1
        link.host.settle(link.connection)


def _interrupt(stream: _Sent) -> None:
    """Stop a task that waits for an item; called in the thread of the event loop."""
    # Not while it cleans up.
    if stream.pulling and stream.sender is not None:
        stream.sender.cancel()


def _call(close: Callable[[], object] | None) -> None:
    if close is not None:
        close()


async def _await(close: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
    if close is not None:
        await close()
