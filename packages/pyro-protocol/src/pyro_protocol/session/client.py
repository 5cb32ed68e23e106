"""The client's end of a conversation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from ..errors import (
    CommunicationError,
    ConnectionClosedError,
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
    SecurityError,
    SerializeError,
)
from ..serializers import Serializer, serializers
from ..serializers.marshal_reader import read_simple
from ..wire import (
    FLAG_ONEWAY,
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
    without_capabilities,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .settings import SessionSettings

__all__ = ["ClientSession", "ClientState", "ConnectAccepted", "ConnectRefused"]

_CONNECT: Final = int(MessageType.CONNECT)
_CONNECTFAIL: Final = int(MessageType.CONNECTFAIL)
_INVOKE: Final = int(MessageType.INVOKE)
_PING: Final = int(MessageType.PING)
_MARSHAL_ID: Final = serializers["marshal"].id
_DURING_HANDSHAKE: Final = frozenset({MessageType.CONNECTOK, MessageType.CONNECTFAIL})
_WHEN_OPEN: Final = frozenset({MessageType.RESULT, MessageType.PING})
_SEQUENCE_MASK: Final = 0xFFFF


class ClientState(Enum):
    """Where a conversation stands, seen from the client."""

    UNCONNECTED = "unconnected"
    CONNECTING = "connecting"
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class ConnectAccepted:
    """The server has admitted us.

    Attributes:
        handshake: the server's value for the program's own check.
        methods: names of the methods of the object.
        oneway: names of those whose callers do not wait.
        attributes: names of the attributes.
        annotations: what the server sent along.
    """

    handshake: Any
    methods: frozenset[str]
    oneway: frozenset[str]
    attributes: frozenset[str]
    annotations: Annotations


@dataclass(frozen=True, slots=True)
class ConnectRefused:
    """The server has turned us away.

    Attributes:
        reason: its words.
    """

    reason: str


ClientEvent = ConnectAccepted | ConnectRefused | Frame


class ClientSession:
    """The client's end of one connection.

    Call `send_connect` first (unless the conversation begins connected), then
    the other ``send_*`` methods; write what `data_to_send` returns, give what
    arrives to `receive_data`, and take the answers from `events_received`: a
    `Frame` is the answer to the request with the same sequence number.

    Args:
        settings: limits and choices.
        capabilities: the capabilities to offer.
        sequence: the sequence number last used.
        connected: whether the conversation begins without a handshake, on a
            socket that the program has connected itself.
    """

    __slots__ = (
        "_decoder",
        "_encode",
        "_events",
        "_expected",
        "_offered",
        "_out",
        "_plain",
        "_serializer",
        "_settings",
        "_state",
        "capabilities",
        "sequence",
    )

    def __init__(
        self,
        settings: SessionSettings,
        *,
        capabilities: Iterable[str] = SUPPORTED_CAPABILITIES,
        sequence: int = 0,
        connected: bool = False,
    ) -> None:
        self._settings = settings
        self._plain = settings.plain
        self._offered = frozenset(capabilities)
        self._state = ClientState.OPEN if connected else ClientState.UNCONNECTED
        decoder = LoggedDecoder if settings.log_wire else Decoder
        self._encode = encode_logged_frame if settings.log_wire else encode_frame
        self._decoder = decoder(
            settings.max_message_size,
            settings.max_annotations,
            _WHEN_OPEN if connected else _DURING_HANDSHAKE,
            max_annotations_size=settings.max_annotations_size,
            max_inflate_ratio=settings.max_inflate_ratio,
        )
        self._events: list[ClientEvent] = []
        self._out: list[Buffer] = []
        # What the handshake is written with.
        self._serializer: Serializer = serializers["serpent"]
        # Sequence numbers of the requests that have no answer yet.
        self._expected: set[int] = set()
        self.sequence: int = sequence
        self.capabilities: frozenset[str] = frozenset()

    @property
    def state(self) -> ClientState:
        """Where the conversation stands."""
        return self._state

    @property
    def native(self) -> bool:
        """Whether the native serializer is in force."""
        return NATIVE in self.capabilities

    @property
    def compresses(self) -> bool:
        """Whether payloads are compressed, so that nothing should stand apart."""
        return self._settings.compress

    @property
    def serializers(self) -> Mapping[int, Serializer]:
        """What reads the answers, by id."""
        return self._settings.serializers

    def limited(self, serializer: Serializer) -> Serializer:
        """Return the serializer of the same format that keeps to our limits."""
        return self._settings.limited(serializer)

    @property
    def missing(self) -> int:
        """How many bytes the message being received still needs; 0 if none is."""
        return self._decoder.missing if self._decoder.buffered else 0

    @property
    def space(self) -> memoryview | None:
        """Where the next bytes belong, in the midst of a large message, else None."""
        return self._decoder.space

    def send_connect(
        self,
        serializer: Serializer,
        object_id: str,
        handshake: object,
        annotations: Annotations = NO_ANNOTATIONS,
        correlation_id: bytes | None = None,
    ) -> None:
        """Begin the conversation.

        Args:
            serializer: what the handshake is written with.
            object_id: the object whose metadata is wanted.
            handshake: the value for the server's own check.
            annotations: data to send along.
            correlation_id: 16 bytes, or None.

        Raises:
            LocalProtocolError: the conversation has begun already.
            SerializeError: the handshake value cannot be encoded.
        """
        if self._state is not ClientState.UNCONNECTED:
            raise LocalProtocolError("the conversation has begun already")
        payload = serializer.dumps({"handshake": handshake, "object": object_id})
        self._out += self._encode(
            _CONNECT,
            serializer.id,
            0,
            self.sequence,
            payload,
            with_capabilities(annotations, self._offered),
            correlation_id,
            compress=self._settings.compress,
            max_size=self._settings.max_message_size,
        )
        self._serializer = serializer
        self._state = ClientState.CONNECTING

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

        Raises:
            LocalProtocolError: the conversation is not open.
            SerializeError: the arguments cannot be encoded.
            MessageTooLargeError: the message is larger than the limit.
        """
        payload: Payload
        if self._settings.compress:
            payload = serializer.dumps_call(object_id, method, args, kwargs)
        else:
            payload = serializer.encode_call(object_id, method, args, kwargs)
        return self.send_request(
            serializer.id, payload, flags, annotations, correlation_id
        )

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
        if self._state is not ClientState.OPEN:
            raise LocalProtocolError("the conversation is not open")
        sequence = (self.sequence + 1) & _SEQUENCE_MASK
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

    def send_ping(self) -> int:
        """Ask the server for a sign of life and return the sequence number."""
        if self._state is not ClientState.OPEN:
            raise LocalProtocolError("the conversation is not open")
        sequence = self.sequence = (self.sequence + 1) & _SEQUENCE_MASK
        self._out += self._encode(_PING, _MARSHAL_ID, 0, sequence, b"ping")
        self._expected.add(sequence)
        return sequence

    def data_to_send(self) -> list[Buffer]:
        """Return the buffers to write, in order, since the last call."""
        out = self._out
        if out:
            self._out = []
        return out

    def only_reply(self, data: bytes) -> Frame | None:
        """Return the answer that ``data`` is, if it is exactly one that is due.

        That is the usual case, and this the short way for it. With anything else
        None is returned and nothing has happened: use `receive_data`.
        """
        if self._state is not ClientState.OPEN or self._events:
            return None
        frame = self._decoder.only_frame(data)
        if frame is not None:
            try:
                self._expected.remove(frame.sequence)
            except KeyError:
                self._state = ClientState.CLOSED
                raise _not_waiting(frame.sequence) from None
        return frame

    def receive_data(self, data: bytes) -> None:
        """Take in bytes from the server.

        Raises:
            ProtocolError: they break the protocol; the conversation is over.
        """
        self._decoder.receive_data(data)
        self._decode()

    def receive_written(self, count: int) -> None:
        """Take in ``count`` bytes that were written into `space`.

        Raises:
            ProtocolError: they break the protocol; the conversation is over.
        """
        self._decoder.receive_written(count)
        self._decode()

    def _decode(self) -> None:
        try:
            while (frame := self._decoder.next_frame()) is not None:
                if self._state is ClientState.OPEN:
                    self._expected.remove(frame.sequence)
                    self._events.append(frame)
                else:
                    self._answered(frame)
        except KeyError as error:
            self._state = ClientState.CLOSED
            raise _not_waiting(error.args[0]) from None
        except FrameError as error:
            self._state = ClientState.CLOSED
            raise error.error from None
        except ProtocolError:
            self._state = ClientState.CLOSED
            raise
        except SecurityError as error:
            self._state = ClientState.CLOSED
            raise RemoteProtocolError(f"invalid handshake: {error}") from error

    def receive_eof(self) -> None:
        """Take notice that the server has closed the connection.

        Raises:
            ConnectionClosedError: always; it says what was missing.
        """
        was, self._state = self._state, ClientState.CLOSED
        if self._decoder.buffered:
            detail = "in the middle of a message"
        elif was is ClientState.CONNECTING:
            detail = "instead of answering the handshake"
        else:
            detail = "before it answered"
        raise ConnectionClosedError(f"the server closed the connection {detail}")

    def ends_connection(self, error: BaseException) -> bool:
        """Whether the server closes the connection after it has sent an exception.

        Pyro5 does so after its communication and security errors (spec: wire,
        section 20); our own family does not.
        """
        return not self.capabilities and isinstance(
            error, CommunicationError | SecurityError
        )

    def events_received(self) -> list[ClientEvent]:
        """Return the answers that have arrived since the last call."""
        events = self._events
        if events:
            self._events = []
        return events

    def _answered(self, frame: Frame) -> None:
        """Take in the answer to CONNECT."""
        if self._state is not ClientState.CONNECTING:
            raise RemoteProtocolError("the server spoke before it was asked")
        if frame.kind == _CONNECTFAIL:
            self._state = ClientState.CLOSED
            reason = _refusal_text(frame, self._settings.serializers)
            self._events.append(ConnectRefused(reason))
            return
        self._events.append(_accepted(frame, self.limited(self._serializer)))
        self.capabilities = agreed_capabilities(self._offered, frame.annotations)
        self._state = ClientState.OPEN
        self._decoder.accepted = _WHEN_OPEN
        self._decoder.splits = self.native


