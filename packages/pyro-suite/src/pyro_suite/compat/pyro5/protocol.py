"""``Pyro5.protocol``: messages, for programs that look at them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol import PROTOCOL_VERSION, config, current_context
from pyro_protocol.errors import ProtocolError
from pyro_protocol.wire import (
    FLAG_BATCH,
    FLAG_COMPRESSED,
    FLAG_CORRELATION,
    FLAG_EXCEPTION,
    FLAG_KEEPSERIALIZED,
    FLAG_ONEWAY,
    FLAG_STREAM,
    HEADER_SIZE,
    Decoder,
    FrameError,
    MessageType,
    encode_frame,
)
from pyro_protocol.wire.frame import HEADER, MAGIC, TAG

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Protocol

    from pyro_protocol.wire import Buffer

    class _Connection(Protocol):
        def recv(self, size: int) -> bytes: ...


__all__ = [
    "FLAGS_BATCH",
    "FLAGS_COMPRESSED",
    "FLAGS_CORR_ID",
    "FLAGS_EXCEPTION",
    "FLAGS_ITEMSTREAMRESULT",
    "FLAGS_KEEPSERIALIZED",
    "FLAGS_ONEWAY",
    "MSG_CONNECT",
    "MSG_CONNECTFAIL",
    "MSG_CONNECTOK",
    "MSG_INVOKE",
    "MSG_PING",
    "MSG_RESULT",
    "PROTOCOL_VERSION",
    "ReceivingMessage",
    "SendingMessage",
    "recv_stub",
]

MSG_CONNECT: int = int(MessageType.CONNECT)
MSG_CONNECTOK: int = int(MessageType.CONNECTOK)
MSG_CONNECTFAIL: int = int(MessageType.CONNECTFAIL)
MSG_INVOKE: int = int(MessageType.INVOKE)
MSG_RESULT: int = int(MessageType.RESULT)
MSG_PING: int = int(MessageType.PING)

FLAGS_EXCEPTION: int = FLAG_EXCEPTION
FLAGS_COMPRESSED: int = FLAG_COMPRESSED
FLAGS_ONEWAY: int = FLAG_ONEWAY
FLAGS_BATCH: int = FLAG_BATCH
FLAGS_ITEMSTREAMRESULT: int = FLAG_STREAM
FLAGS_KEEPSERIALIZED: int = FLAG_KEEPSERIALIZED
FLAGS_CORR_ID: int = FLAG_CORRELATION

_ALL_TYPES: Final = frozenset(map(int, MessageType))


class SendingMessage:
    """A message to be sent.

    Args:
        msgtype: one of the ``MSG_`` numbers.
        flags: some of the ``FLAGS_``.
        seq: the sequence number.
        serializer_id: the number of the serializer of the payload.
        payload: the payload.
        annotations: bytes by id, each id four ASCII characters.

    Attributes:
        data: the whole message.

    Raises:
        ProtocolError: an annotation has an unusable id or value, or the message is
            too large.
    """

    __module__ = "Pyro5.protocol"

    def __init__(
        self,
        msgtype: int,
        flags: int,
        seq: int,
        serializer_id: int,
        payload: Buffer,
        annotations: Mapping[str, Buffer] | None = None,
    ) -> None:
        correlation = current_context.correlation_id
        self.type: int = msgtype
        self.flags: int = flags
        self.seq: int = seq
        self.serializer_id: int = serializer_id
        self.annotations: dict[str, Buffer] = dict(annotations or {})
        self.data: bytes = b"".join(
            encode_frame(
                msgtype,
                serializer_id,
                flags,
                seq,
                payload,
                self.annotations,
                None if correlation is None else correlation.bytes,
                compress=config.COMPRESSION,
                max_size=config.MAX_MESSAGE_SIZE,
            )
        )

    def __repr__(self) -> str:
        return f"<SendingMessage type={self.type} flags={self.flags} seq={self.seq}>"

    @staticmethod
    def ping(pyrodaemon: object) -> SendingMessage:  # noqa: ARG004 - the documented signature
        """Return a message that asks for a sign of life."""
        return SendingMessage(MSG_PING, 0, 0, 42, b"ping")


class ReceivingMessage:
    """A message that was received, or its header so far.

    Args:
        header: the 40 bytes of the header.
        payload: what follows it: annotations and payload; see `add_payload`.

    Attributes:
        data: the payload, inflated if it was compressed.
        annotations: data by id.
        corr_id: the correlation id, or None.

    Raises:
        ProtocolError: it is malformed.
    """

    __module__ = "Pyro5.protocol"

    def __init__(self, header: bytes, payload: bytes | None = None) -> None:
        self.validate(header)
        (
            _tag,
            self.protocol_version,
            self.type,
            self.serializer_id,
            self.flags,
            self.seq,
            self.data_size,
            self.annotations_size,
            correlation,
            _reserved,
            _magic,
        ) = HEADER.unpack(header)
        self.corr_id: uuid.UUID | None = (
            uuid.UUID(bytes=correlation) if self.flags & FLAG_CORRELATION else None
        )
        self.data: Any = None
        self.annotations: dict[str, Any] = {}
        self._header = bytes(header)
        if payload is not None:
            self.add_payload(payload)

    protocol_version: int
    type: int
    serializer_id: int
    flags: int
    seq: int
    data_size: int
    annotations_size: int

    @staticmethod
    def validate(data: bytes) -> None:
        """Check the beginning of a header.

        Raises:
            ProtocolError: it is none, or of another version of the protocol.
        """
        if data[: len(TAG)] != TAG[: len(data)]:
            raise ProtocolError("invalid data: it is no Pyro message")
        if len(data) != HEADER_SIZE:
            raise ProtocolError(f"a header has {HEADER_SIZE} bytes, not {len(data)}")
        fields = HEADER.unpack(data)
        if fields[1] != PROTOCOL_VERSION:
            raise ProtocolError(
                f"invalid protocol version: {fields[1]}, not {PROTOCOL_VERSION}"
            )
        if fields[-1] != MAGIC:
            raise ProtocolError("invalid data: the magic number is wrong")

    def add_payload(self, payload: bytes) -> None:
        """Take over what follows the header.

        Raises:
            ProtocolError: it is malformed, or of the wrong size.
        """
        size = self.data_size + self.annotations_size
        if len(payload) != size:
            raise ProtocolError(f"{size} bytes belong to the message: {len(payload)}")
        decoder = Decoder(config.MAX_MESSAGE_SIZE, config.MAX_ANNOTATIONS, _ALL_TYPES)
        decoder.receive_data(self._header + bytes(payload))
        try:
            frame = decoder.next_frame()
        except FrameError as error:
            raise error.error from error
        if frame is not None:
            self.data = frame.payload
            self.annotations = dict(frame.annotations)
            self.flags = frame.flags

    def __repr__(self) -> str:
        return f"<ReceivingMessage type={self.type} flags={self.flags} seq={self.seq}>"


def recv_stub(
    connection: _Connection, accepted_msgtypes: Collection[int] | None = None
) -> ReceivingMessage:
    """Receive one message.

    Args:
        connection: what is received from; its ``recv`` returns as many bytes as it is
            asked for.
        accepted_msgtypes: the types that are expected; None for any.

    Raises:
        ProtocolError: it is malformed, or of another type.
        ConnectionClosedError: there is none.
    """
    message = ReceivingMessage(connection.recv(HEADER_SIZE))
    if accepted_msgtypes and message.type not in accepted_msgtypes:
        raise ProtocolError(f"a message of type {message.type} is not expected here")
    size = message.data_size + message.annotations_size
    if size > config.MAX_MESSAGE_SIZE:
        raise ProtocolError(f"message too large ({size})")
    message.add_payload(connection.recv(size) if size else b"")
    return message
