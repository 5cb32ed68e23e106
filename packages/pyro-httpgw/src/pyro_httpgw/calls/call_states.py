"""What goes with the calls of a request: its correlation id, trace, and time limit."""

from __future__ import annotations

import math
import time
import uuid
from http import HTTPStatus
from random import getrandbits
from typing import TYPE_CHECKING, Final, NamedTuple

from pyro_protocol.context import CallState
from pyro_protocol.session.deadlines import Deadline
from pyro_protocol.session.trace_context import TRACE_ID, pack_trace_context

from ..errors import RequestRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CORRELATION_HEADER",
    "TIMEOUT_HEADER",
    "Correlation",
    "call_state_for",
    "correlation_of",
    "new_correlation",
    "time_limit_of",
]

CORRELATION_HEADER: Final = "X-Pyro-Correlation-Id"
"""Which request an answer belongs to, also in the logs of the objects."""

TIMEOUT_HEADER: Final = "X-Pyro-Timeout"
"""How many seconds the client waits for the answer."""

_CORRELATION_FIELD: Final = CORRELATION_HEADER.lower()
_TIMEOUT_FIELD: Final = TIMEOUT_HEADER.lower()

# RFC 9562: which bits of a UUID say that the others are random.
_VERSION_4: Final = 0x4000_8000_0000_0000_0000
_RANDOM_BITS: Final = ~0xF000_C000_0000_0000_0000


class Correlation(NamedTuple):
    """The id of a request.

    Attributes:
        data: as it travels in messages.
        text: as it travels in header fields.
        malformed: whether the client has presented another one that is none.
    """

    data: bytes
    text: str
    malformed: bool = False


def correlation_of(headers: Mapping[str, str]) -> Correlation:
    """Return the id that a request presents, or a new one."""
    presented = headers.get(_CORRELATION_FIELD)
    if presented is None:
        return new_correlation()
    try:
        known = uuid.UUID(presented)
    except ValueError:
        return new_correlation()._replace(malformed=True)
    return Correlation(known.bytes, str(known))


def new_correlation() -> Correlation:
    """Return a new id."""
    # What uuid.uuid4 and str do, in a fraction of the time. It is no secret.
    data = (getrandbits(128) & _RANDOM_BITS | _VERSION_4).to_bytes(16, "big")
    text = data.hex()
    return Correlation(
        data, f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
    )


def time_limit_of(headers: Mapping[str, str], most: float) -> float:
    """Return how many seconds a request may take; 0 means no bound.

    Args:
        headers: the header fields of the request.
        most: what the settings say.

    Raises:
        RequestRefusedError: the request says something that is no time.
    """
    text = headers.get(_TIMEOUT_FIELD)
    if text is None:
        return most
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise RequestRefusedError(
            HTTPStatus.BAD_REQUEST,
            f"{TIMEOUT_HEADER} must be a number of seconds above 0",
            "leave it out to wait as long as the gateway does",
        )
    return min(seconds, most) if most else seconds


def call_state_for(
    headers: Mapping[str, str], correlation: Correlation, seconds: float
) -> CallState:
    """Return the context of the calls that are made for a request.

    Args:
        headers: the header fields of the request.
        correlation: its id.
        seconds: how long it may take; 0 means no bound.

    Raises:
        RequestRefusedError: the request has presented an id that is none.
    """
    if correlation.malformed:
        raise RequestRefusedError(
            HTTPStatus.BAD_REQUEST,
            f"{CORRELATION_HEADER} must be a UUID",
            "leave it out to get a new one",
        )
    state = CallState(correlation=correlation.data)
    if seconds:
        state.deadline = Deadline(seconds, time.monotonic)
    parent = headers.get("traceparent")
    if parent is not None:
        try:
            trace = pack_trace_context(parent.strip(), headers.get("tracestate", ""))
        except ValueError:
            # The W3C wants a malformed one to be ignored.
            return state
        state.own_annotations = {TRACE_ID: trace}
    return state
