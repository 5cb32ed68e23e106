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

__all__ = ["BODY_FROM", "WHOLE_UP_TO", "Body", "read_layout", "split"]

BODY_FROM: Final = 64 * 1024
"""Size in bytes of a payload from which it is received into its final place: the
size of a usual read, so that smaller ones have mostly arrived already."""

_GROW_FROM: Final = 1024 * 1024
"""Size in bytes from which a bytearray grows as its bytes arrive: other than bytes, it
takes its memory at once, which must not be a gift to whoever announces a lot."""

WHOLE_UP_TO: Final = 4 * 1024 * 1024
"""Size in bytes up to which bytes may be received as one object. Space for them would
be cleared before anything is written. Larger ones take a receive longer than it may
wait, and the part that it returns would have to be copied."""

_KINDS: Final = (IMMUTABLE, MUTABLE)


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

    Objects are made when their first bytes are there, other than large ones: whether
    there is memory for those is to be known at once.

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
        whole_size: how many bytes become one object that nothing has arrived of:
            received in one piece, and given to `fill`, they are that object. 0 if
            the next bytes are better received into `space`.
    """

    __slots__ = (
        "_current",
        "_done",
        "_layout",
        "_lent",
        "_position",
        "filled",
        "head",
        "missing",
        "problem",
        "whole_size",
    )

    def __init__(
        self,
        head: Frame,
        layout: Sequence[tuple[int, int]],
        problem: RemoteProtocolError | None = None,
    ) -> None:
        self.head: Frame = head
        self.problem: RemoteProtocolError | None = problem
        self._layout = [*layout]
        self._layout.reverse()
        self.missing: int = 0
        for size, _kind in layout:
            self.missing += size
        self.filled: int = 0
        self.whole_size: int = 0
        self._done: list[bytes | bytearray] = []
        self._lent: memoryview | None = None
        self._current: _Target | None = None
        self._position = 0
        self._next_object()

    def _next_object(self) -> None:
        """Begin the next object that has any bytes."""
        self.whole_size = 0
        while self._layout:
            size, kind = self._layout.pop()
            if not size:
                self._done.append(bytearray() if kind == MUTABLE else b"")
                continue
            if kind == IMMUTABLE and size <= WHOLE_UP_TO:
                self.whole_size = size
            else:
                self._begin_target(size, kind)
            return

    def _begin_target(self, size: int, kind: int) -> _Target:
        with _told_of_memory(size):
            self._current = _Target(size, kind)
        self._position = self.whole_size = 0
        return self._current

    @property
    def space(self) -> memoryview:
        """Where the next bytes belong; never empty while bytes are missing.

        It is of no use any more after `written`, or when it is asked for again.
        """
        self._take_back()
        current = self._current
        if current is None:
            current = self._begin_target(self.whole_size, IMMUTABLE)
        elif self._position == current.view.nbytes:
            with _told_of_memory(current.size):
                current.grow()
        self._lent = current.view[self._position :]
        return self._lent

    def _take_back(self) -> None:
        """Release the space that was asked for.

        While there is a view of it, what is made of it would be a copy.
        """
        if self._lent is not None:
            # Who writes into it still may have another view of it.
            with suppress(BufferError):
                self._lent.release()
            self._lent = None

    def written(self, count: int) -> None:
        """Take notice of ``count`` bytes that were written into `space`."""
        self._take_back()
        self._position += count
        self.filled += count
        self.missing -= count
        current = self._current
        if current is not None and self._position == current.size:
            self._current = None
            self._done.append(current.finish())
            self._next_object()

    def fill(self, data: Buffer) -> int:
        """Take in as much of ``data`` as belongs here, and return how much that was."""
        size = len(data)
        if 0 < size == self.whole_size and type(data) is bytes:
            self._take(data)
            return size
        source = memoryview(data)
        most = min(size, self.missing)
        taken = 0
        while taken < most:
            whole = self.whole_size
            if 0 < whole <= most - taken:
                self._take(bytes(source[taken : taken + whole]))
                taken += whole
                continue
            space = self.space
            count = min(len(space), most - taken)
            space[:count] = source[taken : taken + count]
            taken += count
            self.written(count)
        return taken

    def _take(self, data: bytes) -> None:
        """Take over bytes that are the whole next object."""
        size = len(data)
        self.filled += size
        self.missing -= size
        self._done.append(data)
        self._next_object()

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
    rest = size
    is_known = True
    for length, kind in layout:
        rest -= length
        is_known = is_known and kind in _KINDS
    if rest < 0:
        raise RemoteProtocolError(
            f"annotation {BUFFERS_ANNOTATION} tells of more bytes than there are"
        )
    if not is_known:
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
