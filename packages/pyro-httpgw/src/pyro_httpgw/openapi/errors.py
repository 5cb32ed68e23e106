"""The errors that an OpenAPI document tells of."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from ..answers.problems import PROBLEM as PROBLEM_TYPE
from .registry import PROBLEM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .forms import Schema

__all__ = ["PROBLEM_SCHEMA", "error_references", "error_responses"]

PROBLEM_SCHEMA: Final[Schema] = {
    "type": "object",
    "description": "An error (RFC 9457), which is an exception of Pyro as well.",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong."},
        "hint": {"type": "string", "description": "What to do about it."},
        "errors": {
            "type": "array",
            "description": "Which arguments do not fit.",
            "items": {
                "type": "object",
                "properties": {
                    "loc": {
                        "type": "array",
                        "items": {"type": ["string", "integer"]},
                    },
                    "msg": {"type": "string"},
                },
                "required": ["loc", "msg"],
            },
        },
        "__class__": {"type": "string", "description": "The class of the exception."},
        "__exception__": {"const": True},
        "args": {"type": "array"},
        "attributes": {"type": "object"},
    },
    "required": ["type", "title", "status", "detail"],
}
"""What every error is."""

_REASONS: Final[Mapping[int, str]] = {
    400: "The request is malformed.",
    401: "A gateway key or a token is demanded.",
    403: "The gateway key is wrong, or access is denied.",
    404: "There is no such object, method or attribute.",
    405: "This cannot be done with that method of HTTP.",
    406: "The result has none of the forms that are accepted.",
    413: "The body is too large.",
    415: "The body has a type that is not taken.",
    422: "The arguments do not fit.",
    429: "There are too many requests.",
    500: "The remote object raised an exception.",
    502: "The daemon of the object cannot be reached, or the connection was lost.",
    503: "There is no name server, or the daemon has no room for the call now.",
    504: "There was no answer in time.",
}
_HEADERS: Final[Mapping[int, str]] = {
    401: "WWW-Authenticate",
    405: "Allow",
    415: "Accept-Post",
    429: "Retry-After",
    503: "Retry-After",
}


def error_responses() -> dict[str, Any]:
    """Return the answers that `error_references` refers to, by their names."""
    content = {PROBLEM_TYPE: {"schema": {"$ref": f"#/components/schemas/{PROBLEM}"}}}
    responses: dict[str, Any] = {}
    for status, reason in _REASONS.items():
        response: dict[str, Any] = {"description": reason, "content": content}
        header = _HEADERS.get(status)
        if header is not None:
            response["headers"] = {header: {"schema": {"type": "string"}}}
        responses[_name(status)] = response
    return responses


def error_references(statuses: Iterable[int]) -> dict[str, Any]:
    """Return the answers with these statuses, as an operation names them."""
    return {
        str(status): {"$ref": f"#/components/responses/{_name(status)}"}
        for status in statuses
    }


def _name(status: int) -> str:
    return HTTPStatus(status).phrase.replace(" ", "")
