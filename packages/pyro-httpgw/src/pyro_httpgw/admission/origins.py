"""Which web pages may use the gateway: those of its own, and of the origins named.

Browsers let any page send requests to any place, and tell the place from where they
come. Those of strange pages are refused, because a call does something even if the page
cannot read the answer.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from ..errors import RequestRefusedError
from ..messages import text_response

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..messages import Headers, Request, Response
    from ..settings import Settings

__all__ = [
    "ANY_ORIGIN",
    "check_origin",
    "cors_headers",
    "options_response",
    "parse_origins",
]

ANY_ORIGIN: Final = "*"

_REQUEST_HEADERS: Final = (
    "Accept, Authorization, Content-Type, Last-Event-ID, X-Pyro-Gateway-Key, "
    "X-Pyro-Options, X-Pyro-Correlation-Id, X-Pyro-Timeout, traceparent, tracestate"
)
_ANSWER_HEADERS: Final = (
    "Accept-Post, Accept-Put, Allow, Retry-After, WWW-Authenticate, "
    "X-Pyro-Correlation-Id"
)
# How long a browser need not ask again, in seconds: as long as any of them remembers.
_PREFLIGHT_SECONDS: Final = "7200"

_EXPOSE: Final = ("Access-Control-Expose-Headers", _ANSWER_HEADERS)
_VARY: Final = ("Vary", "Origin")
# What the browser says about the page that sends a request. No page can set it.
_OWN_PAGES: Final = frozenset({"same-origin", "none"})


def parse_origins(values: Iterable[str]) -> tuple[str, ...]:
    """Return origins in the form in which browsers tell them.

    Raises:
        ValueError: one of them is no origin.
    """
    origins = []
    for text in values:
        origin = text if text in {ANY_ORIGIN, "null"} else text.lower()
        if origin not in {ANY_ORIGIN, "null"}:
            scheme, _separator, place = origin.partition("://")
            # A path, a question mark or blanks would never match.
            if not (scheme and place) or any(sign in place for sign in "/?#@ *"):
                raise ValueError(
                    f"{text!r} is no origin; give scheme, host and port only, such as "
                    "https://lab.example.org, or *"
                )
        origins.append(origin)
    return tuple(origins)


def check_origin(request: Request, settings: Settings) -> None:
    """Let a request pass that does not come from a strange web page.

    Raises:
        RequestRefusedError: it does.
    """
    headers = request.headers
    origin = headers.get("origin")
    site = headers.get("sec-fetch-site")
    if (origin is None and site is None) or site in _OWN_PAGES:
        return
    if origin in settings.cors or ANY_ORIGIN in settings.cors:
        return
    # Browsers that do not say more. The scheme is not compared: a proxy in between
    # may speak TLS.
    if site is None and origin is not None and _host_of(origin) == headers.get("host"):
        return
    raise RequestRefusedError(
        HTTPStatus.FORBIDDEN,
        "web pages of other origins may not use this gateway",
        "add the origin of the page to those of the gateway (cors)",
    )


def cors_headers(request: Request, settings: Settings) -> Headers:
    """Return what tells browsers which pages may read the answer; often nothing."""
    if not settings.cors:
        return ()
    if ANY_ORIGIN in settings.cors:
        return (_allow(ANY_ORIGIN), _EXPOSE)
    if len(settings.cors) == 1:
        return (_allow(settings.cors[0]), _EXPOSE)
    # The field holds one origin, so that the answer depends on who asks.
    origin = request.headers.get("origin")
    if origin is None or origin not in settings.cors:
        return (_VARY,)
    return (_allow(origin), _EXPOSE, _VARY)


def options_response(
    request: Request, settings: Settings, methods: Iterable[str]
) -> Response:
    """Return the answer to the method ``OPTIONS``.

    Browsers ask with it whether a page of another origin may send what it wants to
    send, such as JSON or a key.

    Args:
        request: the request.
        settings: those that count for it.
        methods: what can be done there.
    """
    allowed = ", ".join(methods)
    headers: Headers = (("Allow", allowed),)
    if settings.cors and "access-control-request-method" in request.headers:
        headers = (
            *headers,
            ("Access-Control-Allow-Methods", allowed),
            ("Access-Control-Allow-Headers", _REQUEST_HEADERS),
            ("Access-Control-Max-Age", _PREFLIGHT_SECONDS),
        )
    return text_response(HTTPStatus.OK, "200 OK", headers)


def _allow(origin: str) -> tuple[str, str]:
    return ("Access-Control-Allow-Origin", origin)


def _host_of(origin: str) -> str:
    return origin.partition("://")[2]
