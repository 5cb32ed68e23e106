"""Who may do what: the gateway key, the exposed names, the pages of other origins."""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from .errors import RequestRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .messages import Headers, Request
    from .settings import Settings

__all__ = ["KEY_PARAMETER", "check_key", "check_name", "cors_headers", "is_exposed"]

KEY_PARAMETER: Final = "$key"
"""The query parameter for clients that cannot set the header."""

_KEY_HEADER: Final = "x-pyro-gateway-key"


def check_key(
    request: Request, parameters: Mapping[str, list[str]], settings: Settings
) -> None:
    """Let a request pass that presents the gateway key, if one is demanded.

    The header counts before the parameter. A parameter that is given twice is
    wrong, whatever its values.

    Raises:
        RequestRefusedError: the key is missing or wrong.
    """
    if settings.gateway_key is None:
        return
    presented = request.headers.get(_KEY_HEADER)
    if presented is None:
        values = parameters.get(KEY_PARAMETER, [])
        presented = values[0] if len(values) == 1 else ""
    # Comparing bytes: hmac takes no time that depends on where they differ.
    if not hmac.compare_digest(
        presented.encode("utf-8", "surrogateescape"), settings.gateway_key
    ):
        raise RequestRefusedError(
            HTTPStatus.FORBIDDEN, "403 Forbidden - incorrect gateway api key"
        )


def is_exposed(name: str, settings: Settings) -> bool:
    """Whether the object of this name is reachable."""
    return settings.exposed.match(name) is not None


def check_name(name: str, settings: Settings) -> None:
    """Let the name of a reachable object pass.

    Raises:
        RequestRefusedError: the name is not exposed; whether there is such an
            object is not told.
    """
    if not is_exposed(name, settings):
        raise RequestRefusedError(
            HTTPStatus.FORBIDDEN,
            "403 Forbidden - access to the requested object has been denied",
        )


def cors_headers(request: Request, settings: Settings) -> Headers:
    """Return what tells browsers which pages may use the answer; often nothing."""
    if not settings.cors:
        return ()
    allowed: str | None = settings.cors[0]
    vary: Headers = ()
    if "*" in settings.cors:
        allowed = "*"
    elif len(settings.cors) > 1:
        # The header holds one origin, so that the answer depends on who asks.
        origin = request.headers.get("origin")
        allowed = origin if origin in settings.cors else None
        vary = (("Vary", "Origin"),)
    if allowed is None:
        return vary
    return (
        ("Access-Control-Allow-Origin", allowed),
        ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
        (
            "Access-Control-Allow-Headers",
            "Content-Type, X-Pyro-Options, X-Pyro-Gateway-Key, X-Pyro-Correlation-Id",
        ),
        ("Access-Control-Expose-Headers", "X-Pyro-Correlation-Id"),
        *vary,
    )
