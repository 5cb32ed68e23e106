"""The payload of a large message, received into its final place.

A payload of many bytes is not gathered from pieces: its objects are made as soon as
its size is known, and the bytes go into them as they arrive. The system gives an
object that large its memory as it is written, so that memory follows what has
arrived, and not what was announced.

Where the annotation ``BUFS`` says so, the payload is a head and, after it, buffers
that become objects of their own. For each buffer the annotation holds its length
as a uint32 and its kind as a uint8: 0 becomes bytes, 1 a bytearray.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from io import BytesIO
from typing import TYPE_CHECKING, Final

from ..errors import MessageTooLargeError, RemoteProtocolError
from .frame import (
    BUFFER_ENTRY,
    BUFFERS_ANNOTATION,
    FLAG_COMPRESSED,
    IMMUTABLE,
    MAX_BUFFERS,
    MUTABLE,
    SplitPayload,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .frame import Annotations, Buffer, Frame

__all__ = ["BODY_FROM", "Body", "read_layout", "split"]

BODY_FROM: Final = 64 * 1024
"""Size in bytes of a payload from which it is received into its final place: the
size of a usual read, so that smaller ones have mostly arrived already."""

_GROW_FROM: Final = 1024 * 1024
"""Size in bytes from which a bytearray grows as its bytes arrive: other than bytes, it
takes its memory at once, which must not be a gift to whoever announces a lot."""


class _Space(BytesIO):
    """Bytes that are written through a view of them."""

    __slots__ = ()

    def close(self) -> None:
        # The garbage collector may come here while the view is still there, and what
        # it cannot close it would complain of.
        with suppress(BufferError):
            super().close()


class _Target:
    """One object being received: bytes or a bytearray of a known size."""

    __slots__ = ("_object", "size", "view")

    def __init__(self, size: int, kind: int) -> None:
        self._object: BytesIO | bytearray
        self.size = size
        if kind == MUTABLE:
            doublings = (size // _GROW_FROM).bit_length()
            self._object = bytearray((size >> doublings) + 1 if doublings else size)
            self.view = memoryview(self._object)
        else:
            # The one way to write into what becomes bytes without a copy.
            self._object = _Space(bytes(size))
            self.view = self._object.getbuffer()

    def grow(self) -> None:
        """Make a bytearray larger, all of which has been written."""
        if isinstance(self._object, BytesIO):
            return
        self.view.release()
        try:
            # Large objects are moved by changing addresses, not by copying.
            self._object *= 2
        except BufferError:
            # Whoever has written into the space of before still holds it.
            self._object = self._object * 2
        del self._object[self.size :]
        self.view = memoryview(self._object)

    def finish(self) -> bytes | bytearray:
        """Return the object, which is complete."""
        self.view.release()
        if isinstance(self._object, BytesIO):
            return self._object.getvalue()
        return self._object


@contextmanager
def _told_of_memory(size: int) -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise MessageTooLargeError(
            f"message too large (no memory for a buffer of {size} bytes)"
        ) from error


class Body:
    """The payload of one message while it is being received.

    Args:
        head: the message without its payload.
        layout: length and kind of the objects that the payload is made of.
        problem: what is wrong with the message, which must be received all the same.

    Raises:
        MessageTooLargeError: there is no memory for it.

    Attributes:
        head: the message without its payload.
        missing: how many bytes have not arrived yet.
        filled: how many have.
        problem: what is wrong with the message, or None.
    """

    __slots__ = (
        "_current",
        "_done",
        "_layout",
        "_position",
        "filled",
        "head",
        "missing",
        "problem",
    )

    def __init__(
        self,
        head: Frame,
        layout: Sequence[tuple[int, int]],
        problem: RemoteProtocolError | None = None,
    ) -> None:
        self.head: Frame = head
        self.problem: RemoteProtocolError | None = problem
        self._layout = [*reversed(layout)]
        self.missing: int = sum(size for size, _kind in layout)
        self.filled: int = 0
        self._done: list[bytes | bytearray] = []
        self._next_target()

    def _next_target(self) -> None:
        """Begin the next object that has any bytes."""
        while self._layout:
            size, kind = self._layout.pop()
            with _told_of_memory(size):
                self._current = _Target(size, kind)
            self._position = 0
            if size:
                return
            self._done.append(self._current.finish())

    @property
    def space(self) -> memoryview:
        """Where the next bytes belong; never empty while bytes are missing."""
        if self._position == self._current.view.nbytes:
            with _told_of_memory(self._current.size):
                self._current.grow()
        return self._current.view[self._position :]

    def written(self, count: int) -> None:
        """Take notice of ``count`` bytes that were written into `space`."""
        self._position += count
        self.filled += count
        self.missing -= count
        if self._position == self._current.size:
            self._done.append(self._current.finish())
            self._next_target()

    def fill(self, data: Buffer) -> int:
        """Copy in as much of ``data`` as belongs here, and return how much that was."""
        source = memoryview(data)[: self.missing]
        taken = 0
        while taken < len(source):
            space = self.space
            count = min(len(space), len(source) - taken)
            space[:count] = source[taken : taken + count]
            taken += count
            self.written(count)
        return taken

    def payload(self) -> bytes | SplitPayload:
        """Return the payload, which is complete."""
        head, *buffers = self._done
        return SplitPayload(bytes(head), buffers) if buffers else bytes(head)


def read_layout(
    flags: int, annotations: Annotations, size: int
) -> list[tuple[int, int]]:
    """Return length and kind of the parts of a payload, the head first.

    Args:
        flags: the flags of the message.
        annotations: its annotations, ``BUFS`` among them.
        size: the size of the payload in bytes.

    Raises:
        RemoteProtocolError: they do not fit together.
    """
    table = annotations[BUFFERS_ANNOTATION]
    if flags & FLAG_COMPRESSED:
        raise RemoteProtocolError("buffers that stand apart cannot be compressed")
    if len(table) % BUFFER_ENTRY.size:
        raise RemoteProtocolError(f"annotation {BUFFERS_ANNOTATION} is cut off")
    count = len(table) // BUFFER_ENTRY.size
    if count > MAX_BUFFERS:
        raise RemoteProtocolError(
            f"{count} buffers stand apart in one message (max={MAX_BUFFERS})"
        )
    layout = list(BUFFER_ENTRY.iter_unpack(table))
    rest = size - sum(length for length, _kind in layout)
    if rest < 0:
        raise RemoteProtocolError(
            f"annotation {BUFFERS_ANNOTATION} tells of more bytes than there are"
        )
    if any(kind not in (IMMUTABLE, MUTABLE) for _length, kind in layout):
        raise RemoteProtocolError(
            f"annotation {BUFFERS_ANNOTATION} holds an unknown kind of buffer"
        )
    return [(rest, IMMUTABLE), *layout]


def split(payload: bytes, layout: Sequence[tuple[int, int]]) -> SplitPayload:
    """Return a payload that has arrived in one piece, cut into its parts."""
    view = memoryview(payload)
    parts: list[bytes | bytearray] = []
    position = 0
    for length, kind in layout:
        part = view[position : position + length]
        parts.append(bytes(part) if kind == IMMUTABLE else bytearray(part))
        position += length
    return SplitPayload(bytes(parts[0]), parts[1:])
