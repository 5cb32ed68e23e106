"""The client's end of a conversation."""

from __future__ import annotations

import struct
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from ..dispatch.lease_keys import LEASE_KEY_ID
from ..errors import (
    CommunicationError,
    ConnectionClosedError,
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
    SecurityError,
    SerializeError,
)
from ..frozen import Frozen, NamedTuple
from ..serializers import Serializer, serializers
from ..serializers.marshal_reader import read_simple
from ..serializers.opt_in import PICKLED_NAMES
from ..wire import NO_ANNOTATIONS, Annotations, Frame, FrameError, MessageType
from ..wire.frame import FLAG_CORRELATION, HEADER_SIZE, JOIN_BELOW, MAGIC, PREFIX
from .capabilities import (
    DEFAULT_CAPABILITIES,
    HEARTBEAT,
    agree,
    encode_capabilities,
    with_capabilities,
    without_capabilities,
)
from .handshakes import (
    is_usual_answer,
    keep,
    read_accept,
    usual_connect,
    without_key,
    write_connect,
)
from .peer import Peer
from .short_messages import ANSWER, NO_MORE, split_header

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .capabilities import Agreement
    from .settings import SessionSettings

__all__ = ["ClientSession", "ClientState", "ConnectAccepted", "ConnectRefused"]

_CONNECT: Final = int(MessageType.CONNECT)
_CONNECTFAIL: Final = int(MessageType.CONNECTFAIL)
_RESULT: Final = int(MessageType.RESULT)
_PING: Final = int(MessageType.PING)
_MARSHAL_ID: Final = serializers["marshal"].id
_NATIVE_ID: Final = serializers["native"].id
_DURING_HANDSHAKE: Final = frozenset({MessageType.CONNECTOK, MessageType.CONNECTFAIL})
_WHEN_OPEN: Final = frozenset({MessageType.RESULT, MessageType.PING})
_SEQUENCE_MASK: Final = 0xFFFF
# The header of a message in the native format without flags, as few numbers: all up to
# the serializer, flags and sequence number, both lengths, and the end.
_QUICK_HEADER: Final = struct.Struct("!QIQ18xH")
# The same with a correlation id.
_CORRELATED_HEADER: Final = struct.Struct("!QIQ16s2xH")
_QUICK_CALL: Final = int.from_bytes(PREFIX + bytes((MessageType.INVOKE, _NATIVE_ID)))
_pack_quick = _QUICK_HEADER.pack
_pack_correlated = _CORRELATED_HEADER.pack
_CORRELATED: Final = FLAG_CORRELATION << 16


class ClientState(Enum):
    """Where a conversation stands, seen from the client."""

    UNCONNECTED = "unconnected"
    CONNECTING = "connecting"
    OPEN = "open"
    CLOSED = "closed"


# To look them up in their class each time takes long.
_UNCONNECTED: Final = ClientState.UNCONNECTED
_CONNECTING: Final = ClientState.CONNECTING
_OPEN: Final = ClientState.OPEN
_CLOSED: Final = ClientState.CLOSED


class ConnectAccepted(NamedTuple):
    """The server has admitted us.

    Attributes:
        handshake: the server's value for the program's own check.
        methods: names of the methods of the object.
        oneway: names of those whose callers do not wait.
        attributes: names of the attributes.
        annotations: what the server sent along.
        lease_key: what references to leased objects name this connection by; None if
            the server does not take them back.
    """

    handshake: Any
    methods: frozenset[str]
    oneway: frozenset[str]
    attributes: frozenset[str]
    annotations: Annotations
    lease_key: str | None = None


class ConnectRefused(Frozen):
    """The server has turned us away.

    Attributes:
        reason: its words.
    """

    reason: str


ClientEvent = ConnectAccepted | ConnectRefused | Frame


