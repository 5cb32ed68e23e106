"""What both ends of a conversation have: bytes in, events and bytes out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast

from ..errors import LocalProtocolError
from ..wire import (
    HEADER_SIZE,
    NO_ANNOTATIONS,
    Annotations,
    Decoder,
    MessageType,
    encode_frame,
)
from ..wire.body import WHOLE_UP_TO
from .capabilities import NATIVE, NO_AGREEMENT, Agreement
from .short_messages import LargeRest, large_rest

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping

    from ..serializers import Serializer
    from ..wire import Buffer, Frame, Payload
    from .consuming import ConsumedStream
    from .producing import ProducedStream
    from .settings import SessionSettings
    from .signals import Signal

__all__ = ["Endpoint"]

_PING: Final = int(MessageType.PING)
_NO_ROUTES: Final[Mapping[int, Any]] = {}
# Nobody can put anything into these. Most connections are idle, and there may be many,
# so that what most of them do not need is made when they need it.
_NO_NUMBERS: Final = cast("set[int]", frozenset())
_NOTHING: Final = cast("list[Any]", ())
_NO_STREAMS: Final = cast("dict[int, Any]", MappingProxyType({}))
_NO_NAMES: Final[frozenset[str]] = frozenset()


class Endpoint(ABC):
    """The part of a session that does not depend on which end it is.

    Attributes:
        agreement: what is in force on this connection.
        capabilities: the names of it.
        sequence: the sequence number of the call last made.
        error: why this side has ended the conversation, or None.
    """

    # All that the parts of a session keep, as only one of them can have slots.
    __slots__ = (
        "_argument_streams",
        "_consumed",
        "_decoder",
        "_encode",
        "_events",
        "_expected",
        "_last_ping",
        "_last_stream",
        "_may_call",
        "_most_running",
        "_offered",
        "_out",
        "_pinged",
        "_plain",
        "_pong",
        "_produced",
        "_ready",
        "_routes",
        "_running",
        "_serializers",
        "_settings",
        "_signals",
        "_usable",
        "_window",
        "agreement",
        "capabilities",
        "error",
        "sequence",
    )

    def __init__(
        self,
        settings: SessionSettings,
        capabilities: Iterable[str],
        accepted: Container[int],
        *,
        max_size: int,
        sequence: int = 0,
    ) -> None:
        self._settings = settings
        self._plain = settings.plain
        self._serializers = settings.serializers
        self._offered = frozenset(capabilities)
        decoder = Decoder
        self._encode: Callable[..., list[Buffer]] = encode_frame
        if settings.log_wire:
            from ..wire import logged  # noqa: PLC0415 - for debugging alone

            decoder = logged.LoggedDecoder
            self._encode = logged.encode_logged_frame
        self._decoder = decoder(
            max_size,
            settings.max_annotations,
            accepted,
            max_annotations_size=settings.max_annotations_size,
            max_inflate_ratio=settings.max_inflate_ratio,
        )
        self._out: list[Buffer] = []
        self._events: list[Any] = []
        self._signals: list[Signal] = _NOTHING
        # Whether calls can be made from here.
        self._may_call = False
        # What takes in each type of message, if a capability but native is in force.
        self._routes: Mapping[int, Any] = _NO_ROUTES
        # Sequence numbers of the calls made here that have no answer yet, and how
        # many they may be; 0 is no bound.
        self._expected: set[int] = _NO_NUMBERS
        self._window = 0
        self.sequence: int = sequence
        # Sequence numbers of the calls made there that have no answer yet, and how
        # many they may be. Kept only where a capability needs them.
        self._running: set[int] = _NO_NUMBERS
        self._most_running = 0
        # The serializers that requests have been made with, once checked.
        self._usable: dict[int, Serializer] = settings.usable[0]
        self._last_ping = 0
        self._pinged: int | None = None
        self._pong: Frame | None = None
        # Open streams by number, and those produced here that have something to send.
        self._produced: dict[int, ProducedStream] = _NO_STREAMS
        self._consumed: dict[int, ConsumedStream] = _NO_STREAMS
        self._ready: dict[int, ProducedStream] = _NO_STREAMS
        self._last_stream = 0
        self._argument_streams: dict[int, tuple[int, ...]] = _NO_STREAMS
        self.error: str | None = None
        self.agreement: Agreement = NO_AGREEMENT
        self.capabilities: frozenset[str] = _NO_NAMES

    def _turn_to_pyro4(
        self, settings: SessionSettings, accepted: Container[int]
    ) -> None:
        """Speak protocol 48 from now on; nothing was taken in yet.

        Args:
            settings: those for such peers.
            accepted: the message types that are allowed.
        """
        # Few programs need it.
        from ..pyro4 import Pyro4Decoder, encode_pyro4_frame  # noqa: PLC0415

        # What is agreed on, and what is quick, is for protocol 502.
        self._plain = False
        self._offered = frozenset()
        self._settings = settings
        self._serializers = settings.serializers
        self._usable = settings.usable[0]
        key, logs = settings.hmac_key, settings.log_wire
        self._encode = partial(encode_pyro4_frame, key=key, logs=logs)
        # It does what `Decoder` does.
        decoder: Any = Pyro4Decoder(
            self._decoder.max_size,
            settings.max_annotations,
            accepted,
            max_inflate_ratio=settings.max_inflate_ratio,
            key=key,
            logs=logs,
        )
        self._decoder = decoder

    def _make_room(self) -> None:
        """Make what is needed where a capability but native is in force."""
        self._expected = set()
        self._running = set()
        self._signals = []
        self._produced = {}
        self._consumed = {}
        self._ready = {}
        self._argument_streams = {}

    @property
    def native(self) -> bool:
        """Whether the native serializer is in force."""
        return NATIVE in self.capabilities

    @property
    def serializers(self) -> Mapping[int, Serializer]:
        """What reads messages, by id."""
        return self._serializers

    def limited(self, serializer: Serializer) -> Serializer:
        """Return the serializer of the same format that keeps to our limits."""
        return self._settings.limited(serializer)

    @property
    def missing(self) -> int:
        """How many bytes the message being received still needs; 0 if none is."""
        return self._decoder.missing if self._decoder.buffered else 0

    @property
    def is_large(self) -> bool:
        """Whether the message being received goes directly into its final place."""
        return self._decoder._body is not None  # noqa: SLF001 - the hot path

    @property
    def only_large(self) -> bool:
        """Whether there is a part of a large message, and nothing else to act on."""
        # Not by way of `is_large`, which would be a call more.
        return (
            self._decoder._body is not None  # noqa: SLF001
            and not (self._events or self._signals)
        )

    @property
    def large_start(self) -> int:
        """How much to receive at once after a large message; 0 is as much as ever."""
        return self._decoder.large_start

    @property
    def max_message_size(self) -> int:
        """The most bytes of payload and annotations of one message."""
        return self._settings.max_message_size

    def large_rest(self, beginning: bytes, start: bytes) -> LargeRest | None:
        """Return what is missing of a message that is whole but for large bytes.

        Args:
            beginning: how a message begins that may come now: `CALL` or `ANSWER`.
            start: what was received, after a message of the same kind.

        Returns:
            The large bytes, which become one object; None if it is anything else.
        """
        decoder = self._decoder
        if (
            not start
            or len(start) != decoder.large_start
            or not self._plain
            or decoder.buffered
        ):
            return None
        rest = large_rest(beginning, start)
        if (
            rest is None
            or rest.size > WHOLE_UP_TO
            or rest.size + len(start) - HEADER_SIZE > decoder.max_size
            or not (decoder.splits and decoder.max_annotations)
        ):
            return None
        return rest

    def expect_small(self) -> None:
        """Have `large_start` be 0, as something else than a large message came."""
        self._decoder.large_start = 0

    @property
    def whole_size(self) -> int:
        """How many bytes to receive in one piece, if that is possible; 0 if it is not.

        Given to ``receive_data`` they are not copied, nor is `space` made for them.
        """
        body = self._decoder._body  # noqa: SLF001 - the hot path
        return 0 if body is None else body.whole_size

    @property
    def space(self) -> memoryview | None:
        """Where the next bytes belong, in the midst of a large message, else None."""
        return self._decoder.space

    @property
    def compresses(self) -> bool:
        """Whether payloads are compressed, so that nothing should stand apart."""
        return self._settings.compress

    @property
    def has_output(self) -> bool:
        """Whether `data_to_send` has anything to return."""
        return bool(self._out or self._ready) or self._pong is not None

    def signals_received(self) -> list[Signal]:
        """Return the signals that have arrived since the last call, in order.

        They are to be acted on before the events that have arrived with them wait
        for anything.
        """
        signals = self._signals
        if signals:
            self._signals = []
        return signals

    def _note(self, reason: str) -> None:
        """Take a note of why this side ends the conversation."""
        self.error = reason

    @abstractmethod
    def _give_up(self, reason: str) -> None:
        """End the conversation, because it cannot go on."""

    def _require(self, capability: str, doing: str) -> None:
        if capability not in self.capabilities:
            raise LocalProtocolError(
                f"cannot {doing}: the capability {capability!r} is not in force on "
                "this connection; see `capabilities`"
            )

    def _serialized(self, serializer: Serializer, value: object) -> Payload:
        """Return a value as a payload; its large buffers apart if that is of use."""
        if self._settings.compress:
            return serializer.dumps(value)
        return serializer.encode(value)

    def _queue(
        self,
        kind: int,
        serializer_id: int,
        flags: int,
        sequence: int,
        payload: Payload,
        annotations: Annotations = NO_ANNOTATIONS,
        correlation_id: bytes | None = None,
    ) -> None:
        """Queue a message of any type.

        Raises:
            MessageTooLargeError: it is larger than the limit; nothing was queued.
            LocalProtocolError: its annotations are unusable; nothing was queued.
        """
        self._out += self._encode(
            kind,
            serializer_id,
            flags,
            sequence,
            payload,
            annotations,
            correlation_id,
            compress=self._settings.compress and kind != _PING,
            max_size=self._settings.max_message_size,
        )
