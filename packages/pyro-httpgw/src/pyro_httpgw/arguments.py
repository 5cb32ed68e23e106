"""The arguments of a call: from the query string, a form, or a JSON body.

Values in a query string or a form are text; a name that is given several times has
the list of its values, and one that is given without a value does not count. A JSON
body is either an object of keyword arguments, or
``{"args": [positional...], "kwargs": {...}}``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import parse_qs

from .errors import RequestRefusedError
from .messages import LARGEST_BODY, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Arguments", "arguments_of", "parse_query", "refuse_body"]


# No method has this many; a query of millions would occupy us for long.
_MOST_FIELDS: Final = 1000

_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"
_CLASS_KEY: Final = "__class__"
_CALL_KEYS: Final = frozenset({"args", "kwargs"})


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a method is called with.

    Attributes:
        positional: the positional arguments.
        keywords: the keyword arguments.
    """

    positional: list[Any] = field(default_factory=list)
    keywords: dict[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.positional or self.keywords)


def parse_query(text: str) -> dict[str, list[str]]:
    """Return the values of each parameter of a query string or form.

    Raises:
        RequestRefusedError: it is not UTF-8, or has too many fields.
    """
    try:
        return parse_qs(text, errors="strict", max_num_fields=_MOST_FIELDS)
    except UnicodeDecodeError as error:
        raise RequestRefusedError(
            HTTPStatus.BAD_REQUEST, "400 Bad Request - parameters must be UTF-8"
        ) from error
    except ValueError as error:
        raise RequestRefusedError(
            HTTPStatus.BAD_REQUEST,
            f"400 Bad Request - more than {_MOST_FIELDS} parameters",
        ) from error


def arguments_of(request: Request, parameters: Mapping[str, list[str]]) -> Arguments:
    """Return the arguments that a request gives.

    Args:
        request: the request, for its body.
        parameters: those of its query string that are meant for the method.

    Raises:
        RequestRefusedError: the body cannot be used, or gives an argument that the
            query string gives too.
    """
    in_query = _keywords(parameters)
    if not request.body:
        return Arguments(keywords=in_query)
    in_body = _body_arguments(request)
    twice = in_query.keys() & in_body.keywords.keys()
    if twice:
        raise RequestRefusedError(
            HTTPStatus.BAD_REQUEST,
            f"400 Bad Request - in the query string and in the body: {min(twice)}",
        )
    return Arguments(in_body.positional, in_query | in_body.keywords)


def refuse_body(request: Request, reason: str) -> None:
    """Let a request pass whose body is empty; one that is not would be ignored.

    Raises:
        RequestRefusedError: there is a body; the answer gives the reason.
    """
    if request.body:
        raise RequestRefusedError(HTTPStatus.BAD_REQUEST, f"400 Bad Request - {reason}")


def _keywords(parameters: Mapping[str, list[str]]) -> dict[str, Any]:
    return {
        name: values[0] if len(values) == 1 else values
        for name, values in parameters.items()
    }


def _body_arguments(request: Request) -> Arguments:
    if request.method != "POST":
        refuse_body(request, f"{request.method} takes no body; use POST")
    if len(request.body) > LARGEST_BODY:
        raise RequestRefusedError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"413 Content Too Large - a body can have {LARGEST_BODY} bytes at most",
        )
    content_type = request.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == _FORM:
        return Arguments(keywords=_keywords(parse_query(_text(request.body))))
    if media_type == _JSON:
        return _json_arguments(request.body)
    raise RequestRefusedError(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"415 Unsupported Media Type - a body must be {_JSON} or {_FORM}",
        (("Accept-Post", f"{_JSON}, {_FORM}"),),
    )


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestRefusedError(
            HTTPStatus.BAD_REQUEST, "400 Bad Request - the body must be UTF-8"
        ) from error


def _json_arguments(body: bytes) -> Arguments:
    try:
        value = json.loads(
            _text(body),
            object_pairs_hook=_plain_object,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError) as error:
        raise RequestRefusedError(
            HTTPStatus.BAD_REQUEST,
            f"400 Bad Request - the body is not usable JSON: {error}",
        ) from error
    if not isinstance(value, dict):
        raise RequestRefusedError(
            HTTPStatus.BAD_REQUEST, "400 Bad Request - the JSON body must be an object"
        )
    if value and value.keys() <= _CALL_KEYS:
        positional, keywords = value.get("args", []), value.get("kwargs", {})
        if isinstance(positional, list) and isinstance(keywords, dict):
            return Arguments(positional, keywords)
    return Arguments(keywords=value)


def _plain_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("an object has the same key twice")
    if _CLASS_KEY in value:
        # It would have the server build an object, such as a proxy to a place of
        # the web client's choice.
        raise ValueError(f"the key {_CLASS_KEY} is not allowed")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
