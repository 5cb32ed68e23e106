"""Making calls: requests out, and which answers are due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import LocalProtocolError, RemoteProtocolError
from ..wire import (
    FLAG_ONEWAY,
    FLAG_STREAM,
    JOIN_BELOW,
    NO_ANNOTATIONS,
    Annotations,
    Buffer,
    Frame,
    MessageType,
    Payload,
    encode_plain_frame,
)
from .capabilities import CANCEL, CHUNKS, DEADLINE
from .consuming import StreamConsumer
from .deadlines import DEADLINE_ID, encode_deadline
from .producing import StreamProducer
from .stream_frames import STREAM_NUMBER_ID, unpack_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..serializers import Serializer

__all__ = ["SEQUENCE_NUMBERS", "Caller"]

SEQUENCE_NUMBERS: Final = 0x1_0000
"""How many sequence numbers there are, so that no more calls can be told apart."""

_INVOKE: Final = int(MessageType.INVOKE)
_CANCEL: Final = int(MessageType.CANCEL)
_SEQUENCE_MASK: Final = 0xFFFF
# One number is kept free, to step to.
_MOST_IN_FLIGHT: Final = SEQUENCE_NUMBERS - 1


class Caller(StreamProducer, StreamConsumer):
    """The part of a session that makes calls: a client's, and for callbacks a server's.

    Calls have sequence numbers of their own in each direction.
    """

    __slots__ = ()

    @property
    def free_slots(self) -> int:
        """How many calls more may be sent now that are to be answered.

        The peer has named the bound if ``multiplex`` is in force, for callbacks if
        ``callbacks`` is; otherwise there is that of the sequence numbers.
        """
        if not self._may_call:
            return 0
        return max(0, (self._window or _MOST_IN_FLIGHT) - len(self._expected))

    @property
    def calls_in_flight(self) -> int:
        """How many calls have no answer yet."""
        return len(self._expected)

    def retract(self, sequence: int) -> None:
        """Forget a call whose message was not written, and never will be."""
        self._expected.discard(sequence)
        if sequence in self._argument_streams:
            del self._argument_streams[sequence]

    def send_call(
        self,
        serializer: Serializer,
        object_id: str,
        method: str,
        args: Sequence[object],
        kwargs: Mapping[str, object] | None,
        flags: int = 0,
        annotations: Annotations = NO_ANNOTATIONS,
        correlation_id: bytes | None = None,
        timeout: float | None = None,
    ) -> int:
        """Send a request and return its sequence number.

        Args:
            serializer: what the request is written with.
            object_id: the object.
            method: the name of the method.
            args: the positional arguments.
            kwargs: the keyword arguments; None for attributes and batches.
            flags: flags of the message.
            annotations: data to send along.
            correlation_id: 16 bytes, or None.
            timeout: how many seconds the caller will wait; the peer learns of it
                where ``deadline`` is in force.

        Raises:
            LocalProtocolError: the conversation is not open, or as many calls are in
                flight as there may be (see `free_slots`).
            SerializeError: the arguments cannot be encoded.
            MessageTooLargeError: the message is larger than the limit.
        """
        payload: Payload
        if self._settings.compress:
            payload = serializer.dumps_call(object_id, method, args, kwargs)
        else:
            payload = serializer.encode_call(object_id, method, args, kwargs)
        if timeout is not None:
            annotations = self.with_deadline(annotations, timeout)
        return self.send_request(
            serializer.id, payload, flags, annotations, correlation_id
        )

    def with_deadline(self, annotations: Annotations, seconds: float) -> Annotations:
        """Return annotations that tell the peer how many seconds remain.

        Where ``deadline`` is not in force they are returned as they are.
        """
        if DEADLINE not in self.capabilities:
            return annotations
        return {**annotations, DEADLINE_ID: encode_deadline(seconds)}

    def send_request(
        self,
        serializer_id: int,
        payload: Payload,
        flags: int = 0,
        annotations: Annotations = NO_ANNOTATIONS,
        correlation_id: bytes | None = None,
    ) -> int:
        """Send a request whose payload is serialized already; see `send_call`."""
        self._out += self.request(
            serializer_id, payload, flags, annotations, correlation_id
        )
        return self.sequence

    def request(
        self,
        serializer_id: int,
        payload: Payload,
        flags: int,
        annotations: Annotations,
        correlation_id: bytes | None,
    ) -> list[Buffer]:
        """Like `send_request`, but return the buffers to write; nothing is queued."""
        if not self._may_call:
            raise LocalProtocolError("the conversation is not open")
        sequence = (self.sequence + 1) & _SEQUENCE_MASK
        if self._routes:
            sequence = self._free_sequence(flags)
        buffers: list[Buffer]
        if (
            self._plain
            and not annotations
            and correlation_id is None
            and type(payload) is bytes
            and len(payload) < JOIN_BELOW
        ):
            buffers = [
                encode_plain_frame(_INVOKE, serializer_id, flags, sequence, payload)
            ]
        else:
            settings = self._settings
            buffers = self._encode(
                _INVOKE,
                serializer_id,
                flags,
                sequence,
                payload,
                annotations,
                correlation_id,
                compress=settings.compress,
                max_size=settings.max_message_size,
            )
        self.sequence = sequence
        if not flags & FLAG_ONEWAY:
            self._expected.add(sequence)
        return buffers

    def send_cancel(self, sequence: int) -> bool:
        """Tell the peer that the answer to a call is no longer wanted.

        An answer comes nevertheless: a `CallCancelledError`, or what the call had
        come to before.

        Returns:
            False if the answer has arrived already; nothing is sent then.

        Raises:
            LocalProtocolError: ``cancel`` is not in force.
        """
        self._require(CANCEL, "cancel a call")
        if sequence not in self._expected:
            return False
        self._queue(_CANCEL, 0, 0, sequence, b"")
        return True

    def stream_number(self, answer: Frame) -> int | None:
        """Return the number of the stream that an answer has started.

        None is for what is no stream, and for one whose items are to be asked for
        one by one, as Pyro5 does.
        """
        if CHUNKS not in self.capabilities or not answer.flags & FLAG_STREAM:
            return None
        data = answer.annotations.get(STREAM_NUMBER_ID)
        return None if data is None else unpack_number(data)

    def attach_streams(self, sequence: int, numbers: Sequence[int]) -> None:
        """Note that streams are arguments of the call with this sequence number.

        Those that the peer has not shown to know when the answer comes are taken
        back, with the signal `StreamClosed`.

        Raises:
            LocalProtocolError: no answer is due, as with a oneway call. That would
                leave nothing to tell whether the peer has taken the streams up.
        """
        if sequence not in self._expected:
            raise LocalProtocolError(
                f"streams cannot be arguments of call {sequence}, which has no answer"
            )
        if not self._argument_streams:
            # There is none yet where no stream can be an argument.
            self._argument_streams = {}
        self._argument_streams[sequence] = tuple(numbers)

    def _free_sequence(self, flags: int) -> int:
        """Return a sequence number that is not in flight, if another call may be."""
        expected = self._expected
        most = self._window or _MOST_IN_FLIGHT
        if not flags & FLAG_ONEWAY and len(expected) >= most:
            raise LocalProtocolError(
                f"{most} calls are in flight, which is all that the peer takes; wait "
                "for an answer"
            )
        sequence = (self.sequence + 1) & _SEQUENCE_MASK
        while sequence in expected:
            sequence = (sequence + 1) & _SEQUENCE_MASK
        return sequence

    def _take_result(self, frame: Frame) -> None:
        """Take in an answer where more than answers is counted."""
        sequence = frame.sequence
        if sequence not in self._expected:
            raise RemoteProtocolError(
                f"the peer answered request {sequence}, which is not waiting"
            )
        frame = self._decoder.inflate(frame)
        self._expected.remove(sequence)
        number = self.stream_number(frame)
        if number is not None:
            self.accept_stream(number, frame.serializer_id)
        if sequence in self._argument_streams:
            self._take_back_streams(sequence)
        self._events.append(frame)
