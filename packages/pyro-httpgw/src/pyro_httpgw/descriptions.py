"""What one object offers, as a document for tools: ``$describe``."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from .answers.rendering import render_value
from .arguments.reading import refuse_body
from .messages import json_response
from .routing import DESCRIPTION

if TYPE_CHECKING:
    from pyro_protocol.contract.described import Description

    from .exchange import Exchange
    from .messages import Response

__all__ = ["answer_description", "document_of_names"]


async def answer_description(exchange: Exchange, name: str) -> Response:
    """Return the description of an object.

    It is what its daemon says, with the key ``complete``: false if the daemon only
    tells the names of methods and attributes.

    Args:
        exchange: the request.
        name: the name of the object, which is exposed.

    Raises:
        RequestRefusedError: the request has a body.
        PyroError: the object cannot be asked.
    """
    refuse_body(exchange.request, f"{DESCRIPTION} takes no body")
    objects = exchange.objects
    offer = await objects.at(name, objects.offer)
    document = offer.document
    complete = document is not None
    if document is None:
        document = document_of_names(offer.description)
    body = render_value({**document, "complete": complete})
    return json_response(HTTPStatus.OK, body)


def document_of_names(description: Description) -> dict[str, Any]:
    """Return a document for an object of which only the names are known."""
    return {
        "version": 1,
        "class": None,
        "module": None,
        "doc": None,
        "methods": [
            {
                "name": method.name,
                "kind": method.kind,
                "async": False,
                "idempotent": False,
                "parameters": None,
                "returns": None,
                "doc": None,
            }
            for _name, method in sorted(description.methods.items())
        ],
        "attributes": [
            {
                "name": attribute.name,
                "readable": attribute.readable,
                "writable": attribute.writable,
                "annotation": None,
                "doc": None,
            }
            for _name, attribute in sorted(description.attributes.items())
        ],
        "types": {},
        "instance_mode": None,
    }
