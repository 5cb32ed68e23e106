"""Requests and answers as values, whatever web server they come from and go to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

__all__ = [
    "HTML",
    "JSON",
    "LARGEST_BODY",
    "TEXT",
    "Headers",
    "Parts",
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
"""The most bytes of a request's body unless it is said otherwise: arguments, also large
ones, but few enough to be held in memory many times over while requests wait."""


class Parts(Protocol):
    """The parts of a body that come one after the other; an async generator fits.

    A part is only asked for when the one before it has been sent. After it has
    raised `StreamFailedError` the answer is to be left incomplete.
    """

    def __aiter__(self) -> Parts:
        """Return itself."""

    def __anext__(self) -> Awaitable[bytes]:
        """Return the next part.

        Raises:
            StopAsyncIteration: that was all.
            StreamFailedError: it breaks off here.
        """

    def aclose(self) -> Awaitable[None]:
        """End what gives the parts; harmless if it has ended already."""


@dataclass(slots=True)
class Request:
    """What a web client asks.

    Attributes:
        method: such as ``GET``.
        path: the path below the place where the application is mounted, decoded.
        query: the part of the URL behind the question mark, still encoded.
        headers: the header fields, their names in lower case.
        body: the body; one byte more than the most that is taken stands for any larger
            one.
        mount: the path at which the application is mounted, encoded; ``""`` for the
            top.
        client: the address it comes from, without the port; ``""`` if that is not
            known, as with Unix sockets.
        scheme: ``http`` or ``https``.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    mount: str = ""
    client: str = ""
    scheme: str = "http"


@dataclass(slots=True)
class Response:
    """What a web client gets.

    Attributes:
        status: the HTTP status.
        headers: the header fields in the order in which they are sent.
        body: the body, or how it begins; not sent in answer to ``HEAD``.
        parts: what else the body consists of, as it comes; None if that is all.
            Whoever sends the answer has to close it (``aclose``) whatever happens: that
            ends what gives the parts.
    """

    status: int
    headers: Headers = ()
    body: bytes = b""
    parts: Parts | None = None


def text_response(status: int, text: str, headers: Headers = ()) -> Response:
    """Return an answer in plain text."""
    return Response(status, (("Content-Type", TEXT), *headers), text.encode("utf-8"))


def json_response(status: int, body: bytes, headers: Headers = ()) -> Response:
    """Return an answer that is JSON already."""
    return Response(status, (("Content-Type", JSON), *headers), body)
