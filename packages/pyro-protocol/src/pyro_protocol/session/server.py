"""The server's end of a conversation: what a client may send, and what it gets."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from ..dispatch.lease_keys import LEASE_KEY_ID
from ..errors import LocalProtocolError, ProtocolError, PyroError
from ..serializers import serializers
from ..serializers.marshal_reader import write_simple
from ..serializers.opt_in import PICKLED_NAMES
from ..wire import (
    FLAG_ONEWAY,
    NO_ANNOTATIONS,
    Annotations,
    Frame,
    FrameError,
    MessageType,
)
from .capabilities import (
    CALLBACKS,
    DEFAULT_CAPABILITIES,
    MULTIPLEX,
    NO_AGREEMENT,
    Agreement,
    agree,
    encode_capabilities,
    with_capabilities,
)
from .failures import sendable
from .handshakes import (
    is_usual_frame,
    keep,
    read_connect,
    usual_accept,
    write_accept,
)
from .peer import Peer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..serializers import Serializer
    from .settings import SessionSettings

__all__ = ["ConnectRequest", "ServerSession", "ServerState"]

_logger = logging.getLogger("pyro.session")

_CONNECT: Final = int(MessageType.CONNECT)
_CONNECTOK: Final = int(MessageType.CONNECTOK)
_CONNECTFAIL: Final = int(MessageType.CONNECTFAIL)
_INVOKE: Final = int(MessageType.INVOKE)
_PING: Final = int(MessageType.PING)

_MARSHAL_ID: Final = serializers["marshal"].id
_BEFORE: Final = frozenset({MessageType.CONNECT})
_ONLY_KEY: Final = {LEASE_KEY_ID}
_AFTER: Final = frozenset({MessageType.INVOKE, MessageType.PING})


class ServerState(Enum):
    """Where a conversation stands, seen from the server."""

    AWAITING_CONNECT = "awaiting connect"
    VALIDATING = "validating"
    OPEN = "open"
    CLOSING = "closing"


# To look them up in their class each time takes long.
_AWAITING_CONNECT: Final = ServerState.AWAITING_CONNECT
_VALIDATING: Final = ServerState.VALIDATING
_OPEN: Final = ServerState.OPEN
_CLOSING: Final = ServerState.CLOSING
# Which states may follow which; besides, CLOSING may follow each.
_STEPS: Final = (
    (_AWAITING_CONNECT, _VALIDATING),
    (_VALIDATING, _OPEN),
)


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """A client wants to connect; answer with `send_accept` or `send_refusal`.

    Attributes:
        frame: the message.
        object_id: the object it asks about.
        handshake: the value for the program's own check.
        agreement: what is in force if the client is accepted.
    """

    frame: Frame
    object_id: str
    handshake: Any
    agreement: Agreement = NO_AGREEMENT

    @property
    def capabilities(self) -> frozenset[str]:
        """The names of what is in force if the client is accepted."""
        return self.agreement.names


ServerEvent = ConnectRequest | Frame


class ServerSession(Peer):
    """The server's end of one connection.

    Give it what arrives with `receive_data`, take requests from
    `events_received`, answer them with the ``send_*`` methods, and write what
    `data_to_send` returns. When ``closing`` is true, close the connection after
    writing. An answer may make further requests available that had been
    received before it. Where more than ``native`` is in force, act on what
    `signals_received` returns before anything else.

    Args:
        settings: limits and choices.
        capabilities: the capabilities to agree to.
        connected: whether the conversation begins without a handshake, on a
            socket that the program has connected itself.
    """

    __slots__ = ("_in_pyro4", "_state", "closing")

    def __init__(
        self,
        settings: SessionSettings,
        *,
        capabilities: Iterable[str] = DEFAULT_CAPABILITIES,
        connected: bool = False,
    ) -> None:
        super().__init__(
            settings,
            capabilities,
            _AFTER if connected else _BEFORE,
            max_size=settings.max_message_size
            if connected
            else settings.handshake_message_size,
        )
        # Inflating takes time, which only the one who handles the request may take.
        self._decoder.inflates = not connected
        self._state = _OPEN if connected else _AWAITING_CONNECT
        self._in_pyro4 = False
        self.closing: bool = False

    @property
    def state(self) -> ServerState:
        """Where the conversation stands."""
        return self._state

    def only_request(self, data: bytes) -> Frame | None:
        """Return the request that ``data`` is, if it is exactly one.

        That is the usual case, and this the short way for it. With anything else
        None is returned and nothing has happened: use `receive_data`.
        """
        if self._state is not _OPEN or self._events:
            return None
        frame = self._decoder.only_frame(data)
        if self._routes:
            return self._counted(frame)
        return frame

    def _counted(self, frame: Frame | None) -> Frame | None:
        """Return a frame if it is a request that the client may make now."""
        if frame is None or frame.kind != _INVOKE or not self._takes_another(frame):
            return None
        if not frame.flags & FLAG_ONEWAY:
            self._running.add(frame.sequence)
        return frame

    def receive_data(self, data: bytes) -> None:
        """Take in bytes from the client."""
        if self._state is _AWAITING_CONNECT and self._begins_as_usual(data):
            return
        self._decoder.receive_data(data)
        self._decode()

    def receive_written(self, count: int) -> None:
        """Take in ``count`` bytes that were written into `space`."""
        self._decoder.receive_written(count)
        self._decode()

    def receive_eof(self) -> None:
        """Take notice that the client will send nothing more."""
        if self._state is not _CLOSING and self._decoder.buffered:
            self._note("the client left in the middle of a message")
        self._move(_CLOSING)

    def events_received(self) -> list[ServerEvent]:
        """Return the requests that have arrived since the last call."""
        events = self._events
        if events:
            self._events = []
        return events

    def _move(self, state: ServerState) -> None:
        closing = state is _CLOSING
        if not closing and (self._state, state) not in _STEPS:
            raise LocalProtocolError(
                f"a conversation cannot go from {self._state.value} to {state.value}"
            )
        self._state = state
        self.closing = closing
        self._may_call = state is _OPEN and CALLBACKS in self.capabilities

    def _decode(self) -> None:
        next_frame = self._decoder.next_frame
        while self._state is _OPEN:
            try:
                frame = next_frame()
                if frame is None:
                    return
                if self._routes:
                    self._routes[frame.kind](self, frame)
                else:
                    self._events.append(frame)
            except FrameError as error:
                self._malformed(error)
            except ProtocolError as error:
                self._give_up(str(error))
        if self._state is _AWAITING_CONNECT:
            self._begin()

    def _begins_as_usual(self, message: bytes) -> bool:
        """Begin, if with the same bytes as others before: they are not read again."""
        settings = self._settings
        if not settings.plain or self._decoder.buffered:
            return False
        request = settings.usual_connects.get((self._offered, message))
        if request is None:
            return False
        self._state = _VALIDATING
        self._events.append(request)
        return True

    def _begin(self) -> None:
        """Read the message that begins the conversation, if it has arrived."""
        decoder = self._decoder
        settings = self._settings
        message = decoder.untouched if settings.plain else None
        try:
            frame = decoder.next_frame()
            if frame is None:
                return
            self._connect(frame, None if decoder.buffered else message)
        except FrameError as error:
            if settings.pyro4 is None or not self._goes_on_in_pyro4(settings.pyro4):
                self._refuse(None, str(error.error))

    def _goes_on_in_pyro4(self, settings: SessionSettings) -> bool:
        """Go on in protocol 48, if that is what the client has begun with.

        Args:
            settings: those for such clients.
        """
        from ..pyro4 import PYRO4_PREFIX  # noqa: PLC0415 - few programs need it

        data = self._decoder.take()
        if not data.startswith(PYRO4_PREFIX):
            return False
        self._in_pyro4 = True
        self._turn_to_pyro4(settings, _BEFORE)
        self._decoder.receive_data(data)
        self._begin()
        return True

    def _malformed(self, failure: FrameError) -> None:
        """Have a message that cannot be understood refused, as far as possible."""
        try:
            refused = self._refused(failure)
        except ProtocolError as error:
            self._give_up(str(error))
            return
        if failure.fatal or (self._routes and not refused):
            self._give_up(str(failure.error))
        elif not refused:
            _logger.warning("a ping was ignored: %s", failure.error)

    def _give_up(self, reason: str) -> None:
        self._note(reason)
        self._move(_CLOSING)

    def _connect(self, frame: Frame, message: bytes | None) -> None:
        """Check a CONNECT and hand it on, or refuse it.

        Args:
            frame: the CONNECT.
            message: all its bytes, if it may be known again by them; else None.
        """
        self._move(_VALIDATING)
        pyro4 = self._settings.pyro4
        if self._in_pyro4:
            self._connect_pyro4(frame)
            return
        if pyro4 is not None and pyro4.hmac_key is not None:
            self._refuse(
                frame,
                "this server admits only clients of Pyro4's protocol that sign their "
                "messages with its HMAC key (see PYRO4_HMAC_KEY)",
            )
            return
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
            connect = read_connect(serializer, frame.payload)
        except PyroError as error:
            self._refuse(frame, str(error))
            return
        agreement = agree(self._offered, frame.annotations)
        object_id, handshake, usual = connect
        request = ConnectRequest(frame, object_id, handshake, agreement)
        self._events.append(request)
        if message is not None and usual and is_usual_frame(frame):
            # Many sessions will hand it out.
            annotations = MappingProxyType(frame.annotations)
            kept = replace(request, frame=frame._replace(annotations=annotations))
            keep(self._settings.usual_connects, (self._offered, message), kept)

    def _connect_pyro4(self, frame: Frame) -> None:
        """Check a CONNECT of protocol 48 and hand it on, or refuse it."""
        # Few programs need either.
        from ..dispatch import DAEMON_NAME  # noqa: PLC0415
        from ..pyro4 import read_pyro4_connect  # noqa: PLC0415

        try:
            serializer = self._accepted(frame.serializer_id)
            object_id, handshake = read_pyro4_connect(serializer, frame)
        except PyroError as error:
            self._refuse(frame, str(error))
            return
        # A client that asks about no object may still call each.
        self._events.append(ConnectRequest(frame, object_id or DAEMON_NAME, handshake))

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
            metadata: what the object offers, see `Members.metadata`; quickest as
                frozensets, in a mapping proxy of what never changes.
            annotations: data to send along.

        Raises:
            PyroError: the answer cannot be sent; refuse the client instead.
        """
        if self._state is not _VALIDATING:
            raise LocalProtocolError(
                f"a client cannot be admitted when the state is {self._state.value!r}"
            )
        frame = request.frame
        serializer = self._serializers[frame.serializer_id]
        settings = self._settings
        agreement = request.agreement
        names = agreement.names
        message = None
        if (
            settings.plain
            and annotations.keys() == _ONLY_KEY
            and not frame.sequence
            and frame.correlation_id is None
        ):
            capabilities = encode_capabilities(names, settings)
            key = annotations[LEASE_KEY_ID]
            message = usual_accept(serializer, handshake, metadata, key, capabilities)
        if message is not None:
            self._out.append(message)
        elif self._in_pyro4:
            self._accept_pyro4(frame, serializer, handshake, metadata, annotations)
        else:
            payload = write_accept(serializer, handshake, metadata)
            annotations = with_capabilities(annotations, names, settings)
            self._reply(_CONNECTOK, frame, payload, annotations, frame.correlation_id)
        most = settings.max_in_flight
        self._agreed(
            agreement,
            _AFTER,
            calls=agreement.callback_window,
            answers=most if MULTIPLEX in names else 0,
        )
        self._move(_OPEN)
        self._decoder.max_size = settings.max_message_size
        self._decoder.inflates = False
        if self._decoder.buffered:
            self._decode()

    def _accept_pyro4(
        self,
        frame: Frame,
        serializer: Serializer,
        handshake: object,
        metadata: Mapping[str, object],
        annotations: Annotations,
    ) -> None:
        """Answer a CONNECT of protocol 48."""
        from ..pyro4 import FLAG_METADATA, accept_value  # noqa: PLC0415 - see above

        payload = serializer.dumps(accept_value(frame, handshake, metadata))
        self._queue(
            _CONNECTOK,
            frame.serializer_id,
            frame.flags & FLAG_METADATA,
            frame.sequence,
            payload,
            annotations,
            frame.correlation_id,
        )

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
        reason = sendable(reason)
        self._note(f"refused: {reason}")
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
                self._reply(_CONNECTFAIL, frame, payload, extra, correlation)
            except ProtocolError as error:
                _logger.warning("a refusal could not be sent: %s", error)
            else:
                break
        self._move(_CLOSING)

    def send_pong(
        self, request: Frame, annotations: Annotations = NO_ANNOTATIONS
    ) -> None:
        """Answer a PING."""
        self._reply(_PING, request, b"pong", annotations, request.correlation_id)

    def _reply(
        self,
        kind: int,
        request: Frame,
        payload: bytes,
        annotations: Annotations,
        correlation_id: bytes | None,
    ) -> None:
        self._queue(
            kind,
            request.serializer_id,
            0,
            request.sequence,
            payload,
            annotations,
            correlation_id,
        )
