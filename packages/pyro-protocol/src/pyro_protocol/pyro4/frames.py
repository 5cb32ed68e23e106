"""The messages of Pyro4, protocol 48, as the frames of protocol 502 and back.

A message is a header of 24 bytes, annotation chunks, and a payload; all integers are
big endian (spec: pyro4-and-3, section 1). What differs from protocol 502 besides the
header: the numbers of the serializers, two flags, the size field of a chunk, and that
the correlation id and the signature are annotations.
"""

from __future__ import annotations

import logging
import struct
import zlib
from typing import TYPE_CHECKING, Final

from ..errors import LocalProtocolError, MessageTooLargeError, RemoteProtocolError
from ..serializers import serializers
from ..serializers.opt_in import PICKLED_IDS
from ..wire import (
    FLAG_BATCH,
    FLAG_COMPRESSED,
    FLAG_EXCEPTION,
    FLAG_KEEPSERIALIZED,
    FLAG_ONEWAY,
    FLAG_STREAM,
    NO_ANNOTATIONS,
    Frame,
    FrameError,
    MessageType,
    SplitPayload,
)
from ..wire.decoder import inflate_payload
from ..wire.frame import TAG, annotation_id
from .signatures import SIGNATURE_ID, HmacKey

if TYPE_CHECKING:
    from collections.abc import Container

    from ..errors import ProtocolError
    from ..wire import Annotations, Buffer, Payload

__all__ = [
    "FLAG_METADATA",
    "PYRO4_PREFIX",
    "PYRO4_SERIALIZER_IDS",
    "PYRO4_VERSION",
    "Pyro4Decoder",
    "encode_pyro4_frame",
]

_logger = logging.getLogger("pyro.wire")

PYRO4_VERSION: Final = 48
"""The version in every message header of Pyro4 4.82."""

PYRO4_PREFIX: Final = TAG + PYRO4_VERSION.to_bytes(2, "big")
"""What every message begins with."""

PYRO4_SERIALIZER_IDS: Final = {
    "serpent": 1,
    "json": 2,
    "marshal": 3,
    "pickle": 4,
    "dill": 5,
    "msgpack": 6,
    "cloudpickle": 7,
}
"""The numbers that the serializers have in protocol 48."""

_HEADER: Final = struct.Struct("!4sHHHHiHHHH")
_CHUNK: Final = struct.Struct("!4sH")
_CHECKSUM_BASE: Final = 0x34E9
_CORRELATION_ID: Final = "CORR"
_CORRELATION_SIZE: Final = 16
_MOST_ANNOTATED: Final = 0xFFFF
# Payloads below this size stay plain, and so do those that would not become smaller.
_COMPRESS_FROM: Final = 200

FLAG_METADATA: Final = 0x10000
"""Among the flags of a CONNECT: metadata is wanted; of a CONNECTOK: it is there.
Protocol 502 has no such flag, so that it is beyond all that it has."""

_METADATA: Final = 0x10
_SAME_FLAGS: Final = FLAG_EXCEPTION | FLAG_COMPRESSED | FLAG_ONEWAY | FLAG_BATCH
_STREAM: Final = 0x20
_KEEPSERIALIZED: Final = 0x40

_PING: Final = int(MessageType.PING)


def _own_id(name: str) -> int:
    number = PICKLED_IDS.get(name)
    return serializers[name].id if number is None else number


_OWN_IDS: Final = {
    number: _own_id(name) for name, number in PYRO4_SERIALIZER_IDS.items()
}
_THEIR_IDS: Final = {own: number for number, own in _OWN_IDS.items()}
# A ping may have any number, and its answer has the same. These stand for themselves,
# beyond all that a header can hold.
_FOREIGN: Final = 0x10000
_SERPENT: Final = serializers["serpent"].id


def _own_flags(flags: int) -> int:
    result = flags & _SAME_FLAGS
    if flags & _STREAM:
        result |= FLAG_STREAM
    if flags & _KEEPSERIALIZED:
        result |= FLAG_KEEPSERIALIZED
    if flags & _METADATA:
        result |= FLAG_METADATA
    return result


