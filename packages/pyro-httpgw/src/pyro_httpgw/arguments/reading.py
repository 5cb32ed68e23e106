"""The arguments of a call as a request has them: query string and body.

What the values mean depends on the method; see `binding`. Values in a query string or a
form are text; a name that is given several times has several values, and one that is
given without a value does not count. A JSON body is either an object of keyword
arguments, or ``{"args": [positional...], "kwargs": {...}}``. A body of any other type
is one argument as a whole: as text if it is plain text, and else as bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from ..errors import RequestRefusedError
from .json_input import ParsedJson, parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..messages import Headers, Request
    from ..settings import Settings

__all__ = [
    "FORM_TYPE",
    "JSON_TYPE",
    "TEXT_TYPE",
    "Arguments",
    "arguments_of",
    "body_json",
    "body_text",
    "check_size",
    "media_type_of",
    "parse_query",
    "refuse_body",
    "unsupported",
]


# No method has this many; a query of millions would occupy us for long.
_MOST_FIELDS: Final = 1000

FORM_TYPE: Final = "application/x-www-form-urlencoded"
JSON_TYPE: Final = "application/json"
_MULTIPART: Final = "multipart/"
TEXT_TYPE: Final = "text/plain"
_CALL_KEYS: Final = frozenset({"args", "kwargs"})
_TAKEN: Final[Headers] = (
    ("Accept-Post", f"{JSON_TYPE}, {FORM_TYPE}, {TEXT_TYPE}, application/octet-stream"),
)


@dataclass(slots=True)
class Arguments:
    """What a request gives to a method.

    Attributes:
        texts: the values of each parameter of the query string.
        form: those of each parameter of a form.
        positional: the positional arguments in a JSON body.
        keywords: the keyword arguments in a JSON body.
        whole: the body, if it is one argument: a text or bytes.
        is_call: whether they have the form with ``args`` and ``kwargs``.
        body: the whole JSON body of that form, which is something else for a method
            that has parameters of these names.
        names_class: whether there is a dictionary in it that names a class.
    """

    texts: Mapping[str, list[str]] = field(default_factory=dict)
    form: Mapping[str, list[str]] = field(default_factory=dict)
    positional: list[Any] = field(default_factory=list)
    keywords: dict[str, Any] = field(default_factory=dict)
    whole: str | bytes | None = None
    is_call: bool = False
    body: dict[str, Any] | None = None
    names_class: bool = False

    def __bool__(self) -> bool:
        return bool(
            self.texts or self.form or self.positional or self.keywords or self.whole
        )


def parse_query(text: str) -> dict[str, list[str]]:
    """Return the values of each parameter of a query string or form.

    Raises:
        RequestRefusedError: it is not UTF-8, or has too many fields.
    """
    if len(text) < _MOST_FIELDS and "%" not in text and "+" not in text:
        return _plain_fields(text)
    try:
        return parse_qs(text, errors="strict", max_num_fields=_MOST_FIELDS)
    except UnicodeDecodeError as error:
        raise RequestRefusedError(
            HTTPStatus.BAD_REQUEST, "parameters must be UTF-8"
        ) from error
    except ValueError as error:
        raise RequestRefusedError(
            HTTPStatus.BAD_REQUEST,
            f"more than {_MOST_FIELDS} parameters",
        ) from error


def _plain_fields(text: str) -> dict[str, list[str]]:
    """Return the same, of a text in which nothing is encoded, much sooner."""
    found: dict[str, list[str]] = {}
    for one in text.split("&"):
        name, _sign, value = one.partition("=")
        if value:
            found.setdefault(name, []).append(value)
    return found


def check_size(request: Request, settings: Settings) -> None:
    """Let a request pass whose body is not too large.

    Raises:
        RequestRefusedError: it is.
    """
    if len(request.body) > settings.max_body:
        raise RequestRefusedError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"a body can have {settings.max_body} bytes at most",
        )


def arguments_of(request: Request, parameters: Mapping[str, list[str]]) -> Arguments:
    """Return the arguments that a request gives.

    Args:
        request: the request, for its body.
        parameters: those of its query string that are meant for the method.

    Raises:
        RequestRefusedError: the body cannot be used.
    """
    if not request.body:
        media_type = media_type_of(request) if request.method == "POST" else ""
        if media_type and not _has_fields(media_type):
            # A file without content is an argument, too.
            return _whole_body(request, media_type, parameters)
        return Arguments(parameters)
    if request.method != "POST":
        refuse_body(request, f"{request.method} takes no body; use POST")
    media_type = media_type_of(request)
    if media_type == FORM_TYPE:
        return Arguments(parameters, form=parse_query(body_text(request)))
    if _is_json(media_type):
        return _json_arguments(body_json(request), parameters)
    return _whole_body(request, media_type, parameters)


def refuse_body(request: Request, reason: str) -> None:
    """Let a request pass whose body is empty; one that is not would be ignored.

    Raises:
        RequestRefusedError: there is a body; the answer gives the reason.
    """
    if request.body:
        raise RequestRefusedError(HTTPStatus.BAD_REQUEST, reason)


def media_type_of(request: Request) -> str:
    """Return the type of the body, in lower case and without parameters."""
    content_type = request.headers.get("content-type", "")
    return content_type.partition(";")[0].strip().lower()


def body_text(request: Request) -> str:
    """Return the body as text.

    Raises:
        RequestRefusedError: it is not UTF-8.
    """
    try:
        return request.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestRefusedError(
            HTTPStatus.BAD_REQUEST, "the body must be UTF-8"
        ) from error


def body_json(request: Request) -> ParsedJson:
    """Return what a JSON body holds.

    Raises:
        RequestRefusedError: it is not JSON.
    """
    try:
        return parse_json(body_text(request))
    except ValueError as error:
        raise RequestRefusedError(
            HTTPStatus.BAD_REQUEST,
            f"the body is not usable JSON: {error}",
        ) from error


def unsupported(media_type: str, hint: str, headers: Headers) -> RequestRefusedError:
    """Return the refusal of a body whose type is of no use here.

    Args:
        media_type: the type; ``""`` if it is not told.
        hint: what is.
        headers: the same for programs.
    """
    told = f"a body of the type {media_type}" if media_type else "a body without a type"
    return RequestRefusedError(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"{told} cannot be used",
        hint,
        headers=headers,
    )


def _is_json(media_type: str) -> bool:
    return media_type == JSON_TYPE or media_type.endswith("+json")


def _has_fields(media_type: str) -> bool:
    return (
        media_type == FORM_TYPE
        or _is_json(media_type)
        or media_type.startswith(_MULTIPART)
    )


def _whole_body(
    request: Request, media_type: str, parameters: Mapping[str, list[str]]
) -> Arguments:
    if not media_type or media_type.startswith(_MULTIPART):
        raise unsupported(
            media_type,
            f"send {JSON_TYPE} or {FORM_TYPE}; or one argument as it is, bytes as "
            f"application/octet-stream and a text as {TEXT_TYPE}, with the others in "
            "the query string",
            _TAKEN,
        )
    whole = body_text(request) if media_type == TEXT_TYPE else request.body
    return Arguments(parameters, whole=whole)


def _json_arguments(
    parsed: ParsedJson, parameters: Mapping[str, list[str]]
) -> Arguments:
    value, names_class = parsed
    if not isinstance(value, dict):
        raise RequestRefusedError(
            HTTPStatus.BAD_REQUEST,
            "the JSON body must be an object",
            'give arguments by name, or as {"args": [...], "kwargs": {...}}',
        )
    if value and value.keys() <= _CALL_KEYS:
        positional, keywords = value.get("args", []), value.get("kwargs", {})
        if isinstance(positional, list) and isinstance(keywords, dict):
            return Arguments(
                parameters,
                positional=positional,
                keywords=keywords,
                is_call=True,
                body=value,
                names_class=names_class,
            )
    return Arguments(parameters, keywords=value, names_class=names_class)
