"""The short way of plain oneway calls: from the bytes of many to what they do.

They are carried out one after the other by whoever reads the connection. If one of
them takes long, or all that have arrived together do, the loop takes the connection,
and the rest of them are queued: then the client's other calls need not wait for them.
Whatever is unusual is left to `RequestHost.handle`, before anything has happened.
"""

# ruff: noqa: SLF001 - a part of the session and of the dispatcher, in one frame

from __future__ import annotations

import contextlib
import logging
import struct
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.context import CallState, call_state
from pyro_protocol.dispatch import Call, CallFailure, Dispatcher
from pyro_protocol.dispatch.calls import PLAIN_RESULTS
from pyro_protocol.dispatch.client import INSTANCES
from pyro_protocol.errors import SerializeError
from pyro_protocol.logs import log_exception
from pyro_protocol.serializers import serializers
from pyro_protocol.serializers.msgpack import VERIFY_FROM
from pyro_protocol.serializers.native import read_scalar, unpack
from pyro_protocol.session.capabilities import DEADLINE
from pyro_protocol.session.deadlines import DEADLINE_ID
from pyro_protocol.session.plain_calls import leave_gate, stay_inside
from pyro_protocol.session.server import ServerState
from pyro_protocol.session.short_messages import NO_MORE, ONEWAY_CALL, ending_of
from pyro_protocol.wire import FLAG_ONEWAY, HEADER_SIZE, NO_ANNOTATIONS, Frame
from pyro_protocol.wire.frame import CHUNK

from .requests import INVOKE

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator, Mapping

    from pyro_protocol.wire import Annotations

    from ..connection import Connection
    from .requests import RequestHost

__all__ = ["TAKEN", "OnewayCall", "oneway_calls"]

_logger = logging.getLogger("pyro.server")

TAKEN: Final = -1
"""Somebody else reads the connection."""

_OPEN: Final = ServerState.OPEN
_NATIVE_ID: Final = serializers["native"].id
_NO_INSTANCES: Final[Mapping[Any, Any]] = {}
_NOT_MADE: Final = (None,)
# How the header of a request with a deadline ends, and what stands before its value.
_DEADLINE_SIZE: Final = 8
_WITH_DEADLINE: Final = ending_of({DEADLINE_ID: bytes(_DEADLINE_SIZE)})[0]
_DEADLINE: Final = CHUNK.pack(DEADLINE_ID.encode("ascii"), _DEADLINE_SIZE)
_split_header = struct.Struct("!10sHI24s").unpack_from
_set_state = call_state.set


class OnewayCall(CallState):
    """The state of a oneway call on the short way.

    Attributes:
        end: where the next message begins, in what was received.
        run: the same object for all that have arrived together.
        alone: the object that no other call may be inside of meanwhile; None if any
            may.
    """

    __slots__ = ("alone", "end", "run")

    alone: Any
    end: int
    run: object

    if TYPE_CHECKING:

        def __init__(self) -> None: ...

    else:
        # Everything is set without a call in between.
        __init__ = object.__init__


