"""Errors as web clients get them: problem documents (RFC 9457).

They are Pyro's exception dictionaries as well, so that programs which read the answers
of Pyro5's gateway find in them what they look for: ``__class__``, ``__exception__``,
``args`` and ``attributes``.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import (
    PyroError,
    RemoteError,
    SerializeError,
    hide_remote_traceback,
)
from pyro_protocol.serializers.exceptions import exception_to_dict

from ..messages import Response
from .rendering import render_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..errors import CallFailedError, RequestRefusedError
    from ..messages import Headers

__all__ = [
    "PROBLEM",
    "failure",
    "problem",
    "problem_of",
    "problem_response",
    "refusal",
]

PROBLEM: Final = "application/problem+json"

# Seconds: a daemon has room, or a name server is back, soon or much later.
_RETRY: Final = (("Retry-After", "1"),)

_TRACEBACK: Final = "_pyroTraceback"
_NOTES: Final = "__notes__"
# How remote tracebacks begin, and Python's own.
_SIGNS: Final = (
    "+--- This exception occurred remotely",
    "Traceback (most recent call last)",
)


def problem(
    status: int,
    detail: str,
    hint: str | None = None,
    members: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a problem document.

    Args:
        status: the HTTP status.
        detail: what is wrong.
        hint: what to do about it.
        members: further members.
    """
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
    }
    if hint:
        document["hint"] = hint
    if members:
        document.update(members)
    return document


def problem_of(
    error: BaseException, status: int, hint: str | None = None, *, traceback: bool
) -> dict[str, Any]:
    """Return the problem document of an exception; JSON has all that is in it.

    Args:
        error: the exception that a Pyro program would have got.
        status: the HTTP status.
        hint: what to do about it.
        traceback: whether remote tracebacks are told, its own and those of exceptions
            that it holds.
    """
    hide_remote_traceback(error)
    form = exception_to_dict(error)
    read = json.loads if traceback else _read_without_tracebacks
    try:
        members = read(render_value(form))
    except SerializeError:
        members = read(render_value(_presentable(form)))
    return problem(status, _text_of(error), hint, members)


def problem_response(document: Mapping[str, Any], headers: Headers = ()) -> Response:
    """Return the answer that consists of a problem document."""
    status = document["status"]
    if status == HTTPStatus.SERVICE_UNAVAILABLE and not headers:
        headers = _RETRY
    body = render_value(document)
    return Response(status, (("Content-Type", PROBLEM), *headers), body)


def refusal(refused: RequestRefusedError) -> Response:
    """Return the answer to a request that is refused."""
    members = {**exception_to_dict(PyroError(str(refused))), **refused.members}
    document = problem(refused.status, str(refused), refused.hint, members)
    return problem_response(document, refused.headers)


def failure(failed: CallFailedError, *, traceback: bool) -> Response:
    """Return the answer to a call that failed on this side of the object."""
    return problem_response(
        problem_of(failed.error, failed.status, failed.hint, traceback=traceback)
    )


def _presentable(form: dict[str, Any]) -> dict[str, Any]:
    """Return the form of an exception without what has no form in JSON."""
    attributes: dict[str, Any] = {}
    lost = []
    for name, value in form["attributes"].items():
        if _has_form(value):
            attributes[name] = value
        else:
            lost.append(name)
    if lost:
        notes = attributes.get(_NOTES)
        attributes[_NOTES] = [
            *(notes if isinstance(notes, list) else ()),
            f"(attributes that cannot be shown: {', '.join(lost)})",
        ]
    args = [one if _has_form(one) else _nameless(one) for one in form["args"]]
    return {**form, "args": args, "attributes": attributes}


def _has_form(value: object) -> bool:
    try:
        render_value(value)
    except SerializeError:
        return False
    return True


def _nameless(value: object) -> str:
    # Not what the object says of itself, which can be anything.
    return f"({type(value).__qualname__}, which cannot be shown)"


def _read_without_tracebacks(data: bytes) -> Any:
    return json.loads(data, object_hook=_without_traceback)


def _without_traceback(form: dict[str, Any]) -> dict[str, Any]:
    """Return a dictionary without what tells of the inside of a program."""
    form.pop(_TRACEBACK, None)
    notes = form.get(_NOTES)
    if isinstance(notes, list):
        form[_NOTES] = [one for one in notes if not _shows_traceback(one)]
        if not form[_NOTES]:
            del form[_NOTES]
    return form


def _shows_traceback(note: object) -> bool:
    return isinstance(note, str) and any(sign in note for sign in _SIGNS)


def _text_of(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - it may be of any class
        text = ""
    if isinstance(error, RemoteError) and error.remote_type:
        # Its text begins with the name that the class has there.
        return text
    name = type(error).__qualname__
    return f"{name}: {text}" if text else name
