"""The shared channel: any number of calls in flight on one connection.

No thread of its own reads the connection. Whoever waits for an answer reads, if nobody
else does, and hands the others what is theirs; when it has its own answer, another
of those who wait goes on. So a thread that calls alone has the answer from its own
read. While nobody waits, the watcher listens for signs of life and for callbacks.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.context import call_state, concerns_calls
from pyro_protocol.errors import (
    CommunicationError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.references import connection_references
from pyro_protocol.serializers import serializers
from pyro_protocol.serializers.native_packing import ATOMS, new_arguments_packer
from pyro_protocol.session.capabilities import (
    HEARTBEAT,
    SUPPORTED_CAPABILITIES,
)
from pyro_protocol.session.short_messages import APART_START, CallBeginnings
from pyro_protocol.transport.blocking_channel import (
    BlockingChannel,
    incoming,
    name_call,
    outgoing,
    time_limit,
)
from pyro_protocol.wire import (
    FLAG_ONEWAY,
    FLAG_STREAM,
    NO_ANNOTATIONS,
    Annotations,
    Frame,
    MessageType,
    SplitPayload,
)
from pyro_protocol.wire.frame import JOIN_BELOW

from ..outgoing import OutgoingReferences
from .lines import RECEIVE_SIZE, PlainLine
from .short_exchanges import exchange_shortly
from .streaming import StreamingChannel
from .waiting import Waiter
from .watcher import watcher

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyro_protocol.config import Configuration
    from pyro_protocol.serializers import Serializer
    from pyro_protocol.wire import Payload

    from ..plain_calls import Usual

__all__ = ["SharedChannel", "offered_capabilities"]

_NATIVE: Final = serializers["native"]
_NATIVE_ID: Final = _NATIVE.id
_INVOKE: Final = int(MessageType.INVOKE)
# While the peer does not take more, what it sends is looked for that often.
_LOOK_SECONDS: Final = 0.1
_NEVER: Final = 3600.0


# Programs that connect for each call make the same calls over and over.
_usual_beginnings: Final = lru_cache(64)(CallBeginnings)


class SharedChannel(StreamingChannel):
    """One connection to a server of our family, for any number of threads.

    An error of the connection closes it; it does not reconnect. A call that is given
    up leaves it open.

    Args:
        channel: a channel that has just shaken hands; its connection is taken over.
        config: the settings.
        read_ahead: how many items of a stream may wait here.
    """

    __slots__ = (
        "_begins",
        "_begins_for",
        "_has_called",
        "_never_quick",
    )

    def __init__(
        self, channel: BlockingChannel, config: Configuration, read_ahead: int
    ) -> None:
        super().__init__(channel, config, read_ahead)
        # How the messages of usual calls begin; see `usual`.
        self._begins: CallBeginnings | None = None
        self._begins_for: tuple[str, float] | None = None
        self._has_called = False
        # Whether the short way of a call is never possible.
        self._never_quick = self._single or not (
            self._session.plain
            and isinstance(self._line, PlainLine)
            and self._session.free_slots > 1
        )
        if self._never_quick:
            self._uncounted = 0
        self._special = self._never_quick
        if HEARTBEAT in self._session.capabilities:
            self._watched = True
            watcher().add(self)

    def call(
        self,
        object_id: str,
        method: str,
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
        flags: int = 0,
        serializer: Serializer | None = None,
    ) -> Any:
        """Make a call and return its result; see `BlockingChannel.call`.

        Of a stream that comes in chunks a `ReceivedStream` is returned.
        """
        return self._call(object_id, method, args, kwargs, flags, serializer)

    def usual(self, object_id: str) -> Usual | None:
        """Return what usual calls of an object need; see `PlainCalls`.

        None if there are none over this connection.
        """
        if self._never_quick or self.serializer.id != _NATIVE_ID:
            return None
        timeout = self.timeout
        if timeout is None:
            # The same for all connections.
            begins = self._begins = _usual_beginnings(object_id)
            self._begins_for = None
        else:
            begins = self._beginnings_within(object_id, timeout)
        pack, sock = new_arguments_packer(), self.sock
        return (
            self,
            self._session,
            self._lock,
            pack,
            begins.known,
            timeout,
            sock.send,
            sock.recv,
        )

    def _beginnings_within(self, object_id: str, timeout: float) -> CallBeginnings:
        """Return how calls begin that tell how many seconds they may take."""
        with self._lock:
            begins = self._begins
            if begins is None or self._begins_for != (object_id, timeout):
                annotations = self._session.with_deadline(NO_ANNOTATIONS, timeout)
                begins = self._begins = CallBeginnings(object_id, annotations)
                self._begins_for = object_id, timeout
        return begins

    def learn(self, method: str) -> bool:
        """Take a method up among those that are called so; whether that is new."""
        begins = self._begins
        if begins is None:
            return False
        # What the method's messages begin with may be known from another connection.
        is_first, self._has_called = not self._has_called, True
        return begins.learn(method) or is_first

    @property
    def _is_special(self) -> bool:
        """Whether anything forbids the short way of a call; the lock is held."""
        return (
            self._never_quick
            or self.closed
            or self.eager
            or bool(self._unsent or self._abandoned or self._session.missing)
        )

    def _go_on(self, sequence: int, data: bytes | None) -> Waiter:
        """Return who waits for the answer to a quick call that has not come by itself.

        From here on that is a call as any other.
        """
        waiter = Waiter()
        waiter.sent = True
        waiter.sequence = sequence
        with self._lock:
            self._session.expect(sequence)
            self._waiters[sequence] = waiter
        if data is not None:
            self._receive_size = RECEIVE_SIZE
            self._take_in(data)
        return waiter

    def _answer_to(
        self,
        waiter: Waiter,
        deadline: float | None,
        serializer_id: int = _NATIVE_ID,
    ) -> Any:
        """Return what the answer to such a call holds, when it has come."""
        frame = self._await(waiter, deadline)
        if frame.annotations:
            incoming(frame.annotations)
        return self._value(frame, serializer_id)

    def _call(
        self,
        object_id: str,
        method: str,
        args: Sequence[object],
        kwargs: Mapping[str, object] | None,
        flags: int,
        serializer: Serializer | None,
    ) -> Any:
        """Make a call of any kind."""
        if self._special:
            with self._lock:
                self._special = self._is_special
        payload, references = self._encoded(
            object_id, method, args, kwargs, flags, serializer
        )
        return self._call_encoded(
            object_id, method, args, payload, references, flags, serializer
        )

    def _encoded(
        self,
        object_id: str,
        method: str,
        args: Sequence[object],
        kwargs: Mapping[str, object] | None,
        flags: int = 0,
        serializer: Serializer | None = None,
    ) -> tuple[Payload, OutgoingReferences | None]:
        """Return a serialized call, and what it has that stays here, if anything.

        Raises:
            SerializeError: an argument cannot be encoded; nothing was sent.
        """
        serializer = serializer or self.serializer
        if not kwargs and ATOMS.issuperset(map(type, args)):
            # Nothing that stays here, or that would be sent apart.
            try:
                return serializer.dumps_call(object_id, method, args, kwargs), None
            except CommunicationError as error:
                error.outcome = "not_sent"
                raise
        references = self._references(serializer, flags)
        token = connection_references.set(references)
        payload: Payload
        try:
            if self._compresses:
                payload = serializer.dumps_call(object_id, method, args, kwargs)
            else:
                payload = serializer.encode_call(object_id, method, args, kwargs)
        except BaseException as error:
            if isinstance(error, CommunicationError):
                error.outcome = "not_sent"
            if references is not None:
                self._take_back(references)
            raise
        finally:
            connection_references.reset(token)
        if references is not None and not references.used:
            references = None
        return payload, references

    def _call_encoded(
        self,
        object_id: str,
        method: str,
        args: Sequence[object],
        payload: Payload,
        references: OutgoingReferences | None = None,
        flags: int = 0,
        serializer: Serializer | None = None,
    ) -> Any:
        """Make a call that is serialized already."""
        serializer = serializer or self.serializer
        serializer_id = serializer.id
        begun = time.monotonic()
        try:
            if (
                references is None
                and not (flags or self._special or self._offered)
                and self._is_short(payload)
                and ((state := call_state.get()) is None or not concerns_calls(state))
            ):
                answer = exchange_shortly(self, serializer_id, payload)
                if isinstance(answer, bytes | SplitPayload):
                    return self._read_value(answer, serializer)
                if answer is not None:
                    deadline = None if self.timeout is None else begun + self.timeout
                    return self._answer_to(answer, deadline, serializer_id)
            frame = self.exchange(
                serializer_id, payload, flags, NO_ANNOTATIONS, references
            )
            if frame is None:
                return None
            return self._value(frame, serializer_id, references)
        except TimeoutError as error:
            # It may be the server that has noticed first.
            name_call(error, object_id, method, args, begun)
            raise

    def _is_short(self, payload: Payload) -> bool:
        """Whether a request may go the short way, as far as its size tells."""
        if type(payload) is bytes:
            return len(payload) < JOIN_BELOW
        return (
            isinstance(payload, SplitPayload)
            and len(payload.buffers) == 1
            and self.timeout is None
            and len(payload) + APART_START <= self._session.max_message_size
        )

    def _send_rest(self, waiter: Waiter) -> None:
        """Write the rest of a call that was begun, as the server takes it.

        Raises:
            CommunicationError: the connection was lost; the outcome is ``not_sent``
                unless all of it may have been written.
        """
        waiter.sent = False
        try:
            self._transmit([], None, waiter)
        except BaseException as error:
            self._leave(waiter, cancel=waiter.sent)
            # Somebody else may have written it, and failed after that.
            if isinstance(error, CommunicationError) and self._unsent:
                error.outcome = "not_sent"
            raise

    def _read_value(self, data: Payload, serializer: Serializer) -> Any:
        try:
            return serializer.loads(data)
        except Exception as error:
            if self._session.ends_connection(error):
                self.close()
            raise

    def _value(
        self,
        frame: Frame,
        serializer_id: int,
        references: OutgoingReferences | None = None,
    ) -> Any:
        """Return what an answer holds; raise the exception it holds."""
        if frame.flags & FLAG_STREAM:
            number = self._session.stream_number(frame)
            stream = None if number is None else self._streams.get(number)
            if stream is not None:
                return stream
        if self._offered is None:
            return self.read(frame, serializer_id)
        # It may hold an object that was sent before.
        token = connection_references.set(
            references or OutgoingReferences(self._offering, None, callbacks=False)
        )
        try:
            return self.read(frame, serializer_id)
        finally:
            connection_references.reset(token)

    def exchange(
        self,
        serializer_id: int,
        payload: Payload,
        flags: int = 0,
        extra_annotations: Annotations = NO_ANNOTATIONS,
        references: OutgoingReferences | None = None,
    ) -> Frame | None:
        """Send a request that is serialized already and return its answer.

        Returns:
            The answer as it was received; None for a oneway request.

        Raises:
            CommunicationError: the connection failed, and is closed; or the answer
                did not come in time, and the call is cancelled.
        """
        annotations, correlation_id = extra_annotations, None
        state = call_state.get()
        if state is not None:
            annotations, correlation_id = outgoing()
            if extra_annotations:
                annotations = {**annotations, **extra_annotations}
        limit = time_limit(self.timeout)
        deadline = None
        if limit is not None:
            deadline = time.monotonic() + limit
            annotations = self._session.with_deadline(annotations, limit)
        waiter = Waiter()
        answered = not flags & FLAG_ONEWAY
        try:
            buffers = self._begin(
                waiter if answered else None,
                deadline,
                references,
                serializer_id,
                payload,
                flags,
                annotations,
                correlation_id,
            )
            self._transmit(buffers, deadline, waiter)
        except BaseException as error:
            if references is not None and not waiter.sent:
                self._take_back(references)
            if answered:
                self._leave(waiter, cancel=waiter.sent)
            else:
                self._hand_over()
            if isinstance(error, CommunicationError) and not waiter.sent:
                error.outcome = "not_sent"
            raise
        if not answered:
            self._be_left()
            return None
        frame = self._await(waiter, deadline)
        if state is not None or frame.annotations:
            incoming(frame.annotations)
        return frame

    def ping(self) -> None:
        """Wait for a sign of life of the server.

        Raises:
            CommunicationError: it gave none.
        """
        self.call("Pyro.Daemon", "ping", (), {})


def offered_capabilities(config: Configuration) -> frozenset[str]:
    """Return the capabilities that a client offers to servers."""
    if config.HEARTBEAT_INTERVAL > 0:
        return SUPPORTED_CAPABILITIES
    return SUPPORTED_CAPABILITIES - {HEARTBEAT}
