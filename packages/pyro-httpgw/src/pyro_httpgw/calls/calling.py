"""Requests that call an object or read an attribute of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from pyro_protocol.wire import FLAG_ONEWAY

from ..admission.access import check_name
from ..answers.rendering import render_value
from ..answers.replies import answer_of
from ..answers.streaming import is_over
from ..arguments.plans import no_member, plan_of
from ..arguments.reading import Arguments, arguments_of, refuse_body
from ..arguments.request_options import forced_oneway, seconds_for
from ..descriptions import answer_description
from ..errors import RequestRefusedError
from ..messages import Response, json_response
from ..routing import BATCH, DESCRIPTION, METADATA, CallRoute
from .batch import answer_batch
from .invocation import Invocation
from .writing import answer_writing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pyro_protocol.contract.described import DescribedAttribute, Description

    from ..exchange import Exchange
    from .offers import Offer

__all__ = ["answer_call"]


async def answer_call(exchange: Exchange, route: CallRoute) -> Response:
    """Return the answer to a request about an object.

    Raises:
        RequestRefusedError: the request is at fault, or not allowed.
        PyroError: the object could not be called.
    """
    check_name(route.name, exchange.settings)
    special = _SPECIAL.get(route.member)
    if special is not None:
        return await special(exchange, route.name)
    request = exchange.request
    if request.method == "PUT":
        return await answer_writing(exchange, route)
    if is_over(request):
        return Response(HTTPStatus.NO_CONTENT)
    arguments = None
    if request.body or request.method != "GET":
        arguments = arguments_of(request, exchange.parameters)

    def prepare(offer: Offer) -> Invocation:
        return _invocation(exchange, route, offer.description, arguments)

    return await answer_of(exchange, await exchange.objects.call(route.name, prepare))


def _invocation(
    exchange: Exchange,
    route: CallRoute,
    description: Description,
    arguments: Arguments | None,
) -> Invocation:
    """Return what to ask of an object.

    Args:
        exchange: the request.
        route: the object and its member.
        description: what it has.
        arguments: the arguments; None for those of the query string.

    Raises:
        RequestRefusedError: the arguments do not fit.
        CallFailedError: the object has no such member.
    """
    plan = plan_of(description).method(route.member)
    if plan is None:
        attribute = description.attributes.get(route.member)
        if attribute is None:
            raise no_member(route.name, route.member, description)
        _check_reading(attribute, exchange.parameters, arguments)
        return Invocation("__getattr__", (route.member,), timeout=seconds_for(exchange))
    if arguments is None:
        args, kwargs = plan.bind_query(exchange.parameters)
    else:
        args, kwargs = plan.bind(arguments)
    oneway = plan.method.kind == "oneway" or forced_oneway(exchange.request)
    flags = FLAG_ONEWAY if oneway else 0
    return Invocation(route.member, args, kwargs, flags, seconds_for(exchange))


def _check_reading(
    attribute: DescribedAttribute,
    parameters: dict[str, list[str]],
    arguments: Arguments | None,
) -> None:
    if parameters or arguments:
        raise RequestRefusedError(
            HTTPStatus.BAD_REQUEST,
            f"{attribute.name} is an attribute: no parameters",
            "GET without parameters reads it" + _how_to_write(attribute),
        )
    if not attribute.readable:
        raise RequestRefusedError(
            HTTPStatus.METHOD_NOT_ALLOWED,
            f"{attribute.name} cannot be read",
            headers=(("Allow", "PUT, OPTIONS"),),
        )


def _how_to_write(attribute: DescribedAttribute) -> str:
    return "; PUT with a value as JSON writes it" if attribute.writable else ""


async def _answer_metadata(exchange: Exchange, name: str) -> Response:
    refuse_body(exchange.request, f"{METADATA} takes no body")
    objects = exchange.objects
    members = await objects.at(name, objects.members)
    document = {
        "methods": sorted(members.methods),
        "attributes": sorted(members.attributes),
    }
    return json_response(HTTPStatus.OK, render_value(document))


_SPECIAL: Final[dict[str, Callable[[Exchange, str], Awaitable[Response]]]] = {
    METADATA: _answer_metadata,
    DESCRIPTION: answer_description,
    BATCH: answer_batch,
}
