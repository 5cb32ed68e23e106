"""The short way of a usual call: from its arguments to its result, in one frame.

Most calls are alike: small plain values go out, nothing else is under way on the
connection, and a value comes back. They are made here in one step, with nothing made on
the way that only others would need. What turns out to be unusual is left to the binding
before anything has happened, and afterwards to the channel.
"""

# ruff: noqa: SLF001 - this is the binding's part and the channel's, in one frame

from __future__ import annotations

import socket
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.context import call_state, concerns_calls
from pyro_protocol.errors import TimeoutError  # noqa: A004 - the documented name
from pyro_protocol.references import SerializedBlob
from pyro_protocol.serializers.native import ONE_BYTE, read_scalar, unpack
from pyro_protocol.serializers.native_packing import ATOMS
from pyro_protocol.session.short_messages import (
    ANSWER,
    CALL,
    NO_MORE,
    join_header,
)
from pyro_protocol.transport.blocking_channel import name_call
from pyro_protocol.wire.frame import HEADER_SIZE, JOIN_BELOW

from .plain_oneway import send_plainly
from .sharing.short_exchanges import receive_apart

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence

    from pyro_protocol.session import ClientSession
    from pyro_protocol.session.short_messages import Beginning
    from pyro_protocol.wire import Payload

    from .sharing import SharedChannel
    from .sharing.waiting import Waiter

__all__ = ["PlainCalls", "Usual"]

_DONT_WAIT: Final = getattr(socket, "MSG_DONTWAIT", 0)
_SEQUENCE_MASK: Final = 0xFFFF
_HEADER: Final = slice(HEADER_SIZE)
_PAYLOAD: Final = slice(HEADER_SIZE, None)
# How a value begins that is a number, a text, bytes, or None: such have no parts that
# could be nested too deeply, be marked, or have equal hashes.
_SCALARS: Final = frozenset(
    {
        *range(0x80),
        *range(0xA0, 0xC1),
        *range(0xC2, 0xC7),
        *range(0xCA, 0xD4),
        *range(0xD9, 0x100),
    }
    - {0xDC, 0xDD, 0xDE, 0xDF}
)
_current_state = call_state.get

Usual = tuple[
    "SharedChannel",
    "ClientSession",
    "threading.Lock",
    "Callable[[object], bytes]",
    "dict[str | None, Beginning]",
    "float | None",
    "Callable[[bytes, int], int]",
    "Callable[..., bytes]",
]
"""What usual calls need: the channel, its session and its lock, what packs arguments,
how messages begin, how many seconds a call may take, and how to write and to read."""


