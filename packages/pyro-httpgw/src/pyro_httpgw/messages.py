"""Requests and answers as values, whatever web server they come from and go to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "HTML",
    "JSON",
    "LARGEST_BODY",
    "TEXT",
    "Headers",
    "Request",
    "Response",
    "json_response",
    "text_response",
]

Headers = tuple[tuple[str, str], ...]

JSON: Final = "application/json; charset=utf-8"
TEXT: Final = "text/plain; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"

LARGEST_BODY: Final = 10 * 1024 * 1024
"""The most bytes of a request's body: arguments, also large ones, but few enough to
be held in memory many times over while requests wait."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a web client asks.

    Attributes:
        method: such as ``GET``.
        path: the path below the place where the application is mounted, decoded.
        query: the part of the URL behind the question mark, still encoded.
        headers: the header fields, their names in lower case.
        body: the body; one byte more than `LARGEST_BODY` stands for any larger one.
        mount: the path at which the application is mounted, encoded; ``""`` for the
            top.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    mount: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """What a web client gets.

    Attributes:
        status: the HTTP status.
        headers: the header fields in the order in which they are sent.
        body: the body; not sent in answer to ``HEAD``.
    """

    status: int
    headers: Headers = ()
    body: bytes = b""


def text_response(status: int, text: str, headers: Headers = ()) -> Response:
    """Return an answer in plain text."""
    return Response(status, (("Content-Type", TEXT), *headers), text.encode("utf-8"))


def json_response(status: int, body: bytes) -> Response:
    """Return an answer that is JSON already."""
    return Response(status, (("Content-Type", JSON),), body)
