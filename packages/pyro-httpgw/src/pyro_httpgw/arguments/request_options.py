"""What a request asks for beside the call itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..calls.call_states import time_limit_of

if TYPE_CHECKING:
    from ..exchange import Exchange
    from ..messages import Request

__all__ = ["forced_oneway", "goes_on", "seconds_for"]

_OPTIONS_FIELD: Final = "x-pyro-options"


def forced_oneway(request: Request) -> bool:
    """Whether the result is not waited for, whatever the method."""
    return "oneway" in _options(request)


def goes_on(request: Request) -> bool:
    """Whether a batch goes on when one of its calls has failed."""
    return "continue" in _options(request)


def seconds_for(exchange: Exchange) -> float | None:
    """Return how long a call may take."""
    most = exchange.settings.comm_timeout
    return time_limit_of(exchange.request.headers, most) or None


def _options(request: Request) -> tuple[str, ...]:
    text = request.headers.get(_OPTIONS_FIELD)
    if not text:
        return ()
    return tuple(option.strip().lower() for option in text.split(","))
