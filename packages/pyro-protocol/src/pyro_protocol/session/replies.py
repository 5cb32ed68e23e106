"""What the answer to a request means: a value, an exception, or a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

from ..errors import RemoteProtocolError, SerializeError, show_remote_traceback
from ..frozen import NamedTuple
from ..serializers import Serializer, serializers, serializers_by_id
from ..serializers.opt_in import PICKLED_NAMES, opted_in
from ..wire import FLAG_EXCEPTION, FLAG_STREAM, Frame

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["STREAM_ANNOTATION", "StreamReference", "raise_remote", "read_reply"]

STREAM_ANNOTATION: Final = "STRM"
"""The annotation of a RESULT that holds the id of the stream it starts."""

_SERPENT_ID: Final = serializers["serpent"].id


class StreamReference(NamedTuple):
    """The call produced a stream.

    Attributes:
        stream_id: what to ask the server for items by.
    """

    stream_id: str


def read_reply(
    frame: Frame,
    serializer_id: int,
    known: Mapping[int, Serializer] = serializers_by_id,
) -> Any:
    """Return what a RESULT holds; raise the exception it holds.

    Args:
        frame: the answer.
        serializer_id: the id of the serializer of the request.
        known: what reads answers, by id.

    Raises:
        SerializeError: the payload cannot be decoded, or is written with another
            serializer than the request.
        ProtocolError: the result is an iterator and the server does not stream.
        Exception: whatever the method raised.
    """
    flags = frame.flags
    serializer = known.get(frame.serializer_id)
    if serializer is None and frame.serializer_id == serializer_id:
        # A request is made with the pickle family only if the program chose that.
        name = PICKLED_NAMES.get(serializer_id)
        serializer = None if name is None else opted_in(name)
    if serializer is None or (
        frame.serializer_id != serializer_id
        # A server that does not have ours tells of that in what every Pyro reads.
        and not (flags & FLAG_EXCEPTION and frame.serializer_id == _SERPENT_ID)
    ):
        raise SerializeError(
            f"the server answered with serializer id {frame.serializer_id}, "
            f"the request was made with {serializer_id}"
        )
    if not flags & FLAG_EXCEPTION:
        return serializer.loads(frame.payload)
    if flags & FLAG_STREAM:
        identifier = frame.annotations.get(STREAM_ANNOTATION)
        if identifier is not None:
            try:
                return StreamReference(str(identifier, "ascii"))
            except UnicodeDecodeError as failure:
                raise RemoteProtocolError("the stream id is not ASCII") from failure
    return raise_remote(serializer.loads_exception(frame.payload))


def raise_remote(error: object) -> NoReturn:
    """Raise an exception that was received.

    Raises:
        RemoteProtocolError: it is none.
        Exception: what was received.
    """
    if not isinstance(error, Exception):
        raise RemoteProtocolError(
            f"the peer announced an exception and sent {type(error).__name__}"
        )
    show_remote_traceback(error)
    try:
        raise error
    finally:
        # The exception refers to this frame, and the frame must not refer back:
        # the cycle would keep the callers' proxies until garbage collection.
        del error
