"""The server's end of a conversation: what a client may send, and what it gets."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from ..dispatch import Call, StreamStarted
from ..errors import (
    LocalProtocolError,
    MessageTooLargeError,
    ProtocolError,
    PyroError,
    RemoteProtocolError,
    SerializeError,
)
from ..references import SerializedBlob
from ..serializers import Serializer, serializers
from ..serializers.exceptions import ExceptionWrapper
from ..serializers.marshal_reader import read_simple, write_simple
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
    Buffer,
    Decoder,
    Frame,
    FrameError,
    MessageType,
    Payload,
    encode_frame,
    encode_plain_frame,
)
from ..wire.logged import LoggedDecoder, encode_logged_frame
from .capabilities import (
    NATIVE,
    SUPPORTED_CAPABILITIES,
    agreed_capabilities,
    with_capabilities,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .settings import SessionSettings

__all__ = ["ConnectRequest", "ServerSession", "ServerState"]

_logger = logging.getLogger("pyro.session")

_CONNECT: Final = int(MessageType.CONNECT)
_CONNECTOK: Final = int(MessageType.CONNECTOK)
_CONNECTFAIL: Final = int(MessageType.CONNECTFAIL)
_INVOKE: Final = int(MessageType.INVOKE)
_RESULT: Final = int(MessageType.RESULT)
_PING: Final = int(MessageType.PING)

_STREAM_ANNOTATION: Final = "STRM"
_BLOB_ANNOTATION: Final = "BLBI"
_SERPENT: Final = serializers["serpent"]
_MARSHAL_ID: Final = serializers["marshal"].id
_NATIVE_ID: Final = serializers["native"].id
# What `Call` does with its arguments, without the call in between.
_new_call = tuple.__new__
_UNUSUAL: Final = FLAG_COMPRESSED | FLAG_KEEPSERIALIZED
_BEFORE: Final = frozenset({MessageType.CONNECT})
_AFTER: Final = frozenset({MessageType.INVOKE, MessageType.PING})


class ServerState(Enum):
    """Where a conversation stands, seen from the server."""

    AWAITING_CONNECT = "awaiting connect"
    VALIDATING = "validating"
    OPEN = "open"
    CLOSING = "closing"


# Which states may follow which; nothing leads out of CLOSING.
_TRANSITIONS: Final = {
    ServerState.AWAITING_CONNECT: {ServerState.VALIDATING, ServerState.CLOSING},
    ServerState.VALIDATING: {ServerState.OPEN, ServerState.CLOSING},
    ServerState.OPEN: {ServerState.CLOSING},
    ServerState.CLOSING: {ServerState.CLOSING},
}


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """A client wants to connect; answer with `send_accept` or `send_refusal`.

    Attributes:
        frame: the message.
        object_id: the object it asks about.
        handshake: the value for the program's own check.
        capabilities: what is in force if the client is accepted.
    """

    frame: Frame
    object_id: str
    handshake: Any
    capabilities: frozenset[str] = field(default=frozenset())


ServerEvent = ConnectRequest | Frame


class ServerSession:
    """The server's end of one connection.

    Give it what arrives with `receive_data`, take requests from
    `events_received`, answer them with the ``send_*`` methods, and write what
    `data_to_send` returns. When ``closing`` is true, close the connection after
    writing. An answer may make further requests available that had been
    received before it.

    Args:
        settings: limits and choices.
        capabilities: the capabilities to agree to.
        connected: whether the conversation begins without a handshake, on a
            socket that the program has connected itself.
    """

    __slots__ = (
        "_decoder",
        "_encode",
        "_events",
        "_offered",
        "_out",
        "_plain",
        "_serializers",
        "_settings",
        "_state",
        "_usable",
        "capabilities",
        "closing",
        "error",
    )

    def __init__(
        self,
        settings: SessionSettings,
        *,
        capabilities: frozenset[str] = SUPPORTED_CAPABILITIES,
        connected: bool = False,
    ) -> None:
        self._settings = settings
        self._plain = settings.plain
        self._serializers = settings.serializers
        self._offered = capabilities
        self._state = ServerState.OPEN if connected else ServerState.AWAITING_CONNECT
        decoder = LoggedDecoder if settings.log_wire else Decoder
        self._encode = encode_logged_frame if settings.log_wire else encode_frame
        self._decoder = decoder(
            settings.max_message_size if connected else settings.handshake_message_size,
            settings.max_annotations,
            _AFTER if connected else _BEFORE,
            max_annotations_size=settings.max_annotations_size,
            max_inflate_ratio=settings.max_inflate_ratio,
        )
        # Inflating takes time, which only the one who handles the request may take.
        self._decoder.inflates = not connected
        self._events: list[ServerEvent] = []
        self._out: list[Buffer] = []
        # The serializers that requests have been made with, once checked.
        self._usable: dict[int, Serializer] = {}
        self.capabilities: frozenset[str] = frozenset()
        self.closing: bool = False
        self.error: str | None = None

    @property
    def state(self) -> ServerState:
        """Where the conversation stands."""
        return self._state

    @property
    def missing(self) -> int:
        """How many bytes the message being received still needs; 0 if none is."""
        return self._decoder.missing if self._decoder.buffered else 0

    @property
    def space(self) -> memoryview | None:
        """Where the next bytes belong, in the midst of a large message, else None."""
        return self._decoder.space

    def only_request(self, data: bytes) -> Frame | None:
        """Return the request that ``data`` is, if it is exactly one.

        That is the usual case, and this the short way for it. With anything else
        None is returned and nothing has happened: use `receive_data`.
        """
        if self._state is ServerState.OPEN and not self._events:
            return self._decoder.only_frame(data)
        return None

    def receive_data(self, data: bytes) -> None:
        """Take in bytes from the client."""
        self._decoder.receive_data(data)
        self._decode()

    def receive_written(self, count: int) -> None:
        """Take in ``count`` bytes that were written into `space`."""
        self._decoder.receive_written(count)
        self._decode()

    def receive_eof(self) -> None:
        """Take notice that the client will send nothing more."""
        if self._state is not ServerState.CLOSING and self._decoder.buffered:
            self.error = "the client left in the middle of a message"
        self._move(ServerState.CLOSING)

    def events_received(self) -> list[ServerEvent]:
        """Return the requests that have arrived since the last call."""
        events = self._events
        if events:
            self._events = []
        return events

    def data_to_send(self) -> list[Buffer]:
        """Return the buffers to write, in order, since the last call."""
        out = self._out
        if out:
            self._out = []
        return out

    def _move(self, state: ServerState) -> None:
        if state not in _TRANSITIONS[self._state]:
            raise LocalProtocolError(
                f"a conversation cannot go from {self._state.value} to {state.value}"
            )
        self._state = state
        self.closing = state is ServerState.CLOSING

    def _decode(self) -> None:
        next_frame = self._decoder.next_frame
        while self._state is ServerState.OPEN:
            try:
                frame = next_frame()
            except FrameError as error:
                self._malformed(error)
                continue
            if frame is None:
                return
            self._events.append(frame)
        if self._state is ServerState.AWAITING_CONNECT:
            try:
                frame = next_frame()
                if frame is not None:
                    self._connect(frame)
            except FrameError as error:
                self._refuse(None, str(error.error))

    def _malformed(self, failure: FrameError) -> None:
        """Answer a message that cannot be understood, as far as that is possible."""
        error, frame = failure.error, failure.frame
        self.error = str(error)
        if frame is not None and frame.kind == _INVOKE:
            self.send_exception(frame, error)
        if failure.fatal:
            self._move(ServerState.CLOSING)
        else:
            _logger.warning("a request was refused: %s", error)

    def _connect(self, frame: Frame) -> None:
        """Check a CONNECT and hand it on, or refuse it."""
        self._move(ServerState.VALIDATING)
        if frame.serializer_id in PICKLED_NAMES:
            # Nobody's code runs here before its client has been admitted.
            self._refuse(
                frame,
                "a handshake cannot be made with serializer "
                f"{PICKLED_NAMES[frame.serializer_id]!r}; use serpent",
            )
            return
        try:
            serializer = self._accepted(frame.serializer_id)
            value = serializer.loads(frame.payload)
        except PyroError as error:
            self._refuse(frame, str(error))
            return
        if not (
            isinstance(value, dict)
            and "handshake" in value
            and isinstance(value.get("object"), str)
        ):
            self._refuse(frame, "invalid connect message: needs handshake and object")
            return
        agreed = agreed_capabilities(self._offered, frame.annotations)
        self._events.append(
            ConnectRequest(frame, value["object"], value["handshake"], agreed)
        )

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

    def send_accept(
        self,
        request: ConnectRequest,
        handshake: object,
        metadata: Mapping[str, object],
        annotations: Annotations = NO_ANNOTATIONS,
    ) -> None:
        """Admit the client.

        Args:
            request: the request being answered.
            handshake: the value for the client's own check.
            metadata: what the object offers, see `Members.metadata`.
            annotations: data to send along.

        Raises:
            PyroError: the answer cannot be sent; refuse the client instead.
        """
        if self._state is not ServerState.VALIDATING:
            raise LocalProtocolError(
                f"a client cannot be admitted when the state is {self._state.value!r}"
            )
        frame = request.frame
        serializer = self._serializers[frame.serializer_id]
        payload = serializer.dumps({"handshake": handshake, "meta": dict(metadata)})
        if request.capabilities:
            annotations = with_capabilities(annotations, request.capabilities)
        self._queue(_CONNECTOK, frame, payload, 0, annotations, frame.correlation_id)
        self._move(ServerState.OPEN)
        self.capabilities = request.capabilities
        self._decoder.max_size = self._settings.max_message_size
        self._decoder.accepted = _AFTER
        self._decoder.splits = NATIVE in self.capabilities
        self._decoder.inflates = False
        self._decode()

    def send_refusal(
        self,
        request: ConnectRequest,
        reason: str,
        annotations: Annotations = NO_ANNOTATIONS,
    ) -> None:
        """Turn the client away, saying why."""
        self._refuse(request.frame, reason, annotations)

    def _refuse(
        self,
        frame: Frame | None,
        reason: str,
        annotations: Annotations = NO_ANNOTATIONS,
    ) -> None:
        reason = _sendable(reason)
        self.error = f"refused: {reason}"
        known = frame is not None and frame.serializer_id in self._serializers
        if frame is None or not known or frame.serializer_id == _MARSHAL_ID:
            # What Pyro5 uses where it does not know better; a text needs no more.
            correlation = None if frame is None else frame.correlation_id
            sequence = 0 if frame is None else frame.sequence
            frame = Frame(
                _CONNECT, _MARSHAL_ID, 0, sequence, b"", correlation_id=correlation
            )
            payload = write_simple(reason)
        else:
            payload = self._serializers[frame.serializer_id].dumps(reason)
        correlation = frame.correlation_id
        for extra in (annotations, NO_ANNOTATIONS):
            try:
                self._queue(_CONNECTFAIL, frame, payload, 0, extra, correlation)
            except ProtocolError as error:
                _logger.warning("a refusal could not be sent: %s", error)
            else:
                break
        self._move(ServerState.CLOSING)

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
            frame = self._decoder.inflate(frame)
            if flags & FLAG_KEEPSERIALIZED:
                return self._read_blob(frame, serializer)
            payload = frame.payload
        object_id, method, args, kwargs = serializer.loads_call(payload)
        return _new_call(
            Call, (object_id, method, args, kwargs, bool(flags & FLAG_BATCH))
        )

    def _read_blob(self, frame: Frame, serializer: Serializer) -> Call:
        routing = frame.annotations.get(_BLOB_ANNOTATION)
        if routing is None:
            raise RemoteProtocolError(
                f"a serialized blob needs its annotation {_BLOB_ANNOTATION}"
            )
        value = read_simple(routing)
        if not (
            isinstance(value, tuple)
            and len(value) == 3  # noqa: PLR2004 - info, object id, method
            and isinstance(value[1], str)
            and isinstance(value[2], str)
        ):
            raise RemoteProtocolError(
                f"annotation {_BLOB_ANNOTATION} must hold info, object id and method"
            )
        info, object_id, method = value
        blob = SerializedBlob(info, frame.payload, serializer)
        return Call(object_id, method, (blob,), None)

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
        if type(value) is StreamStarted:
            self._send_stream(request, value, annotations, correlation_id)
            return
        _kind, serializer_id, flags, sequence, _payload, _annotations, _id = request
        try:
            serializer = self._serializers[serializer_id]
        except KeyError:
            serializer = self._usable[serializer_id]
        flags &= FLAG_BATCH
        payload: Payload
        if flags and isinstance(value, list):
            payload = _dump_batch(serializer, value)
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
            self._out.append(
                encode_plain_frame(_RESULT, serializer_id, flags, sequence, payload)
            )
            return
        settings = self._settings
        self._out += self._encode(
            _RESULT,
            serializer_id,
            flags,
            sequence,
            payload,
            annotations,
            correlation_id,
            compress=settings.compress,
            max_size=settings.max_message_size,
        )

    def _send_stream(
        self,
        request: Frame,
        stream: StreamStarted,
        annotations: Annotations,
        correlation_id: bytes | None,
    ) -> None:
        # The payload is for clients that know nothing of streams.
        text = "result of call is an iterator"
        if stream.stream_id is None:
            text += ", and this server does not stream (ITER_STREAMING is off)"
        else:
            identifier = stream.stream_id.encode("ascii")
            annotations = {**annotations, _STREAM_ANNOTATION: identifier}
        serializer = self._answering(request.serializer_id) or _SERPENT
        payload = serializer.dumps(ProtocolError(text))
        flags = FLAG_EXCEPTION | FLAG_STREAM
        self._queue(_RESULT, request, payload, flags, annotations, correlation_id)

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
        """
        if request.flags & FLAG_ONEWAY:
            return
        serializer = self._answering(request.serializer_id)
        if serializer is None or (
            serializer.id == _NATIVE_ID and NATIVE not in self.capabilities
        ):
            # The peer's own choice is of no use, and serpent is what every Pyro reads.
            serializer = _SERPENT
        for answer, extra in (
            (error, annotations),
            (error, NO_ANNOTATIONS),
            (None, NO_ANNOTATIONS),
        ):
            try:
                payload = serializer.dumps(
                    _substitute(error) if answer is None else answer
                )
                self._out += self._encode(
                    _RESULT,
                    serializer.id,
                    FLAG_EXCEPTION,
                    request.sequence,
                    payload,
                    extra,
                    correlation_id or request.correlation_id,
                    compress=self._settings.compress,
                    max_size=self._settings.max_message_size,
                )
            except PyroError as failure:
                _logger.warning(
                    "an exception of type %s could not be sent: %s",
                    type(error),
                    failure,
                )
            else:
                return
        self.error = "no answer could be sent"
        self._move(ServerState.CLOSING)

    def _answering(self, serializer_id: int) -> Serializer | None:
        """Return what an answer is written with, if we write that at all."""
        serializer = self._serializers.get(serializer_id)
        return serializer or self._usable.get(serializer_id)

    def send_pong(
        self, request: Frame, annotations: Annotations = NO_ANNOTATIONS
    ) -> None:
        """Answer a PING."""
        self._queue(_PING, request, b"pong", 0, annotations, request.correlation_id)

    def _queue(
        self,
        kind: int,
        request: Frame,
        payload: bytes,
        flags: int,
        annotations: Annotations,
        correlation_id: bytes | None,
    ) -> None:
        self._out += self._encode(
            kind,
            request.serializer_id,
            flags,
            request.sequence,
            payload,
            annotations,
            correlation_id,
            compress=self._settings.compress and kind != _PING,
            max_size=self._settings.max_message_size,
        )