class ClientSession(Peer):
    """The client's end of one connection.

    Call `send_connect` first (unless the conversation begins connected), then
    the other ``send_*`` methods; write what `data_to_send` returns, give what
    arrives to `receive_data`, and take the answers from `events_received`: a
    `Frame` is the answer to the request with the same sequence number; where
    ``callbacks`` is in force it is a request of the server if its type is INVOKE.
    Where more than ``native`` is in force, act on what `signals_received` returns
    before anything else.

    Args:
        settings: limits and choices.
        capabilities: the capabilities to offer.
        sequence: the sequence number last used.
        connected: whether the conversation begins without a handshake, on a
            socket that the program has connected itself.
    """

    __slots__ = ("_answer", "_connect_flags", "_serializer", "_state")

    def __init__(
        self,
        settings: SessionSettings,
        *,
        capabilities: Iterable[str] = DEFAULT_CAPABILITIES,
        sequence: int = 0,
        connected: bool = False,
    ) -> None:
        super().__init__(
            settings,
            capabilities,
            _WHEN_OPEN if connected else _DURING_HANDSHAKE,
            max_size=settings.max_message_size,
            sequence=sequence,
        )
        self._expected = set()
        self._state = _OPEN if connected else _UNCONNECTED
        self._may_call = connected
        self._connect_flags = 0
        # What has come in the handshake, if it is whole and may be known again.
        self._answer: bytes | None = None
        # What the handshake is written with.
        self._serializer: Serializer = serializers["serpent"]

    @property
    def state(self) -> ClientState:
        """Where the conversation stands."""
        return self._state

    def begin_in_pyro4(self) -> None:
        """Speak protocol 48, that of Pyro4; to be called before anything else.

        Raises:
            LocalProtocolError: the settings do not allow it, or the conversation has
                begun already.
        """
        from ..pyro4 import FLAG_METADATA  # noqa: PLC0415 - few programs need it

        settings = self._settings.pyro4_servers
        if settings is None or self._state is not _UNCONNECTED:
            raise LocalProtocolError(
                "this conversation cannot be held in Pyro4's protocol; see "
                "PYRO4_SERVERS, which has to be on before it begins"
            )
        self._turn_to_pyro4(settings, _DURING_HANDSHAKE)
        self._connect_flags = FLAG_METADATA

    @property
    def has_met_pyro4(self) -> bool:
        """Whether the server has shown that it speaks protocol 48, and we may.

        The conversation is over then. Begin another with `begin_in_pyro4`.
        """
        if (
            self._settings.pyro4_servers is None
            or self._connect_flags
            or self._state is not _CLOSED
        ):
            return False
        from ..pyro4 import PYRO4_PREFIX  # noqa: PLC0415 - few programs need it

        return self._decoder.take().startswith(PYRO4_PREFIX)

    def limited(self, serializer: Serializer) -> Serializer:
        """Return the serializer of the same format that keeps to our limits."""
        if self._connect_flags and serializer.id in PICKLED_NAMES:
            # The program has chosen it: nothing else of its family is read.
            from ..pyro4.pickled import pyro4_pickled  # noqa: PLC0415 - see above

            chosen = pyro4_pickled(serializer.name)
            self._serializers = {**self._serializers, chosen.id: chosen}
            return chosen
        return super().limited(serializer)

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
        if self._state is not _UNCONNECTED:
            raise LocalProtocolError("the conversation has begun already")
        settings, offered = self._settings, self._offered
        message = None
        if (
            self._plain
            and not (self.sequence or annotations)
            and correlation_id is None
        ):
            own = encode_capabilities(offered, settings) if offered else b""
            message = usual_connect(serializer, object_id, handshake, own)
        if message is not None:
            self._out.append(message)
        else:
            self._queue(
                _CONNECT,
                serializer.id,
                self._connect_flags,
                self.sequence,
                write_connect(serializer, object_id, handshake),
                with_capabilities(annotations, offered, settings),
                correlation_id,
            )
        self._serializer = serializer
        self._state = _CONNECTING

    def send_ping(self) -> int:
        """Ask the server for a sign of life and return the sequence number.

        Without ``heartbeat`` the answer is an event, and several pings may be under
        way; with it see `Pinger`.

        Raises:
            LocalProtocolError: the conversation is not open.
        """
        if not self._may_call:
            raise LocalProtocolError("the conversation is not open")
        if HEARTBEAT in self.capabilities:
            return super().send_ping()
        sequence = (self.sequence + 1) & _SEQUENCE_MASK
        if self._routes:
            sequence = self._free_sequence(0)
        self.sequence = sequence
        self._queue(_PING, _MARSHAL_ID, 0, sequence, b"ping")
        self._expected.add(sequence)
        return sequence

    def expect(self, sequence: int) -> None:
        """Count a call that was sent by itself among those whose answers are due."""
        self._expected.add(sequence)

    def quick_request(
        self, payload: bytes, correlation_id: bytes | None = None
    ) -> int | None:
        """Queue a call among others in flight, and return its sequence number.

        A short way for many small calls. Where there is no room for another, or
        something is unusual, None is returned and nothing has happened: use
        `send_request`.

        Args:
            payload: the call in the native format, of less than ``JOIN_BELOW`` bytes.
            correlation_id: 16 bytes, or None.
        """
        expected = self._expected
        if not (self._may_call and self._plain and len(expected) < self._window):
            return None
        sequence = (self.sequence + 1) & _SEQUENCE_MASK
        while sequence in expected:
            sequence = (sequence + 1) & _SEQUENCE_MASK
        self.sequence: int = sequence
        expected.add(sequence)
        size = len(payload) << 32
        if correlation_id is None:
            head = _pack_quick(_QUICK_CALL, sequence, size, MAGIC)
        else:
            head = _pack_correlated(
                _QUICK_CALL, _CORRELATED | sequence, size, correlation_id, MAGIC
            )
        self._out.append(head + payload)
        return sequence

    def quick_requests(self, payloads: Sequence[bytes]) -> list[int]:
        """Queue calls like `quick_request`, as many as there is room for.

        Returns:
            The sequence numbers of the first ones; for the others nothing has happened.
        """
        sequences: list[int] = []
        if not (self._may_call and self._plain):
            return sequences
        expected, out = self._expected, self._out
        sequence = self.sequence
        room = max(0, self._window - len(expected))
        for payload in payloads[:room]:
            sequence = (sequence + 1) & _SEQUENCE_MASK
            while sequence in expected:
                sequence = (sequence + 1) & _SEQUENCE_MASK
            expected.add(sequence)
            sequences.append(sequence)
            size = len(payload) << 32
            out.append(_pack_quick(_QUICK_CALL, sequence, size, MAGIC) + payload)
        self.sequence = sequence
        return sequences

    @property
    def plain(self) -> bool:
        """Whether small messages need nothing but a header."""
        return self._plain

    def only_reply(self, data: bytes) -> Frame | None:
        """Return the answer that ``data`` is, if it is exactly one that is due.

        That is the usual case, and this the short way for it. With anything else
        None is returned and nothing has happened: use `receive_data`.
        """
        if self._state is not _OPEN or self._events:
            return None
        size = len(data) - HEADER_SIZE
        decoder = self._decoder
        if 0 < size < JOIN_BELOW and self._plain and self._routes:
            # A value in the native format, and nothing besides.
            beginning, sequence, payload_size, rest = split_header(data)
            if (
                beginning == ANSWER
                and payload_size == size
                and rest == NO_MORE
                and sequence in self._expected
                and not (self._argument_streams or decoder.buffered)
            ):
                self._expected.remove(sequence)
                return tuple.__new__(
                    Frame,
                    (
                        _RESULT, _NATIVE_ID, 0, sequence, data[HEADER_SIZE:],
                        NO_ANNOTATIONS, None,
                    ),
                )  # fmt: skip
        frame = decoder.only_frame(data)
        if frame is not None:
            if self._routes and (frame.kind != _RESULT or self._argument_streams):
                return None
            try:
                self._expected.remove(frame.sequence)
            except KeyError:
                self._close()
                raise _not_waiting(frame.sequence) from None
        return frame

    def receive_data(self, data: bytes) -> None:
        """Take in bytes from the server.

        Raises:
            ProtocolError: they break the protocol; the conversation is over.
        """
        if self._state is _CONNECTING and self._take_usual_answer(data):
            return
        self._decoder.receive_data(data)
        self._decode()

    def receive_written(self, count: int) -> None:
        """Take in ``count`` bytes that were written into `space`.

        Raises:
            ProtocolError: they break the protocol; the conversation is over.
        """
        self._answer = None
        self._decoder.receive_written(count)
        self._decode()

    def _decode(self) -> None:
        if self._state is _CLOSED:
            raise RemoteProtocolError("the server spoke after the conversation's end")
        try:
            if self._plain and self._routes and not self._argument_streams:
                for answer in self._decoder.frames_alike(_RESULT):
                    # What `_take_result` does with such as these.
                    self._expected.remove(answer.sequence)
                    self._events.append(answer)
            while (frame := self._next_frame()) is not None:
                if self._routes:
                    self._routes[frame.kind](self, frame)
                elif self._state is _OPEN:
                    self._expected.remove(frame.sequence)
                    self._events.append(frame)
                else:
                    self._answered(frame)
        except KeyError as error:
            self._close()
            raise _not_waiting(error.args[0]) from None
        except ProtocolError:
            self._close()
            raise
        except SecurityError as error:
            self._close()
            raise RemoteProtocolError(f"invalid handshake: {error}") from error

    def _next_frame(self) -> Frame | None:
        """Return the next frame, past requests that are to be refused alone."""
        while True:
            try:
                return self._decoder.next_frame()
            except FrameError as failure:
                if failure.fatal or not self._refused(failure):
                    raise failure.error from None

    def _close(self) -> None:
        self._state = _CLOSED
        self._may_call = False

    def _give_up(self, reason: str) -> None:
        self._note(reason)
        self._close()

    def _take_plain_ping(self, frame: Frame) -> None:
        self._take_result(frame)

    def receive_eof(self) -> None:
        """Take notice that the server has closed the connection.

        Raises:
            ConnectionClosedError: always; it says what was missing.
        """
        was = self._state
        self._close()
        if self._decoder.buffered:
            detail = "in the middle of a message"
        elif was is _CONNECTING:
            detail = "instead of answering the handshake"
        else:
            detail = "before it answered"
        raise ConnectionClosedError(f"the server closed the connection {detail}")

    def end(self) -> None:
        """Take notice that this side has ended the conversation."""
        self._state = _CLOSED
        self._may_call = False

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
        if self._state is not _CONNECTING:
            raise RemoteProtocolError("the server spoke before it was asked")
        if frame.kind == _CONNECTFAIL:
            self._close()
            reason = _refusal_text(frame, self._settings.serializers)
            self._events.append(ConnectRefused(reason))
            return
        serializer = self.limited(self._serializer)
        accepted = _accepted(frame, serializer)
        agreement = agree(self._offered, frame.annotations)
        self._admitted(accepted, agreement)
        answer, self._answer = self._answer, None
        if answer is not None and not self._decoder.buffered:
            rest, key = without_key(answer)
            if is_usual_answer(serializer, frame, key):
                known = (self._offered, serializer.id), rest
                kept = accepted._replace(lease_key=None), agreement
                keep(self._settings.usual_answers, known, kept)

    def _take_usual_answer(self, message: bytes) -> bool:
        """Take in the answer to CONNECT, if the same bytes have come before.

        Only the name of the connection is different each time.
        """
        settings = self._settings
        if not self._plain or self._decoder.buffered:
            self._answer = None
            return False
        rest, key = without_key(message)
        kept = settings.usual_answers.get(((self._offered, self._serializer.id), rest))
        if kept is None:
            # To be kept, if it is all of an answer that others may get, too.
            self._answer = message
            return False
        accepted, agreement = kept
        # What the class does, without a call in between.
        fields = *accepted[:-1], key
        self._admitted(tuple.__new__(ConnectAccepted, fields), agreement)
        return True

    def _admitted(self, accepted: ConnectAccepted, agreement: Agreement) -> None:
        """Begin to work with what was agreed on."""
        self._events.append(accepted)
        self._agreed(
            agreement,
            _WHEN_OPEN,
            calls=agreement.call_window,
            answers=self._settings.max_in_flight,
        )
        self._state = _OPEN
        self._may_call = True


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
    offer = read_accept(serializer, frame.payload)
    key = frame.annotations.get(LEASE_KEY_ID)
    annotations = without_capabilities(frame.annotations)
    return ConnectAccepted(
        *offer, annotations, None if key is None else str(key, "latin-1")
    )