class PlainCalls:
    """The part of a binding that makes usual calls.

    Attributes:
        object_id: the id of the object that calls are for.
        oneway: names of the methods whose callers do not wait.
    """

    __slots__ = ("_usual", "object_id", "oneway")

    object_id: str
    oneway: set[str]
    # None where the settings of the binding want something unusual.
    _usual: Usual | None

    def call(  # noqa: PLR0911, PLR0912, PLR0915 - the hot path, in one frame
        self, method: str, /, *args: Any, **kwargs: Any
    ) -> Any:
        """Call a remote method, again where the retry policy allows it."""
        usual = self._usual
        if usual is None:
            return self._call_somehow(method, args, kwargs)
        if method in self.oneway:
            if send_plainly(self, method, args, kwargs):
                return None
            return self._call_somehow(method, args, kwargs)
        state = _current_state()
        if state is not None and concerns_calls(state):
            return self._call_somehow(method, args, kwargs)
        channel, session, lock, pack, known, timeout, write, read = usual
        beginning = known.get(method)
        if beginning is None:
            return self._call_somehow(method, args, kwargs)
        payload: Payload | None = None
        for argument in (*args, *kwargs.values()) if kwargs else args:
            if (kind := type(argument)) not in ATOMS and (
                kind is not bytes or len(argument) >= JOIN_BELOW
            ):
                if channel._special or (args and type(args[0]) is SerializedBlob):
                    return self._call_somehow(method, args, kwargs)
                payload, references = channel._encoded(
                    self.object_id, method, args, kwargs
                )
                if references is not None or type(payload) is not bytes:
                    return self._as_result(
                        channel,
                        channel._call_encoded(
                            self.object_id, method, args, payload, references
                        ),
                    )
                break
        message = answer = data = large = deadline = begun = None
        waiter: Waiter | None = None
        sequence = size = -1
        # Whether it is this one who reads; known at once, since an exception may be
        # raised between any two steps.
        reads = False
        doing = "sending"
        try:
            with lock:
                if not (
                    channel._reading
                    or channel._writing
                    or channel._special
                    or session._expected
                ):
                    if timeout is not None:
                        begun = time.monotonic()
                        deadline = begun + timeout
                        if channel._line.patience > timeout:  # type: ignore[attr-defined] # it is a plain one
                            channel._line.set_patience(timeout)  # type: ignore[attr-defined]
                    body: bytes
                    if payload is None:
                        # Nobody else has the lock, so that the packer is free.
                        body = pack(args) + (pack(kwargs) if kwargs else beginning[3])
                    else:
                        beginning = known[None]
                        body = payload  # type: ignore[assignment] # or we were not here
                    join, end, size, _ = beginning
                    size += len(body)
                    if size < JOIN_BELOW:
                        sequence = (session.sequence + 1) & _SEQUENCE_MASK
                        session.sequence = sequence
                        message = join(CALL, sequence, size, end) + body
                        channel._reading = reads = True
                        try:
                            sent = write(message, _DONT_WAIT)
                        except BlockingIOError:
                            sent = 0
                        if sent != len(message):
                            channel._keep_unsent(memoryview(message)[sent:])
                    elif payload is None:
                        # The packer would keep as much memory.
                        self._usual = None
            if reads:
                doing = "receiving"
                if not channel._special:
                    try:
                        data = read(channel._receive_size)
                    except BlockingIOError:
                        pass
                    else:
                        size = len(data) - HEADER_SIZE
                        if size > 0 and data[_HEADER] == join_header(
                            ANSWER, sequence, size, NO_MORE
                        ):
                            answer = data
                        elif (
                            timeout is None
                            and len(data) == session._decoder.large_start
                        ):
                            large, data = receive_apart(channel, data, sequence)
                            answer = data if large is not None else None
                if answer is None:
                    waiter = channel._go_on(sequence, data)
                    channel._reading = reads = False
                    channel._hand_over()
                else:
                    channel._reading = reads = False
                    # Whoever comes later sees that nobody reads.
                    if (
                        channel._waiters
                        or channel._places
                        or channel._streams
                        or channel._special
                    ):
                        with lock:
                            channel._promote()
                        if channel.closed:
                            channel._close_socket()
        except BaseException as error:
            if reads:
                channel._give_up_reading(error, doing)
                raise
            if not isinstance(error, Exception):
                channel._hand_over()
                raise
            # A packer that has failed is not used again. Why it has failed is found
            # out by the other way.
            self._usual = message = None
        if large is not None and answer is not None:
            return channel._read_value(large, channel.serializer)
        if answer is not None:
            first = answer[HEADER_SIZE]
            if size == 1 and first in ONE_BYTE:
                return ONE_BYTE[first]
            body = answer[_PAYLOAD]
            if first in _SCALARS:
                try:
                    return unpack(body, ext_hook=read_scalar)
                except Exception:  # noqa: BLE001, S110 - told of when it is read again
                    pass
            return channel.serializer.loads(body)
        if message is None:
            if payload is None or channel.closed:
                return self._call_somehow(method, args, kwargs)
            return self._as_result(
                channel, channel._call_encoded(self.object_id, method, args, payload)
            )
        try:
            result = channel._answer_to(waiter, deadline)  # type: ignore[arg-type] # without an answer there is one
            return self._as_result(channel, result)
        except TimeoutError as error:
            # It may be the server that has noticed first.
            name_call(error, self.object_id, method, args, begun)
            raise

    @abstractmethod
    def _call_somehow(
        self, method: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """Make a call of any kind."""

    @abstractmethod
    def _as_result(self, channel: Any, result: Any) -> Any:
        """Return what the program gets: an iterator, if the result is a stream."""
