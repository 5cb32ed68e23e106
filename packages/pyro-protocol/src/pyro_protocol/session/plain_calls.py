"""The short way of a plain call: from the bytes of one request to those of its answer.

Most calls are alike: one whole message without annotations, or with a deadline only,
and a value as the answer. They are carried out here in one step, with nothing made on
the way that only others would need. Whatever is unusual is left to `CallHandler`, which
says what a call means: before anything has happened, or with what has come of it.

While a call is carried out by the one who reads its connection, nobody else can ask for
it. So it is in the table of calls, and inside the gate of its object where the calls of
one client take turns, only from the moment on that somebody else comes into play.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from ..context import call_state
from ..contract.concurrency import SERIAL
from ..dispatch import Call, CallFailure, Dispatcher, StreamStarted
from ..dispatch.calls import PLAIN_RESULTS
from ..dispatch.client import INSTANCES
from ..errors import PyroError, SerializeError
from ..serializers import serializers
from ..serializers.codec import check_call
from ..serializers.msgpack import VERIFY_FROM
from ..serializers.native import read_scalar, unpack
from ..serializers.native_packing import BIN16, NUMBERS, begin_bytes, pack_number
from ..wire import (
    FLAG_BATCH,
    FLAG_CORRELATION,
    HEADER_SIZE,
    JOIN_BELOW,
    NO_ANNOTATIONS,
    Frame,
    MessageType,
    SplitPayload,
    encode_frame,
    encode_plain_frame,
)
from ..wire.frame import MAGIC, PREFIX
from .call_table import ServedCall
from .capabilities import DEADLINE
from .deadlines import DEADLINE_ID, Deadline
from .server import ServerState
from .short_messages import ANSWER, APART_START, asked_item, encode_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Mapping

    from ..dispatch.registry import Registration
    from ..serializers import Serializer
    from ..wire import Buffer
    from ..wire.frame import Payload
    from .service import ServerConnection

__all__ = [
    "Outcome",
    "leave_gate",
    "make_known",
    "new_hold",
    "plain_calls",
    "stay_inside",
]

Unfinished = tuple["Frame", "Coroutine[Any, Any, None]"]
Outcome = bytes | Unfinished | None
"""What has become of a request; see `plain_calls`."""

_OPEN: Final = ServerState.OPEN
_NATIVE_ID: Final = serializers["native"].id
# What a message begins with, up to its sequence number, and how it goes on after its
# size: the size of the annotations, no correlation id, and the end of the header.
_BEGINNING: Final = struct.Struct("!6sBBH")
_REST: Final = struct.Struct("!I18xH")
_HEADER: Final = struct.Struct("!10sHI24s")
_BARE: Final = _REST.pack(0, MAGIC)
_INVOKE: Final = int(MessageType.INVOKE)
_RESULT: Final = int(MessageType.RESULT)

# By the beginning of a request: the id of its serializer.
_REQUESTS: Final = {
    _BEGINNING.pack(PREFIX, _INVOKE, number, flags): number
    for number in range(256)
    for flags in (0, FLAG_BATCH)
}
_NATIVE_CALL: Final = _BEGINNING.pack(PREFIX, _INVOKE, _NATIVE_ID, 0)
_CORRELATED_CALL: Final = _BEGINNING.pack(PREFIX, _INVOKE, _NATIVE_ID, FLAG_CORRELATION)
_NATIVE_RESULT: Final = _BEGINNING.pack(PREFIX, _RESULT, _NATIVE_ID, 0)
_CORRELATED_RESULT: Final = _BEGINNING.pack(
    PREFIX, _RESULT, _NATIVE_ID, FLAG_CORRELATION
)
_TEXT: Final = frozenset({str})
_NO_INSTANCES: Final[Mapping[Any, Any]] = {}
_NOT_MADE: Final = (None,)

# The id and size of the annotation with the deadline, and its value.
_CHUNK: Final = struct.Struct("!QQ")
_CHUNK_HEAD: Final = int.from_bytes(DEADLINE_ID.encode("ascii") + bytes([0, 0, 0, 8]))
_CHUNK_END: Final = HEADER_SIZE + _CHUNK.size
_WITH_DEADLINE: Final = _REST.pack(_CHUNK.size, MAGIC)
# Where in the rest of a header the correlation id is, and that without one.
_CORRELATION: Final = slice(4, 20)
_UNCORRELATED: Final = _BARE[4:]
_PER_SECOND: Final = 1_000_000

_SHORT: Final = 16
# For payloads of less bytes than that, as numbers have: what joins an answer, and its
# size and the rest of its header.
_SHORT_ANSWERS: Final = tuple(
    (struct.Struct(f"!10sH28s{size}s").pack, size.to_bytes(4) + _BARE)
    for size in range(_SHORT)
)

# One packer writes them for all as well, if they are shorter than that: it keeps what
# it has once needed.
_STRINGS: Final = frozenset({str, bytes})
_SHORT_STRING: Final = 1024

_split_header = _HEADER.unpack_from
_join_header = _HEADER.pack
_split_chunk = _CHUNK.unpack_from
_set_state = call_state.set


class PlainCall(ServedCall):
    """The state of a call on the short way; what few ask for is made for them.

    Attributes:
        until: when the time of the caller is used up, and the clock; None if it has
            set no limit.
        alone: the object that no other call may be inside of meanwhile, which has no
            other callers than this client; else None.
    """

    __slots__ = ("alone", "until")

    alone: Any
    until: tuple[float, Callable[[], float]] | None

    if TYPE_CHECKING:

        def __init__(self) -> None: ...

    else:
        # Everything is set without a call in between.
        __init__ = object.__init__

    @property
    def deadline(self) -> Deadline | None:  # type: ignore[override]
        """When the caller stops waiting, or None."""
        if self.until is None:
            return None
        moment, clock = self.until
        return Deadline(moment - clock(), clock)

    @property
    def annotations(self) -> Mapping[str, Any]:  # type: ignore[override]
        """What came with the request."""
        if self.until is None:
            return NO_ANNOTATIONS
        return {DEADLINE_ID: memoryview(self.message)[_CHUNK_END - 8 : _CHUNK_END]}


def new_hold() -> list[Any]:
    """Return an empty list with room for one call, which it keeps.

    Other lists need memory for the first that they get, and give it back at once.
    """
    hold: list[Any] = [None]
    hold.pop()
    return hold


def make_known(connection: ServerConnection, call: object) -> None:
    """Let others know of a call that is carried out; the lock is held.

    Args:
        connection: its connection.
        call: what was taken out of the ``hold`` of `plain_calls`.
    """
    if type(call) is not PlainCall:
        return
    if connection.calls is not None and not connection.abandoned:
        connection.session._running.add(call.sequence)  # noqa: SLF001
        connection.calls._calls[call.sequence] = call  # noqa: SLF001
    if call.alone is not None:
        connection.service.dispatcher._gates.enter_alone(call.alone, SERIAL)  # type: ignore[union-attr] # noqa: SLF001 - there are gates, then


def plain_calls(  # noqa: PLR0912, PLR0915 - the hot path, in one frame
    connection: ServerConnection, hold: list[Any]
) -> Generator[Outcome, bytes | tuple[bytes, bytes | bytearray], None]:
    """Carry out plain requests: is sent what was received, and yields the outcome.

    It is a generator because what it needs is at hand then for one request after the
    other. The first outcome means nothing. It is used for as long as nobody else reads
    the connection, and the session has not taken in a part of a message: then a new
    one is needed. A request with large bytes comes as what stands before these, for
    which the session has told by `large_rest` how many there are, and the bytes. The
    state of the last call stays in the context: `call_state` is to be set back before
    anything runs that is not part of a call.

    Args:
        connection: the connection.
        hold: gets the state of a call while that is carried out. Whoever takes it out
            meanwhile, with the lock, gives it to `make_known` at once, and reads the
            connection from then on.

    Yields:
        The message to be written next; it may be empty, and what is then to be
        written, if anything, is queued in the session. Or what remains to be done, if
        the call has to wait. None if this is not the way for a request: then nothing
        has happened.
    """
    session = connection.session
    service = connection.service
    client = connection.client
    calls = connection.calls
    # Here and below: what would be a call each time, or a property.
    usable = session._usable  # noqa: SLF001
    running = session._running  # noqa: SLF001
    most_running = session._most_running  # noqa: SLF001
    has_deadlines = calls is not None and DEADLINE in session.capabilities
    native: Serializer | None = None
    usual = b"" if service.is_annotating else _NATIVE_CALL
    correlated = b"" if service.is_annotating else _CORRELATED_CALL
    dispatcher = service.dispatcher
    plain_dispatcher = dispatcher if type(dispatcher) is Dispatcher else None
    find_object = dispatcher._objects.get  # noqa: SLF001
    gates = dispatcher._gates  # noqa: SLF001
    holdings = client._holdings  # noqa: SLF001
    begin = hold.append
    end = hold.pop
    outcome: Outcome = None
    payload: Payload | None = None
    while not session._plain or session._decoder.buffered:  # noqa: SLF001
        yield None
    while True:
        data: Any = yield outcome
        outcome = correlation = large = None
        if session._state is not _OPEN or session._consumed:  # noqa: SLF001
            continue
        length = len(data)
        if length < HEADER_SIZE:
            if type(data) is not tuple:
                continue
            data, large = data
        beginning, sequence, size, rest = _split_header(data)
        if beginning == usual:
            serializer = native = native or usable.get(_NATIVE_ID)
            is_usual = True
            flags = 0
        elif beginning == correlated:
            serializer = native = native or usable.get(_NATIVE_ID)
            is_usual = True
            flags = FLAG_CORRELATION
            correlation = rest[_CORRELATION]
            rest = rest[:4] + _UNCORRELATED if rest[20:] == _BARE[20:] else b""
        else:
            serializer = usable.get(_REQUESTS.get(beginning, -1))
            is_usual = False
            flags = data[9]
        if serializer is None:
            number = asked_item(data)
            if number is not None and connection.exchange is not None:
                outcome = connection.exchange.give_item(number, data, hold)
            # For others the long way finds out whether it may be used from now on.
            continue
        start = HEADER_SIZE
        until = None
        if large is not None:
            if not is_usual:
                continue
            # All but the serializer's part has been looked at.
            start = APART_START
        elif rest != _BARE:
            if rest != _WITH_DEADLINE or not has_deadlines or length < _CHUNK_END:
                continue
            head, microseconds = _split_chunk(data, HEADER_SIZE)
            if head != _CHUNK_HEAD or not microseconds:
                continue
            clock = service.clock
            until = clock() + microseconds / _PER_SECOND, clock
            start = _CHUNK_END
        if large is None and (start + size != length or size >= JOIN_BELOW):
            continue
        if running and (sequence in running or len(running) >= most_running):
            continue

        encoded: Payload | None
        state: Any = PlainCall()
        state.client = client
        state.sequence = sequence
        state.own_annotations = None
        state.correlation = correlation
        state.response_annotations = None
        state.time_limit = None
        state.alone = None
        state.until = until
        state.message = data
        state._frame = None  # noqa: SLF001
        if large is not None:
            payload = SplitPayload(data[start:], (large,))
            state._frame = Frame(_INVOKE, _NATIVE_ID, 0, sequence, payload)  # noqa: SLF001
            large = None
        state.begun = True
        state.interruption = None
        state.stop = None
        state.message_flags = flags
        state.serializer_id = _NATIVE_ID if is_usual else data[7]
        begin(state)
        answer = b""
        _set_state(state)
        try:
            function = parts = call = inside = None
            is_alone = False
            if is_usual:
                try:
                    payload = payload or data[start:]
                    try:
                        if size < VERIFY_FROM:
                            parts = unpack(
                                payload, strict_map_key=False, ext_hook=read_scalar
                            )
                    except SerializeError:
                        # Most likely it holds a tuple, or another compound.
                        pass
                    if parts is None:
                        parts = serializer.loads(payload)
                    # What `check_call` and `Dispatcher.invoke` do with most.
                    object_id, name, args, kwargs = parts
                    registration = find_object(object_id)
                    if (
                        registration is not None
                        and type(args) is list
                        and (not kwargs or _are_keywords(kwargs))
                        and service.dispatcher is plain_dispatcher
                    ):
                        method = registration.members.methods.get(name)
                        if method is not None and method.function is not None:
                            passage = method.passage
                            target = registration.plain
                            if target is None:
                                mode = registration.instancing
                                if mode == "session":
                                    made = holdings.get(INSTANCES, _NO_INSTANCES)
                                    target = made.get(registration, _NOT_MADE)[0]
                                    if passage is None and client.parallel:
                                        is_alone = (
                                            gates is not None and not connection.beside
                                        )
                                        passage = None if is_alone else SERIAL
                                elif mode == "single":
                                    target = (registration._single or _NOT_MADE)[0]  # noqa: SLF001
                                elif mode is not None:
                                    target = _make(connection, registration, parts)
                            if type(target) is registration.clazz:
                                if not passage or gates is None:
                                    function = method.function
                                    if is_alone:
                                        state.alone = target
                                elif gates.enter_alone(target, passage):
                                    inside = passage
                                    function = method.function
                except CallFailure:
                    raise
                except Exception:  # noqa: BLE001 - told of when it is read again
                    parts = None
            if function is None:
                call, value = _invoke(connection, state, parts)
                # Streams that have come with it are to be shown before the answer.
                is_usual = is_usual and not session._consumed  # noqa: SLF001
            else:
                try:
                    # All of these are set if there is a function.
                    # One by one, few arguments are passed in half the time of a list.
                    if kwargs:  # type: ignore[possibly-undefined]
                        value = function(target, *args, **kwargs)  # type: ignore[possibly-undefined]
                    elif (count := len(args)) == 1:  # type: ignore[possibly-undefined]
                        value = function(target, args[0])  # type: ignore[possibly-undefined]
                    elif count == 2:  # noqa: PLR2004 - as many as are passed
                        value = function(target, args[0], args[1])  # type: ignore[possibly-undefined]
                    elif count:
                        value = function(target, *args)  # type: ignore[possibly-undefined]
                    else:
                        value = function(target)  # type: ignore[possibly-undefined]
                except BaseException as error:  # noqa: BLE001 - whatever a method raises is answered
                    if inside is not None:
                        gates.leave(target, inside)  # type: ignore[union-attr, possibly-undefined]
                    call = Call(object_id, name, args, kwargs)  # type: ignore[possibly-undefined]
                    raise dispatcher.failure(client, call, error, target) from None  # type: ignore[possibly-undefined]
                if inside is not None:
                    # There are gates, then.
                    if type(value) is CoroutineType:
                        value = gates.leave_after(target, inside, value)  # type: ignore[union-attr]
                    else:
                        gates.leave(target, inside)  # type: ignore[union-attr]
                if type(value) not in PLAIN_RESULTS:
                    if state.alone is not None and type(value) is CoroutineType:
                        value = stay_inside(connection, hold, state, value)
                    call = Call(object_id, name, args, kwargs)  # type: ignore[possibly-undefined]
                    value = dispatcher.conclude(client, call, value)
        except (CallFailure, PyroError) as error:
            _let_know(connection, hold, state)
            _fail(connection, state, error)
            outcome = b""
        else:
            encoded = None
            if is_usual and not state.response_annotations:
                kind = type(value)
                try:
                    if kind in NUMBERS or (
                        kind in _STRINGS and len(value) < _SHORT_STRING
                    ):
                        encoded = pack_number(value)
                    elif kind is bytes and len(value) < JOIN_BELOW:
                        # They are copied once instead of three times.
                        encoded = begin_bytes(BIN16, len(value)) + value
                    elif kind in PLAIN_RESULTS:
                        encoded = serializer.encode(value)
                except Exception:  # noqa: BLE001 - told of when it is tried again
                    encoded = b""
                if encoded:
                    size = len(encoded)
                    if state.correlation is not None:
                        if size < JOIN_BELOW and type(encoded) is bytes:
                            rest = _BARE[:4] + state.correlation + _BARE[20:]
                            head = _join_header(
                                _CORRELATED_RESULT, sequence, size, rest
                            )
                            answer = head + encoded
                    elif size < _SHORT:
                        join, rest = _SHORT_ANSWERS[size]
                        answer = join(_NATIVE_RESULT, sequence, rest, encoded)
                    elif size < JOIN_BELOW and type(encoded) is bytes:
                        head = _join_header(_NATIVE_RESULT, sequence, size, _BARE)
                        answer = head + encoded
            if not answer:
                answer, outcome = _conclude(
                    connection, hold, state, serializer, call, value, encoded
                )
        finally:
            # Nothing of the program's is to be kept until the next request.
            value = target = made = args = kwargs = call = None
            parts = payload = encoded = None
        try:
            end()
        except IndexError:
            # Somebody else reads the connection now, so the lock is needed.
            leave_gate(connection, state)
            if answer and calls is not None:
                calls.answer(state, [answer])
                outcome = b""
            elif answer:
                outcome = answer
        else:
            if answer:
                outcome = answer
        state = None


def _let_know(connection: ServerConnection, hold: list[Any], state: PlainCall) -> None:
    """Let others know of a call that is over, and is not answered here."""
    with connection.lock:
        if hold:
            state.alone = None
            make_known(connection, state)
            return
    leave_gate(connection, state)


def leave_gate(connection: ServerConnection, state: Any) -> None:
    """End what the one has begun who has taken the call out of the hold.

    Args:
        connection: the connection.
        state: the state of the call: what it is ``alone`` with is left.
    """
    with connection.lock:
        target, state.alone = state.alone, None
    if target is not None:
        connection.service.dispatcher._gates.leave(target, SERIAL)  # type: ignore[union-attr] # noqa: SLF001 - there are gates, then


def stay_inside(
    connection: ServerConnection,
    hold: list[Any],
    state: Any,
    coroutine: CoroutineType[Any, Any, Any],
) -> Any:
    """Return the coroutine of a call that is alone with its object until it ends.

    Args:
        connection: the connection.
        hold: where the state is, unless somebody has taken it out.
        state: the state of the call.
        coroutine: what it has returned.
    """
    gates: Any = connection.service.dispatcher._gates  # noqa: SLF001
    with connection.lock:
        target, state.alone = state.alone, None
        if hold:
            gates.enter_alone(target, SERIAL)
    return gates.leave_after(target, SERIAL, coroutine)


def _are_keywords(kwargs: object) -> bool:
    return type(kwargs) is dict and _TEXT.issuperset(map(type, kwargs))


def _make(
    connection: ServerConnection, registration: Registration, parts: list[Any]
) -> Any:
    """Make the instance for one call.

    Raises:
        CallFailure: that has failed; it holds the exception for the caller.
    """
    client = connection.client
    try:
        return registration.instance(client)
    except BaseException as error:  # noqa: BLE001 - whatever a class raises is answered
        call = Call(*parts)
        raise connection.service.dispatcher.failure(client, call, error) from None


def _invoke(
    connection: ServerConnection, state: PlainCall, parts: Any
) -> tuple[Call, Any]:
    """Carry out a call that is not as most are; returns it and its result.

    Args:
        connection: the connection.
        state: the state of the call.
        parts: what the payload holds; None if it was not read.
    """
    if parts is None:
        call = connection.read_call(state.keep_frame())
    else:
        call = Call(*check_call(parts))
    return call, connection.service.dispatcher.invoke(connection.client, call)


def _conclude(
    connection: ServerConnection,
    hold: list[Any],
    state: PlainCall,
    serializer: Serializer,
    call: Call | None,
    value: Any,
    encoded: Payload | None,
) -> tuple[bytes, Outcome]:
    """Return the answer with a value, or b"" and what has become of the call.

    Args:
        connection: the connection.
        hold: where the state of the call is, unless others know of it.
        state: the state of the call.
        serializer: what writes the value.
        call: the call; None if it has a value that is not to be awaited.
        value: the value.
        encoded: the same as it is written; None if it was not tried yet, and b"" if
            it cannot be.
    """
    kind = type(value)
    if kind is CoroutineType and call is not None:
        _let_know(connection, hold, state)
        frame = state.keep_frame()
        return b"", (frame, connection._await(frame, state, call, value))  # noqa: SLF001
    session = connection.session
    answer: list[Buffer] = []
    request: Frame | None = None
    if not (
        state.message_flags & ~FLAG_CORRELATION
        or kind is StreamStarted
        or session._consumed  # noqa: SLF001
        or state.response_annotations
        or connection.service.is_annotating
    ):
        # What goes wrong is told of when it is tried again.
        with suppress(Exception):
            if encoded is None:
                encoded = serializer.encode(value)
            if type(encoded) is bytes and 0 < len(encoded) < JOIN_BELOW:
                if state.correlation is None:
                    head = encode_plain_frame(
                        _RESULT, state.serializer_id, 0, state.sequence, encoded
                    )
                    return head, b""
                (whole,) = encode_frame(
                    _RESULT, state.serializer_id, 0, state.sequence, encoded,
                    NO_ANNOTATIONS, state.correlation,
                )  # fmt: skip
                return bytes(whole), b""
            settings = session._settings  # noqa: SLF001
            if (
                type(encoded) is SplitPayload
                and len(encoded.buffers) == 1
                and state.serializer_id == _NATIVE_ID
                and state.correlation is None
                and settings.plain
                and len(encoded) + APART_START <= settings.max_message_size
            ):
                answer = [*encode_apart(ANSWER, state.sequence, encoded)]
            elif encoded:
                request = state.frame
                answer = session._encode_answer(  # noqa: SLF001
                    request, state.serializer_id, 0, encoded, NO_ANNOTATIONS,
                    state.correlation,
                )  # fmt: skip
    _let_know(connection, hold, state)
    if request is None:
        request = state.frame
    if answer:
        connection._send(request, answer, state)  # noqa: SLF001
    else:
        connection._answer(request, value, state)  # noqa: SLF001
    return b"", b""


def _fail(
    connection: ServerConnection, state: PlainCall, error: CallFailure | PyroError
) -> None:
    """Answer with an error."""
    if isinstance(error, CallFailure):
        connection._fail(state.frame, error.error, state)  # noqa: SLF001
    else:
        connection._refuse_request(state.frame, error, state)  # noqa: SLF001
