"""Answering calls: what a request asks for, and what is sent back for it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ..dispatch import Call, StreamStarted
from ..errors import (
    LocalProtocolError,
    ProtocolError,
    PyroError,
    RemoteProtocolError,
    TimeoutError,  # noqa: A004 - the documented name
)
from ..references import SerializedBlob
from ..serializers import Serializer, serializers
from ..serializers.marshal_reader import read_simple
from ..serializers.opt_in import PICKLED_NAMES, opted_in
from ..wire import (
    FLAG_BATCH,
    FLAG_COMPRESSED,
    FLAG_EXCEPTION,
    FLAG_KEEPSERIALIZED,
    FLAG_ONEWAY,
    FLAG_STREAM,
    JOIN_BELOW,
    NO_ANNOTATIONS,
    Annotations,
    Frame,
    MessageType,
    Payload,
    encode_plain_frame,
)
from .blobs import BLOB_ANNOTATION
from .capabilities import CHUNKS, DEADLINE, NATIVE
from .consuming import StreamConsumer
from .deadlines import decode_deadline
from .failures import batch_payload, exception_payloads
from .producing import StreamProducer
from .replies import STREAM_ANNOTATION
from .signals import CallCancelled
from .stream_frames import STREAM_NUMBER_ID, pack_number

if TYPE_CHECKING:
    from ..wire import Buffer

__all__ = ["Answerer", "RefusedRequest"]

_logger = logging.getLogger("pyro.session")

_INVOKE: Final = int(MessageType.INVOKE)
_RESULT: Final = int(MessageType.RESULT)
_SERPENT: Final = serializers["serpent"]
_NATIVE_ID: Final = serializers["native"].id
_UNUSUAL: Final = FLAG_COMPRESSED | FLAG_KEEPSERIALIZED
# What `Call` does with its arguments, without the call in between.
_new_call = tuple.__new__


class RefusedRequest(Frame):
    """A malformed request that waits for its turn to be refused.

    It takes the way of all requests, so that its answer does not overtake those to
    earlier ones; `read_call` raises its error.

    Attributes:
        error: what is wrong with it.
    """

    error: ProtocolError

    @classmethod
    def of(cls, frame: Frame, error: ProtocolError) -> RefusedRequest:
        """Return the request that a frame is, to be refused with an error."""
        # The flag leads past the short way through `read_call`.
        flags = frame.flags | FLAG_KEEPSERIALIZED
        refused = cls._make(frame._replace(flags=flags))
        refused.error = error
        return refused


class Answerer(StreamProducer, StreamConsumer):
    """The part of a session that answers calls: a server's, or a client's callbacks."""

    __slots__ = ()

    def read_call(self, frame: Frame) -> Call:
        """Decode an INVOKE.

        Raises:
            PyroError: it is malformed, or made with a serializer that may not be
                used here.
        """
        _kind, serializer_id, flags, _sequence, payload, _annotations, _id = frame
        serializer = self._usable.get(serializer_id)
        if serializer is None:
            serializer = self._usable[serializer_id] = self._accepted(serializer_id)
        if flags & _UNUSUAL:
            if type(frame) is RefusedRequest:
                raise frame.error
            frame = self._decoder.inflate(frame)
            if flags & FLAG_KEEPSERIALIZED:
                return _read_blob(frame, serializer)
            payload = frame.payload
        object_id, method, args, kwargs = serializer.loads_call(payload)
        return _new_call(
            Call, (object_id, method, args, kwargs, bool(flags & FLAG_BATCH))
        )

    def remaining(self, frame: Frame) -> float | None:
        """Return how many seconds the caller had left when it sent a request.

        None if it has set no bound, or ``deadline`` is not in force. With 0 the time
        was used up; see `send_too_late`.
        """
        if DEADLINE not in self.capabilities:
            return None
        return decode_deadline(frame.annotations)

    def send_result(
        self,
        request: Frame,
        value: object,
        annotations: Annotations = NO_ANNOTATIONS,
        correlation_id: bytes | None = None,
    ) -> None:
        """Answer a request with its result.

        Args:
            request: the INVOKE being answered.
            value: the result, or a `StreamStarted`.
            annotations: data to send along.
            correlation_id: 16 bytes, or None.

        Raises:
            PyroError: the answer cannot be sent; nothing was queued.
        """
        self.send_answer(
            request, self.encode_result(request, value, annotations, correlation_id)
        )

    def encode_result(
        self,
        request: Frame,
        value: object,
        annotations: Annotations = NO_ANNOTATIONS,
        correlation_id: bytes | None = None,
    ) -> list[Buffer]:
        """Return what `send_result` queues, to be queued with `send_answer`.

        This may take its time, and changes nothing here: several threads may encode
        answers while others use the session.

        Raises:
            PyroError: the answer cannot be sent.
        """
        if type(value) is StreamStarted:
            return self._encode_stream(request, value, annotations, correlation_id)
        _kind, serializer_id, flags, sequence, _payload, _annotations, _id = request
        try:
            serializer = self._serializers[serializer_id]
        except KeyError:
            serializer = self._usable[serializer_id]
        flags &= FLAG_BATCH
        payload: Payload
        if flags and isinstance(value, list):
            payload = batch_payload(serializer, value)
        elif self._settings.compress:
            payload = serializer.dumps(value)
        else:
            payload = serializer.encode(value)
        if (
            self._plain
            and not annotations
            and correlation_id is None
            and type(payload) is bytes
            and len(payload) < JOIN_BELOW
        ):
            return [
                encode_plain_frame(_RESULT, serializer_id, flags, sequence, payload)
            ]
        return self._encode_answer(
            request, serializer_id, flags, payload, annotations, correlation_id
        )

    def _encode_stream(
        self,
        request: Frame,
        stream: StreamStarted,
        annotations: Annotations,
        correlation_id: bytes | None,
    ) -> list[Buffer]:
        # The payload is for clients that know nothing of streams.
        text = "result of call is an iterator"
        if stream.stream_id is None:
            text += ", and this server does not stream (ITER_STREAMING is off)"
        else:
            identifier = stream.stream_id.encode("ascii")
            annotations = {**annotations, STREAM_ANNOTATION: identifier}
        if stream.number is not None:
            self._require(CHUNKS, "send a stream in chunks")
            number = pack_number(stream.number)
            annotations = {**annotations, STREAM_NUMBER_ID: number}
        serializer_id = request.serializer_id
        serializer = self._answering(serializer_id) or _SERPENT
        payload = serializer.dumps(ProtocolError(text))
        flags = FLAG_EXCEPTION | FLAG_STREAM
        return self._encode_answer(
            request, serializer_id, flags, payload, annotations, correlation_id
        )

    def send_exception(
        self,
        request: Frame,
        error: Exception,
        annotations: Annotations = NO_ANNOTATIONS,
        correlation_id: bytes | None = None,
    ) -> None:
        """Answer a request with an exception.

        One that cannot be sent is replaced by a `PyroError` that tells of both.
        Nothing is sent for a oneway request.

        Raises:
            LocalProtocolError: the request was answered already. That is noticed
                only where a capability needs the calls to be counted.
        """
        if request.flags & FLAG_ONEWAY:
            return
        self._check_due(request.sequence)
        answer = self.encode_exception(request, error, annotations, correlation_id)
        self.send_answer(request, answer)

    def encode_exception(
        self,
        request: Frame,
        error: Exception,
        annotations: Annotations = NO_ANNOTATIONS,
        correlation_id: bytes | None = None,
    ) -> list[Buffer]:
        """Return what `send_exception` queues, to be queued with `send_answer`.

        As with `encode_result`, several threads may do this. The list is empty if no
        form of the exception can be sent, which ends the conversation.
        """
        serializer = self._answering(request.serializer_id)
        if serializer is None or (
            serializer.id == _NATIVE_ID and NATIVE not in self.capabilities
        ):
            # The peer's own choice is of no use, and serpent is what every Pyro reads.
            serializer = _SERPENT
        correlation_id = correlation_id or request.correlation_id
        for payload in exception_payloads(serializer, error):
            for extra in (annotations, NO_ANNOTATIONS):
                try:
                    return self._encode_answer(
                        request,
                        serializer.id,
                        FLAG_EXCEPTION,
                        payload,
                        extra,
                        correlation_id,
                    )
                except PyroError as failure:
                    _logger.warning(
                        "an exception of type %s could not be sent: %s",
                        type(error),
                        failure,
                    )
        return []

    def send_answer(self, request: Frame, answer: list[Buffer]) -> None:
        """Queue an answer made by `encode_result` or `encode_exception`.

        Raises:
            LocalProtocolError: the request was answered already. That is noticed
                only where a capability needs the calls to be counted.
        """
        if self._routes:
            self._check_due(request.sequence)
            if self._consumed:
                self._show_streams()
            self._running.remove(request.sequence)
        if not answer:
            self._give_up("no answer could be sent")
        self._out += answer

    def send_too_late(self, request: Frame) -> None:
        """Refuse a request whose caller has no time left; it was not run."""
        error = TimeoutError(
            "the time that the caller gave was used up before the call could be run"
        )
        error.outcome = "not_sent"
        self.send_exception(request, error)

    def _encode_answer(
        self,
        request: Frame,
        serializer_id: int,
        flags: int,
        payload: Payload,
        annotations: Annotations,
        correlation_id: bytes | None,
    ) -> list[Buffer]:
        settings = self._settings
        return self._encode(
            _RESULT,
            serializer_id,
            flags,
            request.sequence,
            payload,
            annotations,
            correlation_id,
            compress=settings.compress,
            max_size=settings.max_message_size,
        )

    def _check_due(self, sequence: int) -> None:
        if self._routes and sequence not in self._running:
            raise LocalProtocolError(f"request {sequence} was answered already")

    def _answering(self, serializer_id: int) -> Serializer | None:
        """Return what an answer is written with, if we write that at all."""
        serializer = self._serializers.get(serializer_id)
        return serializer or self._usable.get(serializer_id)

    def _accepted(self, serializer_id: int) -> Serializer:
        """Return the serializer of a request, if requests may be made with it.

        Raises:
            RemoteProtocolError: it does not exist, or may not be used.
        """
        serializer = self._serializers.get(serializer_id)
        name = serializer.name if serializer else PICKLED_NAMES.get(serializer_id)
        if name is None:
            known = ", ".join(f"{one.id}={name}" for name, one in serializers.items())
            raise RemoteProtocolError(
                f"unknown serializer id {serializer_id}; known: {known}"
            )
        if serializer_id not in self._settings.accepted_serializers:
            raise RemoteProtocolError(
                f"serializer {name!r} is not accepted here; the server can "
                "allow it with the configuration item SERIALIZERS_ACCEPTED"
            )
        if serializer is None:
            return opted_in(name)
        if serializer_id == _NATIVE_ID and NATIVE not in self.capabilities:
            raise RemoteProtocolError(
                "the native serializer was not agreed on for this connection"
            )
        return serializer

    def _takes_another(self, frame: Frame) -> bool:
        """Whether the caller may have this call in flight besides the others."""
        return bool(frame.flags & FLAG_ONEWAY) or (
            frame.sequence not in self._running
            and len(self._running) < self._most_running
        )

    def _take_request(self, frame: Frame) -> None:
        """Take in a request where calls are counted."""
        if not frame.flags & FLAG_ONEWAY:
            if not self._takes_another(frame):
                raise RemoteProtocolError(
                    f"request {frame.sequence} is in flight already"
                    if frame.sequence in self._running
                    else f"more than {self._most_running} requests are in flight"
                )
            self._running.add(frame.sequence)
        if frame.annotations and DEADLINE in self.capabilities and type(frame) is Frame:
            try:
                decode_deadline(frame.annotations)
            except RemoteProtocolError as error:
                frame = RefusedRequest.of(frame, error)
        self._events.append(frame)

    def _take_cancel(self, frame: Frame) -> None:
        # One that is not running was answered while this was under way.
        if frame.sequence in self._running:
            self._signals.append(CallCancelled(frame.sequence))


def _read_blob(frame: Frame, serializer: Serializer) -> Call:
    routing = frame.annotations.get(BLOB_ANNOTATION)
    if routing is None:
        raise RemoteProtocolError(
            f"a serialized blob needs its annotation {BLOB_ANNOTATION}"
        )
    value = read_simple(routing)
    if not (
        isinstance(value, tuple)
        and len(value) == 3  # noqa: PLR2004 - info, object id, method
        and isinstance(value[1], str)
        and isinstance(value[2], str)
    ):
        raise RemoteProtocolError(
            f"annotation {BLOB_ANNOTATION} must hold info, object id and method"
        )
    info, object_id, method = value
    blob = SerializedBlob(info, frame.payload, serializer)
    return Call(object_id, method, (blob,), None)
