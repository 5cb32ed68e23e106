"""What an object is asked to do, and what it answers."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pyro_protocol.errors import SerializeError
from pyro_protocol.serializers import Serializer, serializers
from pyro_protocol.serializers.native import NativeSerializer

from ..errors import RequestRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyro_protocol.wire import Frame

__all__ = ["Invocation", "Reply", "serializer_for", "written"]

_JSON: Final = serializers["json"]
# Web clients get objects as dictionaries, so that their classes need not be known.
_NATIVE: Final = NativeSerializer(unknown_as_dict=True)


class Invocation(NamedTuple):
    """What an object is asked to do.

    Attributes:
        method: the name of the method.
        args: the positional arguments.
        kwargs: the keyword arguments; None for attributes and batches.
        flags: flags of the message, such as oneway.
        timeout: how many seconds it may take; None means no bound. Of a stream it is
            what its beginning may take, and each item that is waited for.
    """

    method: str
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] | None = None
    flags: int = 0
    timeout: float | None = None


class Reply(NamedTuple):
    """The answer to an invocation, as it was received.

    Attributes:
        frame: the message.
        serializer: what the invocation was written with.
    """

    frame: Frame
    serializer: Serializer


def serializer_for(*, native: bool) -> Serializer:
    """Return what calls are written with on a connection.

    Without the native format it is json, whose results are passed on as they are, so
    that they are what they would be with Pyro5's gateway.

    Args:
        native: whether the daemon has the native format.
    """
    return _NATIVE if native else _JSON


def written(serializer: Serializer, object_id: str, invocation: Invocation) -> bytes:
    """Return the payload of a call.

    Raises:
        RequestRefusedError: an argument cannot be sent.
    """
    try:
        return serializer.dumps_call(
            object_id, invocation.method, invocation.args, invocation.kwargs
        )
    except SerializeError as error:
        raise RequestRefusedError(
            HTTPStatus.BAD_REQUEST,
            f"an argument cannot be sent: {error}",
        ) from error