def oneway_calls(  # noqa: PLR0912, PLR0915 - the hot path, in one frame
    host: RequestHost, connection: Connection
) -> Generator[int, tuple[bytes, int], None]:
    """Carry out plain oneway requests, in order.

    It is a generator because what it needs is at hand then for all that follow. It is
    sent what was received, and where a message begins in it. The first outcome means
    nothing. The state of the last call stays in the context, as with `plain_calls`.

    Args:
        host: what serves the connection, and goes on with what is queued.
        connection: the connection. Its ``hold`` gets the state of each call while that
            is carried out; whoever takes it out reads the connection from then on, and
            has made it known that a oneway call is running.

    Yields:
        Where the first message begins that was not carried out; or `TAKEN`, when those
        that were queued meanwhile have been carried out as well.
    """
    session = connection.session
    served = connection.served
    service = served.service
    client = connection.client
    dispatcher = service.dispatcher
    plain_dispatcher = dispatcher if type(dispatcher) is Dispatcher else None
    find_object = dispatcher._objects.get
    gates = dispatcher._gates
    has_deadlines = DEADLINE in session.capabilities
    begin = connection.hold.append
    done = connection.hold.pop
    call: Call | None
    start = 0
    while True:
        data, start = yield start
        serializer = session._usable.get(_NATIVE_ID)
        if (
            serializer is None
            or session._state is not _OPEN
            or session._consumed
            or session._decoder.buffered
            or not session._plain
            or served.beside
        ):
            continue
        run = object()
        # The last place where there is room for a message.
        last = len(data) - HEADER_SIZE
        while start <= last and not host._stopping:
            beginning, sequence, size, rest = _split_header(data, start)
            payload_start = start + HEADER_SIZE
            annotations: Annotations = NO_ANNOTATIONS
            if rest != NO_MORE:
                if rest != _WITH_DEADLINE or not has_deadlines:
                    break
                value_start = payload_start + CHUNK.size
                payload_start = value_start + _DEADLINE_SIZE
                deadline = memoryview(data)[value_start:payload_start]
                if not data.startswith(_DEADLINE, start + HEADER_SIZE) or not any(
                    deadline
                ):
                    break
                annotations = {DEADLINE_ID: deadline}
            end = payload_start + size
            if beginning != ONEWAY_CALL or size >= VERIFY_FROM or end > len(data):
                break
            payload = data[payload_start:end]
            try:
                try:
                    parts = unpack(payload, strict_map_key=False, ext_hook=read_scalar)
                except SerializeError:
                    # Most likely it holds a tuple, or another compound.
                    parts = serializer.loads(payload)
                object_id, name, args, kwargs = parts
                registration = find_object(object_id)
                method = registration.members.methods.get(name)  # type: ignore[union-attr] # the other way tells what is missing
                function = method.function  # type: ignore[union-attr]
                target = registration.plain  # type: ignore[union-attr]
                alone = None
                if target is None:
                    mode = registration.instancing  # type: ignore[union-attr]
                    if mode == "session":
                        made = client._holdings.get(INSTANCES, _NO_INSTANCES)
                        target = made.get(registration, _NOT_MADE)[0]
                        if method.passage is None and gates is not None:  # type: ignore[union-attr]
                            # The calls of one client take turns, where there are gates.
                            alone = target
                    elif mode == "single":
                        target = (registration._single or _NOT_MADE)[0]  # type: ignore[union-attr]
                if (
                    function is None
                    or method.coroutine  # type: ignore[union-attr]
                    or (method.passage and gates is not None)  # type: ignore[union-attr]
                    or type(target) is not registration.clazz  # type: ignore[union-attr]
                    or type(args) is not list
                    or (kwargs and not _are_keywords(kwargs))
                    or service.dispatcher is not plain_dispatcher
                ):
                    break
            except Exception:  # noqa: BLE001 - told of when it is read again
                break
            state: Any = OnewayCall()
            state.client = client
            state.sequence = sequence
            state.message_flags = FLAG_ONEWAY
            state.serializer_id = _NATIVE_ID
            state.annotations = annotations
            state.own_annotations = state.correlation = state.deadline = None
            state.response_annotations = state.time_limit = None
            state.end = end
            state.run = run
            state.alone = alone
            begin(state)
            _set_state(state)
            coroutine = None
            try:
                # One by one, few arguments are passed in half the time of a list.
                if kwargs:
                    value = function(target, *args, **kwargs)
                elif len(args) == 1:
                    value = function(target, args[0])
                else:
                    value = function(target, *args)
            except BaseException as error:  # noqa: BLE001 - whatever a method raises is logged
                value = None
                call = Call(object_id, name, args, kwargs)
                _fail(connection, call, error, target)
            if type(value) not in PLAIN_RESULTS:
                if alone is not None and type(value) is CoroutineType:
                    value = stay_inside(served, connection.hold, state, value)
                call = Call(object_id, name, args, kwargs)
                coroutine = _conclude(connection, state, payload, call, value)
            start = end
            try:
                done()
            except IndexError:
                start = TAKEN
                leave_gate(served, state)
                host.resume_oneway(connection, coroutine)
                break
            if coroutine is not None:
                with connection.lock:
                    host.add_oneway(connection, ())
                host.resume_oneway(connection, coroutine)
                break
        # Nothing of the program's is to be kept until the next request.
        data = payload = parts = value = target = args = kwargs = None  # type: ignore[assignment]
        call = coroutine = alone = state = method = function = registration = None


def _are_keywords(kwargs: object) -> bool:
    return type(kwargs) is dict and all(type(name) is str for name in kwargs)


def _conclude(
    connection: Connection, state: CallState, payload: bytes, call: Call, value: Any
) -> Coroutine[Any, Any, None] | None:
    """Go on with what a call has returned; returns what has to be awaited."""
    served = connection.served
    if type(value) is CoroutineType:
        frame = Frame(INVOKE, _NATIVE_ID, FLAG_ONEWAY, state.sequence, payload)
        return served._await(frame, state, call, value)
    # What has failed was reported, and nobody waits for the answer.
    with contextlib.suppress(CallFailure):
        served.service.dispatcher.conclude(connection.client, call, value)
    return None


def _fail(
    connection: Connection, call: Call, error: BaseException, target: object
) -> None:
    """Report what a method has raised."""
    dispatcher: Any = connection.served.service.dispatcher
    try:
        dispatcher.failure(connection.client, call, error, target)
    except Exception:  # noqa: BLE001 - logged
        log_exception(_logger, "a oneway request of %s failed", connection.client)
