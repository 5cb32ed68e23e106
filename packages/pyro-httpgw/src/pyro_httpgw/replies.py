"""What the web client gets for the answer of a remote object."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from pyro_protocol.errors import (
    NamingError,
    RemoteProtocolError,
    SerializeError,
    ServerBusyError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.serializers import serializers, serializers_by_id
from pyro_protocol.wire import FLAG_EXCEPTION

from .errors import CallFailedError
from .messages import JSON, Response, json_response
from .rendering import render_exception, render_value, strict_json

if TYPE_CHECKING:
    from pyro_protocol.serializers import Serializer

    from .objects import Reply

__all__ = ["failed_call", "failure_response", "reply_response"]

_JSON_ID: Final = serializers["json"].id
# Python documents it as unsafe against hostile data.
_UNSAFE: Final = "marshal"


def reply_response(reply: Reply | None) -> Response:
    """Return the answer for a result or an exception of a remote object.

    Args:
        reply: what was received; None for a oneway call, whose answer is empty.

    Raises:
        SerializeError: it cannot be read, or cannot be shown as JSON.
        SecurityError: it names a class that is never built.
    """
    if reply is None:
        return Response(HTTPStatus.OK, (("Content-Type", JSON),))
    frame = reply.frame
    failed = bool(frame.flags & FLAG_EXCEPTION)
    if frame.serializer_id == _JSON_ID:
        status = HTTPStatus.INTERNAL_SERVER_ERROR if failed else HTTPStatus.OK
        return json_response(status, strict_json(bytes(frame.payload)))
    value = _serializer_of(reply, failed=failed).loads(frame.payload)
    if not failed:
        return json_response(HTTPStatus.OK, render_value(value))
    if not isinstance(value, BaseException):
        raise RemoteProtocolError(
            f"the server announced an exception and sent {type(value).__name__}"
        )
    busy = isinstance(value, ServerBusyError)
    return json_response(
        HTTPStatus.SERVICE_UNAVAILABLE if busy else HTTPStatus.INTERNAL_SERVER_ERROR,
        render_exception(value),
    )


def _serializer_of(reply: Reply, *, failed: bool) -> Serializer:
    """Return what the answer can be read with."""
    if reply.frame.serializer_id == reply.serializer.id:
        return reply.serializer
    # A server that cannot read a call says so in a format of its own choice.
    found = serializers_by_id.get(reply.frame.serializer_id)
    if found is None or not failed or found.name == _UNSAFE:
        raise SerializeError(
            f"the server answered with serializer id {reply.frame.serializer_id}, "
            f"the call was made with {reply.serializer.id}"
        )
    return found


def failed_call(error: Exception) -> CallFailedError:
    """Return with its status an error that kept a call from giving an answer."""
    if isinstance(error, CallFailedError):
        return error
    if isinstance(error, TimeoutError):
        return CallFailedError(HTTPStatus.GATEWAY_TIMEOUT, error)
    if isinstance(error, NamingError | ServerBusyError):
        return CallFailedError(HTTPStatus.SERVICE_UNAVAILABLE, error)
    return CallFailedError(HTTPStatus.BAD_GATEWAY, error)


def failure_response(failure: CallFailedError) -> Response:
    """Return the answer for a call that failed on this side of the object."""
    return json_response(failure.status, render_exception(failure.error))
