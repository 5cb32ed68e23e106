"""The header fields that every answer has."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from .admission.origins import ANY_ORIGIN, cors_headers
from .calls.call_states import CORRELATION_HEADER
from .messages import JSON

if TYPE_CHECKING:
    from .exchange import Exchange
    from .messages import Headers, Response

__all__ = ["RESULT_FIELDS", "complete"]

_SECURITY: Final[Headers] = (
    ("Cache-Control", "no-store"),
    # Should a browser take a result for a page, nothing in it will run or be loaded.
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    # An address can hold the gateway key.
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)
RESULT_FIELDS: Final[Headers] = (("Content-Type", JSON), *_SECURITY)
"""The fields of every usual answer, but for its length and its id."""

# Pages of any origin may show the pictures too.
_SECURITY_FOR_ALL: Final[Headers] = tuple(
    (name, "cross-origin" if name == "Cross-Origin-Resource-Policy" else value)
    for name, value in _SECURITY
)
# Answers whose length is not told: there is no body, or that of what is kept elsewhere.
_BODILESS: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


def complete(response: Response, exchange: Exchange) -> Response:
    """Return an answer with the header fields that every answer has.

    Those which the answer has already stay as they are. ``Vary`` may be there twice.
    """
    settings = exchange.settings
    own = response.headers
    standard = _SECURITY
    if settings.cors:
        if ANY_ORIGIN in settings.cors:
            standard = _SECURITY_FOR_ALL
        standard = (*standard, *cors_headers(exchange.request, settings))
    if len(own) > 1:
        present = {name.lower() for name, _value in own} - {"vary"}
        standard = tuple(pair for pair in standard if pair[0].lower() not in present)
    identified = (CORRELATION_HEADER, exchange.correlation)
    if response.parts is not None or response.status in _BODILESS:
        response.headers = (*own, identified, *standard)
    else:
        length = ("Content-Length", str(len(response.body)))
        response.headers = (*own, length, identified, *standard)
    return response
