"""The incremental decoder: received bytes in, messages out."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from ..config import PROTOCOL_VERSION
from ..errors import MessageTooLargeError, RemoteProtocolError
from .body import BODY_FROM, Body, read_layout, split
from .frame import (
    BUFFER_ENTRY,
    BUFFERS_ANNOTATION,
    CHUNK,
    FLAG_COMPRESSED,
    FLAG_CORRELATION,
    HEADER,
    HEADER_SIZE,
    IMMUTABLE,
    JOIN_BELOW,
    MAGIC,
    MUTABLE,
    NO_ANNOTATIONS,
    PREFIX,
    SHORT_HEADER,
    TAG,
    Annotations,
    Buffer,
    Frame,
    SplitPayload,
)

if TYPE_CHECKING:
    from collections.abc import Container

    from ..errors import ProtocolError

__all__ = [
    "INFLATE_FREELY",
    "MAX_ANNOTATIONS_SIZE",
    "MAX_INFLATE_RATIO",
    "Decoder",
    "FrameError",
    "inflate_payload",
]

_PREFIX_SIZE: Final = 6
_VERSION: Final = PROTOCOL_VERSION.to_bytes(2, "big")
MAX_ANNOTATIONS_SIZE: Final = 64 * 1024 * 1024
"""The most bytes of all annotations of one message, unless another limit is set.
Programs are known to send files in annotations, in pieces of some megabytes."""

MAX_INFLATE_RATIO: Final = 200
"""How many times larger a message may become, unless another limit is set. Sparse
measurements reach about 100; what is beyond is all zeros, or an attack."""

INFLATE_FREELY: Final = 16 * 1024 * 1024
"""Size in bytes up to which a message may become larger at any ratio: that much
costs nobody anything, and short messages of equal values are common."""

# Small pieces are gathered in one growing buffer, so that a peer that sends
# single bytes costs single bytes.
_SMALL_PIECE: Final = 4096
# How many compressed bytes are inflated in one step: they become 4 MiB at most.
_INFLATED_AT_ONCE: Final = 4 * 1024

_unpack = HEADER.unpack_from
_unpack_short = SHORT_HEADER.unpack_from
_unpack_chunk = CHUNK.unpack_from
_CHUNK_SIZE: Final = CHUNK.size
# What a message begins with, up to its sequence number; the size of its payload; and
# how the header goes on if nothing but that follows.
_ALIKE: Final = struct.Struct("!10sHI24s")
_NOTHING_ELSE: Final = struct.pack("!I18xH", 0, MAGIC)
_KIND_AT: Final = 6
_SERIALIZER_AT: Final = 7
_FLAGS: Final = slice(8, 10)
_unpack_alike = _ALIKE.unpack_from
# The annotation of a message that has one large buffer, and what that begins with.
_ONE_ENTRY: Final = struct.Struct(f"!{CHUNK.size}s{BUFFER_ENTRY.format[1:]}")
_ONE_ENTRY_HEAD: Final = CHUNK.pack(BUFFERS_ANNOTATION.encode(), BUFFER_ENTRY.size)
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
    it returns None. In the midst of a large message `space` is where its next
    bytes belong: write them there and say how many with `receive_written`, and
    they are copied no more.

    Args:
        max_size: see below.
        max_annotations: see below.
        accepted: see below.
        max_annotations_size: see below.
        max_inflate_ratio: see below.

    Attributes:
        max_size: the most bytes of payload and annotations of one message, both
            as received and inflated.
        max_annotations: the most annotation chunks of one message.
        accepted: the message types that are allowed now.
        max_annotations_size: the most bytes of all annotations of one message.
        max_inflate_ratio: how many times larger than it arrived a message may
            become, beyond the size of ``INFLATE_FREELY``.
        splits: whether a message may tell which of its buffers stand apart.
        large_start: how many bytes of the last large message stood before its large
            objects; 0 if that was not little. Large messages mostly follow others of
            the same kind: if no more than that is received of the next one, its
            objects can be received into their places.
        inflates: whether compressed payloads are inflated here. Otherwise the
            frame keeps ``FLAG_COMPRESSED``, and `inflate` does it later.
    """

    __slots__ = (
        "_body",
        "_checked",
        "_data",
        "_needed",
        "_start",
        "_tail",
        "_tail_size",
        "accepted",
        "inflates",
        "large_start",
        "max_annotations",
        "max_annotations_size",
        "max_inflate_ratio",
        "max_size",
        "splits",
    )

    def __init__(
        self,
        max_size: int,
        max_annotations: int,
        accepted: Container[int],
        *,
        max_annotations_size: int = MAX_ANNOTATIONS_SIZE,
        max_inflate_ratio: int = MAX_INFLATE_RATIO,
    ) -> None:
        self.max_size: int = max_size
        self.max_annotations: int = max_annotations
        self.accepted: Container[int] = accepted
        self.max_annotations_size: int = max_annotations_size
        self.max_inflate_ratio: int = max_inflate_ratio
        self.splits: bool = False
        self.inflates: bool = True
        self.large_start: int = 0
        self._data: bytes | memoryview | bytearray = b""
        self._start = 0
        # Made when it is needed, which in most connections is never.
        self._tail: list[bytes | bytearray] | None = None
        self._tail_size = 0
        self._needed = HEADER_SIZE
        self._checked = False
        self._body: Body | None = None

    @property
    def buffered(self) -> int:
        """How many received bytes have not become a frame yet."""
        if self._body is not None:
            return HEADER_SIZE + self._body.filled
        return len(self._data) - self._start + self._tail_size

    @property
    def untouched(self) -> bytes | None:
        """All that was received, if it came in one piece and nothing is read yet."""
        data = self._data
        return data if type(data) is bytes and not (self._start or self._tail) else None

    def forget(self) -> None:
        """Drop what was received and not read yet, at the beginning of a message."""
        self._data = b""
        self._tail = None
        self._start = self._tail_size = 0

    def take(self) -> bytes:
        """Return what was received and not read yet, and drop it."""
        data = bytes(self._join())
        self.forget()
        return data

    @property
    def missing(self) -> int:
        """How many bytes the next frame, or its header, still needs."""
        if self._body is not None:
            return self._body.missing
        return self._needed - self.buffered

    @property
    def whole_size(self) -> int:
        """How many bytes to receive in one piece, if that is possible; 0 if it is not.

        Given to `receive_data` they are not copied, nor is `space` made for them.
        """
        return 0 if self._body is None else self._body.whole_size

    @property
    def space(self) -> memoryview | None:
        """Where the next bytes belong, in the midst of a large message, else None."""
        return None if self._body is None else self._body.space

    def receive_data(self, data: bytes) -> None:
        """Take over bytes that were received; they must not change afterwards."""
        if self._start == len(self._data):
            self._data = data
            self._start = 0
        elif self._body is not None:
            taken = self._body.fill(data)
            if taken < len(data):
                self._put_aside(data[taken:])
        else:
            self._put_aside(data)

    def _put_aside(self, data: bytes) -> None:
        """Keep bytes that follow those received before, until all are needed."""
        if self._tail is None:
            self._tail = []
        self._tail_size += len(data)
        last = self._tail[-1] if self._tail else None
        if len(data) >= _SMALL_PIECE:
            self._tail.append(data)
        elif type(last) is bytearray:
            last += data
        else:
            self._tail.append(bytearray(data))

    def receive_written(self, count: int) -> None:
        """Take notice that ``count`` bytes have been written into `space`."""
        if self._body is not None:
            self._body.written(count)

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
            correlation_id,
            magic,
        ) = _unpack_short(data)
        if (
            payload_size != size
            or chunks_size
            or flags & FLAG_COMPRESSED
            or magic != MAGIC
            or prefix != PREFIX
            or size > self.max_size
            or kind not in self.accepted
        ):
            return None
        if not flags & FLAG_CORRELATION:
            correlation_id = None
        payload = data[HEADER_SIZE:]
        return _new_frame(
            Frame,
            (kind, serializer_id, flags, sequence, payload, NO_ANNOTATIONS,
             correlation_id),
        )  # fmt: skip

    def frames_alike(self, kind: int) -> list[Frame]:
        """Return the next complete frames, as far as they are small and alike.

        Many answers, or calls, often arrive together; this is the short way for them.
        All are of one kind and have one serializer, no flags, and nothing but a small
        payload. Whatever else follows is left to `next_frame`.

        Args:
            kind: the type of message, which must be allowed.
        """
        frames: list[Frame] = []
        if self._body is not None:
            return frames
        data = self._join() if self._tail else self._data
        start = begun = self._start
        end = start + HEADER_SIZE
        length = len(data)
        if length < end:
            return frames
        wanted = bytes(data[start : start + 10])
        if (
            wanted[:_PREFIX_SIZE] != PREFIX
            or wanted[_KIND_AT] != kind
            or any(wanted[_FLAGS])
        ):
            return frames
        serializer_id = wanted[_SERIALIZER_AT]
        add = frames.append
        while end <= length:
            beginning, sequence, size, rest = _unpack_alike(data, start)
            if beginning != wanted or rest != _NOTHING_ELSE or size >= JOIN_BELOW:
                break
            body = end
            end += size
            if end > length:
                break
            payload = bytes(data[body:end])
            add(
                _new_frame(
                    Frame,
                    (kind, serializer_id, 0, sequence, payload, NO_ANNOTATIONS, None),
                )
            )
            start = end
            end += HEADER_SIZE
        if start != begun:
            if start == length:
                # As `next_frame` does.
                self._data = b""
                start = 0
            self._start = start
            self._needed = HEADER_SIZE
            self._checked = False
            self.large_start = 0
        return frames

    def next_frame(self) -> Frame | None:  # noqa: PLR0912 - the hot path, in one frame
        """Return the next complete frame, or None if more bytes are needed.

        Raises:
            FrameError: the bytes are not a valid message. Unless the error is
                fatal, decoding can go on with the next message.
        """
        if self._body is not None:
            return self._end_body(self._body)
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
        if size + chunks_size > self.max_size or (
            chunks_size > self.max_annotations_size
        ):
            head = Frame(
                kind, serializer_id, flags, sequence, b"",
                correlation_id=correlation_id,
            )  # fmt: skip
            raise FrameError(self._too_large(size, chunks_size), head)
        if kind not in self.accepted:
            raise FrameError(_unexpected_kind(kind, self.accepted))
        body = start + HEADER_SIZE
        content = body + chunks_size
        end = content + size
        if available < end - start:
            if size < BODY_FROM or available < content - start:
                self._needed = (end if size < BODY_FROM else content) - start
                self._checked = True
                return None
            head = _new_frame(
                Frame,
                (
                    kind, serializer_id, flags, sequence, b"", NO_ANNOTATIONS,
                    correlation_id,
                ),
            )  # fmt: skip
            self._begin_body(head, memoryview(data)[body:], chunks_size, size)
            return None
        if end == len(data):
            # An idle connection keeps nothing of its last message.
            self._data = b""
            self._start = 0
        else:
            self._start = end
        self._needed = HEADER_SIZE
        self._checked = False
        self.large_start = 0
        payload = bytes(data[content:end])
        frame = _new_frame(
            Frame,
            (
                kind, serializer_id, flags, sequence, payload, NO_ANNOTATIONS,
                correlation_id,
            ),
        )  # fmt: skip
        if not chunks_size and not flags & FLAG_COMPRESSED:
            return frame
        return self._completed(frame, payload, memoryview(data)[body:content])

    def _too_large(self, size: int, chunks_size: int) -> MessageTooLargeError:
        if size + chunks_size > self.max_size:
            return MessageTooLargeError(
                f"message too large ({size + chunks_size}, max={self.max_size})"
            )
        return MessageTooLargeError(
            f"annotations too large ({chunks_size}, max={self.max_annotations_size}; "
            "see MAX_ANNOTATIONS_SIZE)"
        )

    def _begin_body(
        self, head: Frame, data: memoryview, chunks_size: int, size: int
    ) -> None:
        """Have the payload of a large message received into its final place.

        Args:
            head: the message without annotations and payload.
            data: the annotations and what has arrived of the payload.
            chunks_size: the size of the annotations.
            size: the size of the payload.
        """
        layout = [(size, IMMUTABLE)]
        problem: RemoteProtocolError | None = None
        try:
            if (
                chunks_size == _ONE_ENTRY.size
                and data[: len(_ONE_ENTRY_HEAD)] == _ONE_ENTRY_HEAD
                and self.splits
                and self.max_annotations
                and not head.flags & FLAG_COMPRESSED
                and (entry := _ONE_ENTRY.unpack_from(data))[1] <= size
                and entry[2] <= MUTABLE
            ):
                # One large buffer and no other annotations, as there mostly is.
                layout = [(size - entry[1], IMMUTABLE), entry[1:]]
            elif chunks_size:
                annotations = _decode_annotations(
                    data[:chunks_size].toreadonly(), self.max_annotations
                )
                if self.splits and BUFFERS_ANNOTATION in annotations:
                    layout = read_layout(head.flags, annotations, size)
                    annotations = _without_table(annotations)
                # What `_replace` does, which takes several times as long.
                head = _new_frame(Frame, (*head[:5], annotations, head[6]))
        except RemoteProtocolError as error:
            # It is told when the message has ended, so that the connection can go on.
            problem = error
        start = HEADER_SIZE + chunks_size
        if len(layout) > 1:
            start += layout[0][0]
        self.large_start = start if start < BODY_FROM else 0
        try:
            self._body = Body(head, layout, problem)
            self._body.fill(data[chunks_size:])
        except MessageTooLargeError as error:
            raise FrameError(error, head) from error
        self._data = b""
        # No position in the data: what arrives belongs to the body.
        self._start = -1
        self._needed = HEADER_SIZE
        self._checked = False

    def _end_body(self, body: Body) -> Frame | None:
        """Return the frame of a large message, if all of it has arrived."""
        if body.missing:
            return None
        self._body = None
        self._start = 0
        # What has arrived of the next message must stay before what arrives now.
        self._join()
        if body.problem is not None:
            raise FrameError(body.problem, body.head, fatal=False)
        head = body.head
        frame = _new_frame(Frame, (*head[:4], body.payload(), *head[5:]))
        return self._completed(frame) if head.flags & FLAG_COMPRESSED else frame

    def _completed(
        self, frame: Frame, whole: bytes = b"", chunks: memoryview | None = None
    ) -> Frame:
        """Return a frame with its annotations read and its payload inflated.

        Args:
            frame: what is known so far.
            whole: the payload, if the annotations are not read yet.
            chunks: the annotations, if they are not read yet.
        """
        try:
            if chunks:
                annotations = _decode_annotations(
                    chunks.toreadonly(), self.max_annotations
                )
                payload: bytes | SplitPayload = whole
                if self.splits and BUFFERS_ANNOTATION in annotations:
                    layout = read_layout(frame.flags, annotations, len(whole))
                    payload = split(whole, layout)
                    annotations = _without_table(annotations)
                # What `_replace` does, which takes several times as long.
                frame = _new_frame(Frame, (*frame[:4], payload, annotations, frame[6]))
            return self.inflate(frame) if self.inflates else frame
        except (RemoteProtocolError, MessageTooLargeError) as error:
            head = frame._replace(
                flags=frame.flags & ~FLAG_COMPRESSED,
                payload=b"",
                annotations=NO_ANNOTATIONS,
            )
            raise FrameError(error, head, fatal=False) from error

    def inflate(self, frame: Frame) -> Frame:
        """Return a frame whose payload is not compressed.

        Raises:
            RemoteProtocolError: the data is malformed.
            MessageTooLargeError: it becomes too large.
        """
        if not frame.flags & FLAG_COMPRESSED:
            return frame
        payload = frame.payload
        if isinstance(payload, SplitPayload):
            raise RemoteProtocolError("buffers that stand apart cannot be compressed")
        chunks_size = sum(CHUNK.size + len(data) for data in frame.annotations.values())
        return frame._replace(
            flags=frame.flags & ~FLAG_COMPRESSED,
            payload=inflate_payload(
                payload, self.max_size - chunks_size, self.max_inflate_ratio
            ),
        )

    def _join(self) -> bytes | memoryview | bytearray:
        """Bring all that was received, and is not consumed yet, into one buffer."""
        if self._tail:
            rest = memoryview(self._data)[self._start :]
            self._data = b"".join([rest, *self._tail])
            self._start = 0
            self._tail = None
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


