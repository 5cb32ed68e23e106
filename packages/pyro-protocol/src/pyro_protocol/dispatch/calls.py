"""What a request asks for, and the one outcome that is not a plain value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..frozen import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "BATCH_METHOD",
    "GET_ATTRIBUTE",
    "PLAIN_RESULTS",
    "SET_ATTRIBUTE",
    "Call",
    "StreamStarted",
]

GET_ATTRIBUTE = "__getattr__"
SET_ATTRIBUTE = "__setattr__"
BATCH_METHOD = "<batch>"

PLAIN_RESULTS: Final = frozenset(
    {
        type(None),
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        bytearray,
        list,
        tuple,
        dict,
        set,
    }
)
"""Values of these types are what they are; only others can be a stream or a
coroutine, and asking an abstract class about each result would cost more than
the rest of the dispatch."""


class Call(NamedTuple):
    """A decoded request.

    Attributes:
        object_id: the id of the object.
        method: the name of the method, or one of the names above.
        args: the positional arguments; of a batch, the list of its calls.
        kwargs: the keyword arguments, or None.
        batch: whether it is a batch.
    """

    object_id: str
    method: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any] | None
    batch: bool = False


class StreamStarted(NamedTuple):
    """The outcome of a call that returned an iterator.

    Attributes:
        stream_id: what the client asks for items by; None if streaming is off.
        number: the number of the stream, if its items are sent in chunks.
    """

    stream_id: str | None
    number: int | None = None
