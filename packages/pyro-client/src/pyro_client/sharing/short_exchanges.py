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
    ANSWER,
    APART_START,
    CALL,
    ITEM_START,
    NO_MORE,
    beginnings_of,
    encode_apart,
    ending_of,
    items_beginning,
    join_header,
    join_item_start,
)
from pyro_protocol.wire import NO_ANNOTATIONS, SplitPayload
from pyro_protocol.wire.frame import HEADER_SIZE, MUTABLE

from .lines import RECEIVE_SIZE

if TYPE_CHECKING:
    from pyro_protocol.wire import Buffer, Payload

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
    channel: SharedChannel, start: bytes, sequence: int
) -> tuple[SplitPayload | None, bytes]:
    """Receive an answer with large bytes, if it is one, after its start.

    Args:
        channel: the connection.
        start: what was received.
        sequence: the sequence number of the call.

    Returns:
        What the answer holds, if all of it has come; and else what was received.
    """
    rest = channel._session.large_rest(ANSWER, start)
    if rest is None or rest.sequence != sequence:
        return None, start
    large: bytes | bytearray
    try:
        if rest.kind == MUTABLE:
            large = bytearray(rest.size)
            count = channel.sock.recv_into(large, rest.size, _WAIT_ALL)
        else:
            large = channel.sock.recv(rest.size, _WAIT_ALL)
            count = len(large)
    except BlockingIOError:
        return None, start
    if count < rest.size:
        return None, start + large[:count]
    return SplitPayload(start[APART_START:], (large,)), start


def exchange_shortly(  # noqa: PLR0912, PLR0915 - the hot path, in one frame
    channel: SharedChannel, serializer_id: int, payload: Payload
) -> bytes | SplitPayload | Waiter | None:
    """Send a request, if nothing else is in flight.

    Args:
        channel: the connection.
        serializer_id: what the payload is written with.
        payload: less than ``JOIN_BELOW`` bytes; or, if the channel has no time limit,
            a request in the native format of which one buffer stands apart.

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
    large: Buffer = b""
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
            if isinstance(payload, SplitPayload):
                message, large = encode_apart(CALL, sequence, payload)
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
                result: bytes | SplitPayload | None = None
                if size > 0 and data[_HEADER] == header:
                    result = data[_PAYLOAD]
                elif timeout is None and len(data) == session._decoder.large_start:
                    result, data = receive_apart(channel, data, sequence)
                if result is not None:
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
                    return result
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
