"""The incremental decoder: received bytes in, messages out."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Final

from ..config import PROTOCOL_VERSION
from ..errors import MessageTooLargeError, RemoteProtocolError
from .frame import (
    CHUNK,
    FLAG_COMPRESSED,
    FLAG_CORRELATION,
    HEADER,
    HEADER_SIZE,
    MAGIC,
    NO_ANNOTATIONS,
    PLAIN_HEADER,
    PREFIX,
    TAG,
    Annotations,
    Frame,
)

if TYPE_CHECKING:
    from collections.abc import Container

    from ..errors import ProtocolError

__all__ = ["Decoder", "FrameError"]

_PREFIX_SIZE: Final = 6
_VERSION: Final = PROTOCOL_VERSION.to_bytes(2, "big")
_UNUSUAL: Final = FLAG_COMPRESSED | FLAG_CORRELATION
# A payload from here on is handed out as a view instead of being copied.
_VIEW_FROM: Final = 64 * 1024
# Small pieces are gathered in one growing buffer, so that a peer that sends
# single bytes costs single bytes.
_SMALL_PIECE: Final = 4096

_unpack = HEADER.unpack_from
_unpack_plain = PLAIN_HEADER.unpack_from
# What `Frame` does with its arguments, without the call in between.
_new_frame = tuple.__new__


class FrameError(Exception):
    """A message that could not be decoded.

    Attributes:
        error: what is wrong, to be shown to the peer.
        frame: the header's values with an empty payload, or None if the header
            itself is unusable.
        fatal: whether the place where the next message begins is unknown, so
            that the connection cannot go on.
    """

    def __init__(
        self, error: ProtocolError, frame: Frame | None = None, *, fatal: bool = True
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.frame = frame
        self.fatal = fatal


class Decoder:
    """Turns the bytes of one direction of a connection into frames.

    Give it bytes with `receive_data`, then take frames with `next_frame` until
    it returns None.

    Attributes:
        max_size: the most bytes of payload and annotations of one message, both
            as received and inflated.
        max_annotations: the most annotation chunks of one message.
        accepted: the message types that are allowed now.
    """

    __slots__ = (
        "_checked",
        "_data",
        "_needed",
        "_start",
        "_tail",
        "_tail_size",
        "accepted",
        "max_annotations",
        "max_size",
    )

    def __init__(
        self, max_size: int, max_annotations: int, accepted: Container[int]
    ) -> None:
        self.max_size: int = max_size
        self.max_annotations: int = max_annotations
        self.accepted: Container[int] = accepted
        self._data: bytes | memoryview | bytearray = b""
        self._start = 0
        self._tail: list[bytes | bytearray] = []
        self._tail_size = 0
        self._needed = HEADER_SIZE
        self._checked = False

    @property
    def buffered(self) -> int:
        """How many received bytes have not become a frame yet."""
        return len(self._data) - self._start + self._tail_size

    @property
    def missing(self) -> int:
        """How many bytes the next frame, or its header, still needs."""
        return self._needed - self.buffered

    def receive_data(self, data: bytes) -> None:
        """Take over bytes that were received; they must not change afterwards."""
        if self._start == len(self._data):
            self._data = data
            self._start = 0
        elif len(data) >= _SMALL_PIECE:
            self._tail.append(data)
            self._tail_size += len(data)
        else:
            if self._tail and type(self._tail[-1]) is bytearray:
                self._tail[-1] += data
            else:
                self._tail.append(bytearray(data))
            self._tail_size += len(data)

    def only_frame(self, data: bytes) -> Frame | None:
        """Return the frame that ``data`` is, if it is exactly one plain message.

        That is what a receive usually gives, and this is the short way for it.
        With anything else None is returned and nothing has happened: go the long
        way, by `receive_data` and `next_frame`.
        """
        size = len(data) - HEADER_SIZE
        if size < 0 or self._start != len(self._data):
            return None
        (
            prefix,
            kind,
            serializer_id,
            flags,
            sequence,
            payload_size,
            chunks_size,
            magic,
        ) = _unpack_plain(data)
        if (
            payload_size != size
            or chunks_size
            or flags & _UNUSUAL
            or magic != MAGIC
            or prefix != PREFIX
            or size > self.max_size
            or kind not in self.accepted
        ):
            return None
        payload = data[HEADER_SIZE:]
        return _new_frame(
            Frame,
            (kind, serializer_id, flags, sequence, payload, NO_ANNOTATIONS, None),
        )

    def next_frame(self) -> Frame | None:  # noqa: PLR0912 - one check after the other
        """Return the next complete frame, or None if more bytes are needed.

        Raises:
            FrameError: the bytes are not a valid message. Unless the error is
                fatal, decoding can go on with the next message.
        """
        data = self._data
        start = self._start
        available = len(data) - start + self._tail_size
        if available < self._needed:
            if available >= _PREFIX_SIZE and not self._checked:
                self._check_prefix(bytes(self._join()[:_PREFIX_SIZE]))
            return None
        if self._tail:
            data = self._join()
            start = 0
        (
            tag,
            version,
            kind,
            serializer_id,
            flags,
            sequence,
            size,
            chunks_size,
            correlation_id,
            _reserved,
            magic,
        ) = _unpack(data, start)
        if tag != TAG or version != PROTOCOL_VERSION:
            self._check_prefix(bytes(data[start : start + _PREFIX_SIZE]))
        if magic != MAGIC:
            raise FrameError(RemoteProtocolError("invalid message or protocol version"))
        if not flags & FLAG_CORRELATION:
            correlation_id = None
        if size + chunks_size > self.max_size:
            raise FrameError(
                MessageTooLargeError(
                    f"message too large ({size + chunks_size}, max={self.max_size})"
                ),
                Frame(
                    kind, serializer_id, flags, sequence, b"", NO_ANNOTATIONS,
                    correlation_id,
                ),
            )  # fmt: skip
        if kind not in self.accepted:
            raise FrameError(_unexpected_kind(kind, self.accepted))
        body = start + HEADER_SIZE
        end = body + chunks_size + size
        if available < end - start:
            self._needed = end - start
            self._checked = True
            return None
        self._start = end
        self._needed = HEADER_SIZE
        self._checked = False
        content = body + chunks_size
        payload: bytes | memoryview
        if size < _VIEW_FROM:
            payload = bytes(data[content:end])
        else:
            payload = memoryview(data)[content:end]
        if not chunks_size and not flags & FLAG_COMPRESSED:
            return Frame(
                kind, serializer_id, flags, sequence, payload, NO_ANNOTATIONS,
                correlation_id,
            )  # fmt: skip
        annotations = NO_ANNOTATIONS
        try:
            if flags & FLAG_COMPRESSED:
                flags &= ~FLAG_COMPRESSED
                payload = _inflate(payload, self.max_size - chunks_size)
            if chunks_size:
                annotations = _decode_annotations(
                    memoryview(data)[body:content].toreadonly(), self.max_annotations
                )
        except (RemoteProtocolError, MessageTooLargeError) as error:
            frame = Frame(
                kind, serializer_id, flags, sequence, b"", NO_ANNOTATIONS,
                correlation_id,
            )  # fmt: skip
            raise FrameError(error, frame, fatal=False) from error
        return Frame(
            kind, serializer_id, flags, sequence, payload, annotations, correlation_id
        )

    def _join(self) -> bytes | memoryview | bytearray:
        """Bring all that was received, and is not consumed yet, into one buffer."""
        if self._tail:
            rest = memoryview(self._data)[self._start :]
            self._data = b"".join([rest, *self._tail])
            self._start = 0
            self._tail = []
            self._tail_size = 0
        elif self._start:
            self._data = self._data[self._start :]
            self._start = 0
        return self._data

    def _check_prefix(self, prefix: bytes) -> None:
        """Refuse a peer that speaks something else, before its header is complete."""
        if not prefix.startswith(TAG):
            raise FrameError(RemoteProtocolError("invalid data"))
        if prefix[4:] != _VERSION:
            version = int.from_bytes(prefix[4:], "big")
            raise FrameError(
                RemoteProtocolError(f"invalid protocol version: {version}")
            )
        self._checked = True


def _unexpected_kind(kind: int, accepted: Any) -> RemoteProtocolError:
    expected = ", ".join(str(int(one)) for one in sorted(accepted))
    return RemoteProtocolError(
        f"invalid msg type {kind} received (expected: {expected})"
    )


def _inflate(payload: bytes | memoryview, limit: int) -> bytes:
    """Inflate a payload that must not become larger than ``limit`` bytes."""
    inflater = zlib.decompressobj()
    try:
        # One byte more than allowed tells "just full" from "too large".
        result = inflater.decompress(payload, limit + 1)
    except zlib.error as error:
        raise RemoteProtocolError(f"invalid compressed data: {error}") from error
    if len(result) > limit:
        raise MessageTooLargeError(
            f"message too large (inflated to more than {limit}, max={limit})"
        )
    if not inflater.eof or inflater.unused_data:
        raise RemoteProtocolError("invalid compressed data: wrong length")
    return result


def _decode_annotations(chunks: memoryview, most: int) -> Annotations:
    """Split the annotation chunks; of repeated ids the last one wins."""
    annotations: dict[str, memoryview] = {}
    position, size, count = 0, len(chunks), 0
    while position < size:
        if size - position < CHUNK.size:
            raise RemoteProtocolError("invalid annotations: chunk header cut off")
        name, length = CHUNK.unpack_from(chunks, position)
        position += CHUNK.size
        if length > size - position:
            raise RemoteProtocolError("annotation chunk length exceeds remaining data")
        count += 1
        if count > most:
            raise RemoteProtocolError(f"invalid annotations: more than {most} chunks")
        try:
            key = name.decode("ascii")
        except UnicodeDecodeError as error:
            raise RemoteProtocolError(
                f"invalid annotations: id {name!r} is not ASCII"
            ) from error
        annotations[key] = chunks[position : position + length]
        position += length
    return annotations
