"""Requests that write an attribute of an object."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pyro_protocol.wire import FLAG_ONEWAY

from ..answers.replies import answer_of
from ..arguments.json_input import check_class_keys
from ..arguments.mismatches import MismatchError, refuse
from ..arguments.plans import no_member, plan_of
from ..arguments.reading import (
    FORM_TYPE,
    JSON_TYPE,
    TEXT_TYPE,
    body_json,
    body_text,
    media_type_of,
    unsupported,
)
from ..arguments.request_options import forced_oneway, seconds_for
from ..arguments.unions import read_whole
from ..errors import RequestRefusedError
from ..messages import Response
from .invocation import Invocation

if TYPE_CHECKING:
    from pyro_protocol.contract.described import Description

    from ..arguments.conversion import Converter
    from ..exchange import Exchange
    from ..messages import Request
    from ..routing import CallRoute
    from .offers import Offer

__all__ = ["answer_writing"]


async def answer_writing(exchange: Exchange, route: CallRoute) -> Response:
    """Return the answer to a request that writes an attribute.

    Args:
        exchange: the request.
        route: the attribute; its object is exposed.

    Raises:
        RequestRefusedError: the request is at fault.
        PyroError: the object could not be asked.
    """
    if exchange.parameters:
        raise RequestRefusedError(
            HTTPStatus.BAD_REQUEST,
            f"{route.member} cannot be written with parameters",
            "the body is the value",
        )
    request = exchange.request
    flags = FLAG_ONEWAY if forced_oneway(request) else 0

    def prepare(offer: Offer) -> Invocation:
        value = _value_of(request, route, offer.description)
        args = (route.member, value)
        return Invocation("__setattr__", args, None, flags, seconds_for(exchange))

    answer = await exchange.objects.call(route.name, prepare)
    response = await answer_of(exchange, answer)
    if response.status == HTTPStatus.OK:
        return Response(HTTPStatus.NO_CONTENT)
    return response


def _value_of(request: Request, route: CallRoute, description: Description) -> Any:
    """Return the value that an attribute is to have.

    Raises:
        RequestRefusedError: it cannot be written, or not with this value.
        CallFailedError: the object has no such member.
    """
    attribute = description.attributes.get(route.member)
    if attribute is None:
        if route.member not in description.methods:
            raise no_member(route.name, route.member, description)
        raise RequestRefusedError(
            HTTPStatus.METHOD_NOT_ALLOWED,
            f"{route.member} is a method",
            "GET or POST calls it",
            headers=(("Allow", "GET, POST, OPTIONS"),),
        )
    if not attribute.writable:
        raise RequestRefusedError(
            HTTPStatus.METHOD_NOT_ALLOWED,
            f"{route.member} cannot be written",
            headers=(("Allow", "GET, POST, OPTIONS"),),
        )
    try:
        return plan_of(description).read(
            attribute.annotation, lambda converter: _read(request, converter)
        )
    except MismatchError as error:
        raise refuse(route.member, error.within("body")) from None


def _read(request: Request, converter: Converter) -> Any:
    """Return the value in the body.

    Raises:
        MismatchError: it does not fit.
        RequestRefusedError: the body cannot be used.
    """
    media_type = media_type_of(request)
    if media_type == JSON_TYPE:
        parsed = body_json(request)
        value = converter.read_json(parsed.value)
        if parsed.names_class:
            try:
                check_class_keys(value)
            except ValueError as error:
                raise MismatchError.of(str(error)) from None
        return value
    if media_type == TEXT_TYPE:
        return converter.read_text(body_text(request))
    if not media_type or media_type == FORM_TYPE or media_type.startswith("multipart/"):
        raise unsupported(
            media_type,
            f"send the value as {JSON_TYPE}, as {TEXT_TYPE}, or bytes as "
            "application/octet-stream",
            (("Accept-Put", f"{JSON_TYPE}, {TEXT_TYPE}, application/octet-stream"),),
        )
    return read_whole(converter, request.body)