def _not_waiting(sequence: int) -> RemoteProtocolError:
    return RemoteProtocolError(
        f"the server answered request {sequence}, which is not waiting"
    )


def _refusal_text(frame: Frame, known: Mapping[int, Serializer]) -> str:
    """Read why the server refused; never with marshal's own, unsafe reader."""
    reason: object
    if frame.serializer_id == _MARSHAL_ID:
        reason = read_simple(bytes(frame.payload))
    else:
        serializer = known.get(frame.serializer_id)
        if serializer is None:
            raise SerializeError(
                f"the server refused in an unknown serializer ({frame.serializer_id})"
            )
        reason = serializer.loads(frame.payload)
    if not isinstance(reason, str):
        # To show it may fail, or take long: an integer can have a million digits.
        raise RemoteProtocolError("the server refused, and its reason is not a text")
    return reason


def _accepted(frame: Frame, serializer: Serializer) -> ConnectAccepted:
    if frame.serializer_id != serializer.id:
        # Any other would let the server choose what its bytes are read with.
        raise SerializeError(
            f"the server answered with serializer id {frame.serializer_id}, "
            f"the handshake was made with {serializer.id}"
        )
    value = serializer.loads(frame.payload)
    metadata = value.get("meta") if isinstance(value, dict) else None
    if not isinstance(metadata, dict) or "handshake" not in value:
        raise RemoteProtocolError("the server's handshake is incomplete")
    return ConnectAccepted(
        handshake=value["handshake"],
        methods=_names(metadata, "methods"),
        oneway=_names(metadata, "oneway"),
        attributes=_names(metadata, "attrs"),
        annotations=without_capabilities(frame.annotations),
    )


def _names(metadata: dict[str, Any], key: str) -> frozenset[str]:
    names = metadata.get(key)
    if not isinstance(names, list | tuple | set | frozenset) or not all(
        isinstance(name, str) for name in names
    ):
        raise RemoteProtocolError(f"the server's handshake has no usable {key!r}")
    return frozenset(names)
