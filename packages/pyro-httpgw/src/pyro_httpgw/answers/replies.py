"""What the web client gets for the answer of a remote object."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from pyro_protocol.errors import RemoteProtocolError, SerializeError
from pyro_protocol.serializers import serializers, serializers_by_id
from pyro_protocol.wire import FLAG_EXCEPTION

from ..calls.objects import Reply
from ..errors import RequestRefusedError
from ..messages import JSON, Response, json_response
from .negotiation import accepted
from .pictures import PICTURES, picture_type
from .problems import problem_of, problem_response
from .rendering import render_value, strict_json
from .statuses import remote_status
from .streaming import answer_stream

if TYPE_CHECKING:
    from pyro_protocol.serializers import Serializer

    from ..exchange import Exchange
    from .streaming import Items

__all__ = ["answer_of", "reply_response"]

OCTETS: Final = "application/octet-stream"
"""The media type of bytes of which nothing is known."""

_JSON_TYPE: Final = "application/json"
_RAW: Final = (OCTETS, *PICTURES)
# What most programs send; it needs no reading.
_ANY_FORM: Final = frozenset({"", "*/*"})

_JSON_ID: Final = serializers["json"].id
# Python documents it as unsafe against hostile data.
_UNSAFE: Final = "marshal"


async def answer_of(exchange: Exchange, answer: Reply | Items | None) -> Response:
    """Return what the web client gets for what a call has brought.

    Args:
        exchange: the request.
        answer: a reply; a stream, which is closed unless it is passed on; or None for
            a oneway call, whose answer is empty.

    Raises:
        RequestRefusedError: the client takes no form in which the result can be had.
        PyroError: the answer cannot be read, or cannot be shown.
    """
    if answer is not None and not isinstance(answer, Reply):
        return await answer_stream(exchange, answer)
    accept = exchange.request.headers.get("accept", "")
    return reply_response(answer, traceback=exchange.shows_tracebacks, accept=accept)


def reply_response(
    reply: Reply | None, *, traceback: bool, accept: str = ""
) -> Response:
    """Return the answer for a result or an exception of a remote object.

    Args:
        reply: what was received; None for a oneway call, whose answer is empty.
        traceback: whether remote tracebacks are told.
        accept: the header field with the forms that the client takes.

    Raises:
        RequestRefusedError: the client takes none in which the result can be had.
        SerializeError: it cannot be read, or cannot be shown as JSON.
        SecurityError: it names a class that is never built.
    """
    if reply is None:
        return Response(HTTPStatus.OK, (("Content-Type", JSON),))
    frame = reply.frame
    if frame.flags & FLAG_EXCEPTION:
        return _exception_response(reply, traceback=traceback)
    if frame.serializer_id == _JSON_ID:
        # Bytes are never among the results that have come as JSON.
        _check_json_is_taken(accept, "what this daemon sends")
        return json_response(HTTPStatus.OK, strict_json(bytes(frame.payload)))
    value = _serializer_of(reply, failed=False).loads(frame.payload)
    if accept not in _ANY_FORM:
        if isinstance(value, bytes | bytearray | memoryview):
            return _bytes_response(value, accept)
        _check_json_is_taken(accept, f"a result of type {type(value).__name__}")
    return json_response(HTTPStatus.OK, render_value(value))


def _exception_response(reply: Reply, *, traceback: bool) -> Response:
    frame = reply.frame
    value = _serializer_of(reply, failed=True).loads_exception(frame.payload)
    if not isinstance(value, BaseException):
        raise RemoteProtocolError(
            f"the server announced an exception and sent {type(value).__name__}"
        )
    return problem_response(
        problem_of(value, remote_status(value), traceback=traceback)
    )


def _bytes_response(value: bytes | bytearray | memoryview, accept: str) -> Response:
    picture = picture_type(value)
    offers = [_JSON_TYPE, OCTETS] if picture is None else [_JSON_TYPE, picture, OCTETS]
    chosen = accepted(accept).best(offers)
    if chosen is None:
        raise RequestRefusedError(
            HTTPStatus.NOT_ACCEPTABLE,
            f"the result is {len(value)} bytes"
            + ("" if picture is None else f", a picture of type {picture}"),
            f"accept one of {', '.join(offers)}",
        )
    if chosen == _JSON_TYPE:
        return json_response(HTTPStatus.OK, render_value(value))
    return Response(HTTPStatus.OK, (("Content-Type", chosen),), bytes(value))


def _check_json_is_taken(accept: str, what: str) -> None:
    """Refuse who wants bytes, and nothing else, for what has only a form in JSON.

    Programs that say they want anything else have always got JSON, and still do.
    """
    if accept in _ANY_FORM:
        return
    wanted = accepted(accept)
    if wanted.quality(_JSON_TYPE) == 0 and any(map(wanted.names, _RAW)):
        raise RequestRefusedError(
            HTTPStatus.NOT_ACCEPTABLE,
            f"{what} is not to be had as {accept}",
            f"accept {_JSON_TYPE}",
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
