"""Streams as answers: Server-Sent Events, or a line of JSON for each item.

The next item is only asked for when the web client has taken the one before it, so that
a slow client slows the remote generator down.
"""

from __future__ import annotations

import asyncio
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol

from pyro_protocol.errors import SerializeError

from ..admission.limits import limited_as
from ..errors import RequestRefusedError, StreamFailedError
from ..messages import Response
from .negotiation import accepted
from .problems import problem_of, problem_response
from .rendering import render_value
from .statuses import failed_stream
from .stream_forms import OVER, STREAM_FORMS, StreamForm, form_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..exchange import Exchange
    from ..messages import Headers, Request

__all__ = ["Items", "StreamBody", "answer_stream", "is_over"]

KEEP_ALIVE_SECONDS: Final = 15.0
"""How long an event stream is silent before it sends a comment: less than the minute
after which proxies take a connection for dead."""

FIRST_ITEM_SECONDS: Final = 1.0
"""How long the status waits for the first item, which may be an exception. A stream
that takes longer has begun well; its client wants to know that it is connected."""

LARGEST_PART: Final = 64 * 1024
"""Items that are there already are sent together up to about so many bytes."""

_HEADERS: Final[Headers] = (
    # What nginx understands: pass each part on at once.
    ("X-Accel-Buffering", "no"),
)

_SILENCE: Final = object()


class Items(Protocol):
    """What a remote generator produces, as the gateway receives it.

    A wait for an item may be cancelled; the item is then what comes next.
    """

    @property
    def ready(self) -> bool:
        """Whether the next item is there, so that nobody has to wait for it."""

    @property
    def result(self) -> Any:
        """What the generator has returned, when it has ended."""

    def __anext__(self) -> Awaitable[Any]:
        """Return the next item.

        Raises:
            StopAsyncIteration: there is none.
            Exception: what the generator has raised.
        """

    def aclose(self) -> Awaitable[None]:
        """End the generator; harmless if it has ended already."""


class StreamBody:
    """A stream as the parts of a body.

    Call `begin` first, and `aclose` in the end whatever happens.

    Args:
        items: the stream.
        form: how it is written.
        traceback: whether remote tracebacks are told.
        closed: is called once, when it has been closed.
    """

    def __init__(
        self,
        items: Items,
        form: StreamForm,
        *,
        traceback: bool,
        closed: Callable[[], None],
    ) -> None:
        self._items = items
        self._form = form
        self._traceback = traceback
        self._closed: Callable[[], None] | None = closed
        self._number = 0
        self._ended = False
        self._failed = False

    async def begin(self) -> bytes:
        """Return the first part; does not wait for it for long.

        Raises:
            Exception: the stream has failed instead.
        """
        try:
            item = await self._next(FIRST_ITEM_SECONDS)
        except StopAsyncIteration:
            return self._end()
        if item is _SILENCE:
            return self._form.keep_alive
        return self._item(item)

    def __aiter__(self) -> StreamBody:
        return self

    async def __anext__(self) -> bytes:
        """Return the next part: items, the end, or a comment after long silence.

        Raises:
            StopAsyncIteration: that was all.
            StreamFailedError: it breaks off here.
        """
        if self._ended:
            if self._failed and self._form.breaks_off:
                raise StreamFailedError("the stream has failed")
            raise StopAsyncIteration
        parts: list[bytes] = []
        try:
            await self._gather(parts)
        except StopAsyncIteration:
            parts.append(self._end())
        except Exception as error:  # noqa: BLE001 - it may be of any class
            parts.append(self._failure(error))
        part = b"".join(parts)
        if not part:
            raise StopAsyncIteration
        return part

    async def aclose(self) -> None:
        """End the remote generator; harmless if it has ended already."""
        self._ended = True
        closed, self._closed = self._closed, None
        try:
            await self._items.aclose()
        finally:
            if closed is not None:
                closed()

    async def _gather(self, parts: list[bytes]) -> None:
        """Wait for an item, and take those that have come by then as well."""
        patience = KEEP_ALIVE_SECONDS if self._form.keep_alive else None
        item = await self._next(patience)
        if item is _SILENCE:
            parts.append(self._form.keep_alive)
            return
        size = 0
        while True:
            parts.append(self._item(item))
            size += len(parts[-1])
            if size >= LARGEST_PART or not self._items.ready:
                return
            item = await anext(self._items)

    async def _next(self, seconds: float | None) -> Any:
        if seconds is None or self._items.ready:
            return await anext(self._items)
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await anext(self._items)
        except TimeoutError:
            # The generator may have raised one as well.
            if not limit.expired():
                raise
            return _SILENCE

    def _item(self, value: Any) -> bytes:
        self._number += 1
        return self._form.item(self._number, render_value(value))

    def _end(self) -> bytes:
        self._ended = True
        try:
            return self._form.end(self._items.result)
        except SerializeError as error:
            return self._failure(error)

    def _failure(self, error: Exception) -> bytes:
        self._ended = self._failed = True
        return self._form.failure(render_value(_problem(error, self._traceback)))


def is_over(request: Request) -> bool:
    """Tell whether a request comes from a browser that has seen the end of a stream."""
    return request.headers.get("last-event-id") == OVER


async def answer_stream(exchange: Exchange, items: Items) -> Response:
    """Return the answer that passes a stream on; it is closed if there is none.

    Raises:
        RequestRefusedError: the client takes no form of streams, or has too many.
    """
    client = limited_as(exchange.request.client)
    body: StreamBody | None = None
    try:
        media_type = _media_type(exchange)
        exchange.streams.begin(client)
        body = StreamBody(
            items,
            form_of(media_type),
            traceback=exchange.shows_tracebacks,
            closed=partial(exchange.streams.end, client),
        )
        first = await body.begin()
    except BaseException as error:
        await (items if body is None else body).aclose()
        if isinstance(error, RequestRefusedError) or not isinstance(error, Exception):
            raise
        return problem_response(_problem(error, exchange.shows_tracebacks))
    headers = (("Content-Type", media_type), *_HEADERS)
    return Response(HTTPStatus.OK, headers, first, body)


def _media_type(exchange: Exchange) -> str:
    found = accepted(exchange.request.headers.get("accept", "")).best(STREAM_FORMS)
    if found is None:
        raise RequestRefusedError(
            HTTPStatus.NOT_ACCEPTABLE,
            "the result is a stream",
            f"accept one of {', '.join(STREAM_FORMS)}",
        )
    return found


def _problem(error: Exception, traceback: bool) -> dict[str, Any]:
    failed = failed_stream(error)
    return problem_of(failed.error, failed.status, failed.hint, traceback=traceback)
