"""The short way of a small request that is serialized already, in one frame.

Calls whose settings or arguments are unusual for `PlainCalls` come here: those with
another serializer, with containers, or that are tried again. So do requests for one
item of a stream.
"""

# ruff: noqa: SLF001 - this is a part of the channel, in one frame

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from pyro_protocol.session.short_messages import (
    APART_START,
    ITEM_START,
    NO_MORE,
    apart_size,
    begin_apart,
    begin_call_apart,
    beginnings_of,
    ending_of,
    items_beginning,
    join_header,
    join_item_start,
)
from pyro_protocol.wire import NO_ANNOTATIONS
from pyro_protocol.wire.body import WHOLE_UP_TO
from pyro_protocol.wire.frame import HEADER_SIZE

from .lines import RECEIVE_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

    from .channel import SharedChannel
    from .received import ReceivedStream
    from .streaming import StreamingChannel
    from .waiting import Waiter

__all__ = ["exchange_shortly", "fetch_shortly", "receive_apart"]

_DONT_WAIT: Final = getattr(socket, "MSG_DONTWAIT", 0)
_SEQUENCE_MASK: Final = 0xFFFF
_HEADER: Final = slice(HEADER_SIZE)
_PAYLOAD: Final = slice(HEADER_SIZE, None)
_ITEM_START: Final = slice(ITEM_START)
_ITEM: Final = slice(ITEM_START, None)
_WAIT_ALL: Final = getattr(socket, "MSG_WAITALL", 0)


def receive_apart(
    read: Callable[[int, int], bytes], start: bytes, sequence: int, most: int
) -> bytes | None:
    """Receive an answer that is nothing but large bytes, after its start.

    Args:
        read: reads so many bytes, with flags.
        start: ``APART_START`` bytes that were received.
        sequence: the sequence number of the call.
        most: the most bytes that a message may have.

    Returns:
        What was received: all of the bytes or some; None if it is another message.
    """
    size = apart_size(start)
    if (
        0 < size <= WHOLE_UP_TO
        and size + APART_START <= most
        and start == begin_apart(sequence, size)
    ):
        try:
            return read(size, _WAIT_ALL)
        except BlockingIOError:
            return b""
    return None


def exchange_shortly(  # noqa: PLR0912, PLR0915 - the hot path, in one frame
    channel: SharedChannel, serializer_id: int, payload: bytes, large: bytes = b""
) -> bytes | Waiter | None:
    """Send a request of less than ``JOIN_BELOW`` bytes, if nothing else is in flight.

    Args:
        channel: the connection.
        serializer_id: what the payload is written with.
        payload: the request.
        large: bytes that stand apart from it, which is in the native format then; if
            there are any, the channel has no time limit.

    Returns:
        What the answer holds, if that is a value and has come by itself; who waits for
        any other answer; or None: nothing has happened.

    Raises:
        CommunicationError: the connection failed.
    """
    session, sock, timeout = channel._session, channel.sock, channel.timeout
    call, answer = beginnings_of(serializer_id)
    ending, annotations = NO_MORE, b""
    if timeout is not None:
        ending, annotations = ending_of(session.with_deadline(NO_ANNOTATIONS, timeout))
    data: bytes | None = None
    # Whether it is this one who reads; known at once, since an exception may be
    # raised between any two steps.
    reads = False
    doing = "sending"
    try:
        with channel._lock:
            if (
                channel._reading
                or channel._writing
                or channel._special
                or session._expected
            ):
                return None
            if timeout is not None:
                line = channel._line
                if line.patience > timeout:  # type: ignore[attr-defined] # it is a plain one
                    line.set_patience(timeout)  # type: ignore[attr-defined]
            sequence = session.sequence = (session.sequence + 1) & _SEQUENCE_MASK
            if large:
                message = begin_call_apart(sequence, payload, len(large))
            else:
                header = join_header(call, sequence, len(payload), ending)
                message = header + annotations + payload
            channel._reading = reads = True
            try:
                if large:
                    sent = sock.sendmsg((message, large), (), _DONT_WAIT)
                else:
                    sent = sock.send(message, _DONT_WAIT)
            except BlockingIOError:
                sent = 0
            is_sent = sent == len(message) + len(large)
            if not is_sent:
                for part in (message, large):
                    if sent < len(part):
                        channel._keep_unsent(memoryview(part)[sent:])
                    sent = max(sent - len(part), 0)
        doing = "receiving"
        # Unless something has to be sent first.
        if not channel._special:
            try:
                data = sock.recv(channel._receive_size)
            except BlockingIOError:
                pass
            else:
                size = len(data) - HEADER_SIZE
                header = join_header(answer, sequence, max(size, 0), NO_MORE)
                if size > 0 and data[_HEADER] == header:
                    channel._reading = reads = False
                    # Whoever comes later sees that nobody reads.
                    if (
                        channel._waiters
                        or channel._places
                        or channel._streams
                        or channel._special
                    ):
                        with channel._lock:
                            channel._promote()
                        if channel.closed:
                            channel._close_socket()
                    return data[_PAYLOAD]
        waiter = channel._go_on(sequence, data)
        channel._reading = reads = False
        if large and not is_sent:
            channel._send_rest(waiter)
        else:
            channel._hand_over()
    except BaseException as error:
        if reads:
            channel._give_up_reading(error, doing)
        else:
            channel._hand_over()
        raise
    return waiter