def _their_flags(flags: int) -> int:
    result = flags & _SAME_FLAGS
    if flags & FLAG_STREAM:
        result |= _STREAM
    if flags & FLAG_KEEPSERIALIZED:
        result |= _KEEPSERIALIZED
    if flags & FLAG_METADATA:
        result |= _METADATA
    return result


class Pyro4Decoder:
    """Turns the bytes that a Pyro4 client sends into the frames of protocol 502.

    It stands in for `Decoder`, whose arguments and attributes it shares; what serves
    large and frequent messages of protocol 502 is of no use here.

    Args:
        max_size: the most bytes of payload and annotations of one message.
        max_annotations: the most annotations of one message.
        accepted: the message types that are allowed.
        max_inflate_ratio: how many times larger than it arrived a message may become.
        key: what messages have to be signed with; None if they must not be.
        logs: whether the messages are logged.
    """

    __slots__ = (
        "_data",
        "_key",
        "_logs",
        "_needed",
        "accepted",
        "inflates",
        "large_start",
        "max_annotations",
        "max_inflate_ratio",
        "max_size",
        "splits",
    )

    # There is never a message that goes directly into its place.
    _body: Final[None] = None
    untouched: Final[None] = None
    space: Final[None] = None
    whole_size: Final = 0

    def __init__(
        self,
        max_size: int,
        max_annotations: int,
        accepted: Container[int],
        *,
        max_inflate_ratio: int,
        key: HmacKey | None = None,
        logs: bool = False,
    ) -> None:
        self.max_size: int = max_size
        self.max_annotations: int = max_annotations
        self.accepted: Container[int] = accepted
        self.max_inflate_ratio: int = max_inflate_ratio
        self.splits: bool = False
        self.inflates: bool = True
        self.large_start: int = 0
        self._key = key
        self._logs = logs
        self._data = bytearray()
        self._needed = _HEADER.size

    @property
    def buffered(self) -> int:
        """How many received bytes have not become a frame yet."""
        return len(self._data)

    @property
    def missing(self) -> int:
        """How many bytes the next frame, or its header, still needs."""
        return max(self._needed - len(self._data), 0)

    def forget(self) -> None:
        """Drop what was received and not read yet."""
        self._data = bytearray()

    def receive_data(self, data: bytes) -> None:
        """Take over bytes that were received."""
        self._data += data

    def receive_written(self, count: int) -> None:
        """Do nothing: there is no `space` to write into."""

    def only_frame(self, data: bytes) -> Frame | None:  # noqa: ARG002 - as of `Decoder`
        """Return None: there is no short way here."""
        return None

    def next_frame(self) -> Frame | None:
        """Return the next complete frame, or None if more bytes are needed.

        Raises:
            FrameError: the bytes are not a valid message. Unless the error is
                fatal, decoding can go on with the next message.
        """
        data = self._data
        if len(data) < _HEADER.size:
            return None
        (
            tag,
            version,
            kind,
            flags,
            sequence,
            size,
            their_id,
            chunks_size,
            _reserved,
            checksum,
        ) = _HEADER.unpack_from(data)
        if tag != TAG or version != PYRO4_VERSION:
            raise FrameError(
                RemoteProtocolError(
                    "invalid data: a message of protocol 48 was expected"
                )
            )
        if checksum != _checksum(kind, size, chunks_size, their_id, flags, sequence):
            raise FrameError(RemoteProtocolError("invalid message: wrong checksum"))
        if size < 0:
            raise FrameError(
                RemoteProtocolError("invalid message: its size is negative")
            )
        own_id = _OWN_IDS.get(their_id, _FOREIGN | their_id)
        head = Frame(kind, own_id, _own_flags(flags) & ~FLAG_COMPRESSED, sequence, b"")
        if size + chunks_size > self.max_size:
            raise FrameError(
                MessageTooLargeError(
                    f"message too large ({size + chunks_size}, max={self.max_size})"
                ),
                head,
            )
        if kind not in self.accepted:
            raise FrameError(
                RemoteProtocolError(f"invalid msg type {kind} received in protocol 48")
            )
        end = _HEADER.size + chunks_size + size
        if len(data) < end:
            self._needed = end
            return None
        content = bytes(memoryview(data)[_HEADER.size : end])
        del data[:end]
        self._needed = _HEADER.size
        frame = head._replace(flags=_own_flags(flags))
        return self._completed(frame, head, content, chunks_size)

    def _completed(
        self, frame: Frame, head: Frame, content: bytes, chunks_size: int
    ) -> Frame:
        """Return a frame with its annotations and its payload.

        Args:
            frame: its header.
            head: the same, not compressed.
            content: what follows the header.
            chunks_size: how much of that are annotations.
        """
        payload = content[chunks_size:]
        try:
            annotations = self._annotations(content[:chunks_size])
        except RemoteProtocolError as error:
            raise FrameError(error, head, fatal=False) from error
        self._check_signature(payload, annotations)
        if frame.serializer_id & _FOREIGN and frame.kind != _PING:
            raise FrameError(
                _unknown_serializer(frame.serializer_id & ~_FOREIGN),
                # What every Pyro reads, for the answer.
                head._replace(serializer_id=_SERPENT),
                fatal=False,
            )
        correlation = annotations.pop(_CORRELATION_ID, None)
        if correlation is not None and len(correlation) != _CORRELATION_SIZE:
            correlation = None
        annotations.pop(SIGNATURE_ID, None)
        frame = frame._replace(
            payload=payload,
            annotations=annotations or NO_ANNOTATIONS,
            correlation_id=None if correlation is None else bytes(correlation),
        )
        if self.inflates:
            try:
                frame = self.inflate(frame)
            except (RemoteProtocolError, MessageTooLargeError) as error:
                raise FrameError(error, head, fatal=False) from error
        if self._logs:
            _logger.debug(
                "received: protocol=48 type=%d serializer=%d flags=%d seq=%d data=%r",
                frame.kind, frame.serializer_id, frame.flags, frame.sequence,
                frame.payload,
            )  # fmt: skip
        return frame

    def _annotations(self, chunks: bytes) -> dict[str, memoryview]:
        annotations: dict[str, memoryview] = {}
        view = memoryview(chunks)
        start, count = 0, 0
        while start < len(chunks):
            begin = start + _CHUNK.size
            if begin > len(chunks):
                raise RemoteProtocolError("invalid annotations: chunk header cut off")
            name, length = _CHUNK.unpack_from(chunks, start)
            start = begin + length
            if start > len(chunks):
                raise RemoteProtocolError(
                    "annotation chunk length exceeds remaining data"
                )
            count += 1
            if count > self.max_annotations:
                raise RemoteProtocolError(
                    f"invalid annotations: more than {self.max_annotations} chunks"
                )
            try:
                key = name.decode("ascii")
            except UnicodeDecodeError as error:
                raise RemoteProtocolError(
                    f"invalid annotations: id {name!r} is not ASCII"
                ) from error
            annotations[key] = view[begin:start]
        return annotations

    def _check_signature(
        self, payload: bytes, annotations: dict[str, memoryview]
    ) -> None:
        """Refuse a message that is signed otherwise than it has to be.

        Raises:
            FrameError: it is; the connection cannot go on.
        """
        is_signed = SIGNATURE_ID in annotations
        key = self._key
        if key is None:
            if not is_signed:
                return
            problem = "a message is signed, and there is no HMAC key here"
        elif not is_signed:
            problem = "a message is not signed with the HMAC key that is used here"
        elif key.has_signed(payload, annotations):
            return
        else:
            problem = "the HMAC signature of a message is wrong: the keys differ"
        raise FrameError(RemoteProtocolError(f"{problem}; see PYRO4_HMAC_KEY"))

    def inflate(self, frame: Frame) -> Frame:
        """Return a frame whose payload is not compressed.

        Raises:
            RemoteProtocolError: the data is malformed.
            MessageTooLargeError: it becomes too large.
        """
        payload = frame.payload
        if not frame.flags & FLAG_COMPRESSED or isinstance(payload, SplitPayload):
            return frame
        most = self.max_size - sum(map(len, frame.annotations.values()))
        return frame._replace(
            flags=frame.flags & ~FLAG_COMPRESSED,
            payload=inflate_payload(payload, most, self.max_inflate_ratio),
        )