def _dump_batch(serializer: Serializer, results: list[Any]) -> bytes:
    """Encode the results of a batch; one that cannot be becomes an exception."""
    try:
        return serializer.dumps(results)
    except SerializeError:
        return serializer.dumps([_encodable(serializer, one) for one in results])


def _encodable(serializer: Serializer, value: Any) -> Any:
    try:
        serializer.dumps(value)
    except SerializeError as error:
        if isinstance(value, ExceptionWrapper):
            return ExceptionWrapper(_substitute(value.exception))
        return ExceptionWrapper(error)
    return value


def _substitute(error: BaseException) -> PyroError:
    """Tell of an exception that cannot be sent itself."""
    reason = (
        "it is too large"
        if isinstance(error, MessageTooLargeError)
        else "see the server"
    )
    text = f"{type(error).__module__}.{type(error).__qualname__}: {_text(error)}"
    result = PyroError(
        f"exception could not be sent as it is ({reason}): {text[:2000]}"
    )
    lines = getattr(error, "_pyroTraceback", [])
    result._pyroTraceback = [_sendable(str(line)[:2000]) for line in lines[:50]]  # type: ignore[attr-defined] # documented
    return result


def _text(error: BaseException) -> str:
    try:
        return _sendable(str(error))
    except Exception as failure:  # noqa: BLE001 - an exception may fail to give a text
        return f"<its text failed with {type(failure).__name__}>"


def _sendable(text: str) -> str:
    """Return a text that every serializer can encode."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