def fetch_shortly(  # noqa: PLR0912 - the hot path, in one frame
    channel: StreamingChannel, stream: ReceivedStream, timeout: float | None
) -> bytes | None:
    """Ask for the next item of a stream, if nothing else is in flight.

    Args:
        channel: the connection.
        stream: the stream, whose items are asked for one by one.
        timeout: how many seconds to wait for the answer; None is no bound.

    Returns:
        The item, if it has come by itself. None if it was asked for and has not come
        so, or if nothing has happened.

    Raises:
        CommunicationError: the connection failed.
    """
    session, sock, number = channel._session, channel.sock, stream.number
    request = stream.request
    data: bytes | None = None
    # See `exchange_shortly`.
    reads = False
    doing = "sending"
    try:
        with channel._lock:
            if (
                request is None
                or channel._reading
                or channel._writing
                or channel._special
                or session._expected
                or stream.is_waited_for
                or not session.may_ask(number)
            ):
                return None
            if timeout is not None:
                line = channel._line
                if line.patience > timeout:  # type: ignore[attr-defined] # it is a plain one
                    line.set_patience(timeout)  # type: ignore[attr-defined]
            channel._reading = reads = True
            try:
                sent = sock.send(request, _DONT_WAIT)
            except BlockingIOError:
                sent = 0
            if sent != len(request):
                channel._keep_unsent(memoryview(request)[sent:])
        doing = "receiving"
        # Unless something has to be sent first.
        if not channel._special:
            try:
                data = sock.recv(channel._receive_size)
            except BlockingIOError:
                pass
            else:
                size = max(len(data) - ITEM_START, 0)
                if data[_ITEM_START] == join_item_start(
                    items_beginning(stream.serializer.id), 0,
                    size + ITEM_START - HEADER_SIZE, NO_MORE, number, size,
                ):  # fmt: skip
                    channel._reading = reads = False
                    # Whoever comes later sees that nobody reads.
                    if (
                        channel._waiters
                        or channel._places
                        or len(channel._streams) > 1
                        or channel._special
                    ):
                        with channel._lock:
                            channel._promote()
                        if channel.closed:
                            channel._close_socket()
                    return data[_ITEM]
        with channel._lock:
            session.asked(number)
            stream.asked = True
        if data is not None:
            channel._receive_size = RECEIVE_SIZE
            channel._take_in(data)
        channel._reading = reads = False
        channel._hand_over()
    except BaseException as error:
        if reads:
            channel._give_up_reading(error, doing)
        else:
            channel._hand_over()
        raise
    return None