def inflate_payload(payload: Buffer, limit: int, ratio: int) -> bytes:
    """Inflate a payload that must not become larger than ``limit`` bytes.

    Raises:
        RemoteProtocolError: the data is malformed.
        MessageTooLargeError: it becomes too large, or more than ``ratio`` times as
            large as it came.
    """
    most = min(limit, max(INFLATE_FREELY, ratio * len(payload)))
    inflater = zlib.decompressobj()
    source = memoryview(payload)
    inflated = BytesIO()
    size = position = 0
    try:
        # Piece by piece into what grows in place: zlib would keep everything twice.
        while position < len(source) and size <= most and not inflater.eof:
            piece = source[position : position + _INFLATED_AT_ONCE]
            position += len(piece)
            # One byte more than allowed tells "just full" from "too large".
            size += inflated.write(inflater.decompress(piece, most + 1 - size))
    except zlib.error as error:
        raise RemoteProtocolError(f"invalid compressed data: {error}") from error
    if size > most:
        if most == limit:
            reason = f"inflated to more than {limit}, max={limit}"
        else:
            reason = (
                f"inflated to more than {ratio} times the {len(payload)} bytes that "
                "arrived; see MAX_INFLATE_RATIO"
            )
        raise MessageTooLargeError(f"message too large ({reason})")
    if not inflater.eof or inflater.unused_data or position < len(source):
        raise RemoteProtocolError("invalid compressed data: wrong length")
    return inflated.getvalue()


def _without_table(annotations: Annotations) -> Annotations:
    """Return annotations without the table of buffers, which is no one else's."""
    if len(annotations) == 1:
        return NO_ANNOTATIONS
    return {
        name: value for name, value in annotations.items() if name != BUFFERS_ANNOTATION
    }


def _decode_annotations(chunks: memoryview, most: int) -> Annotations:
    """Split the annotation chunks; of repeated ids the last one wins."""
    annotations: dict[str, memoryview] = {}
    end, size, count = 0, len(chunks), 0
    while end < size:
        start = end + _CHUNK_SIZE
        if start > size:
            raise RemoteProtocolError("invalid annotations: chunk header cut off")
        name, length = _unpack_chunk(chunks, end)
        end = start + length
        if end > size:
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
        annotations[key] = chunks[start:end]
    return annotations