def encode_pyro4_frame(
    kind: int,
    serializer_id: int,
    flags: int,
    sequence: int,
    payload: Payload,
    annotations: Annotations = NO_ANNOTATIONS,
    correlation_id: bytes | None = None,
    *,
    compress: bool = False,
    max_size: int = 0x7FFF_FFFF,
    key: HmacKey | None = None,
    logs: bool = False,
) -> list[Buffer]:
    """Return a message of protocol 48 as the buffers to write.

    Args:
        kind: the message type.
        serializer_id: the id that the serializer has in protocol 502.
        flags: the flags of protocol 502.
        sequence: the sequence number, 0 to 65535.
        payload: the serialized payload.
        annotations: data by id, each id four ASCII characters.
        correlation_id: 16 bytes, or None.
        compress: whether a payload of 200 bytes or more is compressed, if that makes
            it smaller.
        max_size: the most bytes that payload and annotations may have together.
        key: what the message is signed with; None if it is not.
        logs: whether it is logged.

    Raises:
        MessageTooLargeError: the message exceeds ``max_size``, or the annotations
            have more than the 65535 bytes that there is room for.
        LocalProtocolError: an annotation has an unusable id or value.
    """
    content = bytes(payload)
    their_flags = _their_flags(flags) & ~FLAG_COMPRESSED
    if compress and len(content) >= _COMPRESS_FROM:
        compressed = zlib.compress(content)
        if len(compressed) < len(content):
            content = compressed
            their_flags |= FLAG_COMPRESSED
    parts = {name: _value(name, value) for name, value in annotations.items()}
    if correlation_id is not None:
        parts[_CORRELATION_ID] = correlation_id
    if key is not None:
        parts[SIGNATURE_ID] = key.sign(content, parts)
    chunks_size = sum(_CHUNK.size + len(value) for value in parts.values())
    if chunks_size > _MOST_ANNOTATED:
        raise MessageTooLargeError(
            f"annotations too large ({chunks_size}, max={_MOST_ANNOTATED} for a Pyro4 "
            "client)"
        )
    if len(content) + chunks_size > max_size:
        raise MessageTooLargeError(
            f"message too large ({len(content) + chunks_size}, max={max_size})"
        )
    their_id = _THEIR_IDS.get(serializer_id, serializer_id & ~_FOREIGN)
    head = _HEADER.pack(
        TAG,
        PYRO4_VERSION,
        kind,
        their_flags,
        sequence,
        len(content),
        their_id,
        chunks_size,
        0,
        _checksum(kind, len(content), chunks_size, their_id, their_flags, sequence),
    )
    if logs:
        _logger.debug(
            "sending: protocol=48 type=%d serializer=%d flags=%d seq=%d data=%r",
            kind, serializer_id, flags, sequence, content,
        )  # fmt: skip
    chunks = b"".join(
        _CHUNK.pack(annotation_id(name), len(value)) + value
        for name, value in parts.items()
    )
    return [head + chunks + content]


def _value(name: str, value: object) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise LocalProtocolError(
            f"annotation {name!r} must be bytes, not {type(value).__name__}"
        )
    return bytes(value)


def _checksum(
    kind: int, size: int, chunks_size: int, their_id: int, flags: int, sequence: int
) -> int:
    total = kind + PYRO4_VERSION + size + chunks_size + their_id + flags + sequence
    return (total + _CHECKSUM_BASE) & 0xFFFF


def _unknown_serializer(number: int) -> ProtocolError:
    known = ", ".join(f"{one}={name}" for name, one in PYRO4_SERIALIZER_IDS.items())
    return RemoteProtocolError(
        f"unknown serializer id {number} of protocol 48; known: {known}"
    )
