"""How the trace that a call belongs to travels with it.

It is the Trace Context of the W3C, which tracing libraries give and take as two texts.
None of them is needed here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = [
    "LARGEST_TRACE_CONTEXT",
    "TRACE_ID",
    "TraceContext",
    "pack_trace_context",
    "unpack_trace_context",
]

TRACE_ID: Final = "TRCE"
"""The annotation of an INVOKE that says which trace it belongs to."""

LARGEST_TRACE_CONTEXT: Final = 1024
"""How many bytes the annotation may have: the W3C asks for room for 512 characters of
``tracestate``, and ``traceparent`` has 55."""

# Later versions may have more fields after these.
_PARENT: Final = re.compile(
    "(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
    "(-[!-~]*)?",
    re.ASCII,
)
_STATE: Final = re.compile("[ -~\t]*", re.ASCII)


class TraceContext(NamedTuple):
    """The two texts of a trace context.

    Attributes:
        traceparent: the trace and the span that the call is a part of.
        tracestate: what the tracing systems add, or the empty text.
    """

    traceparent: str
    tracestate: str = ""

    def carrier(self) -> dict[str, str]:
        """Return what the propagators of tracing libraries read from."""
        carrier = {"traceparent": self.traceparent}
        if self.tracestate:
            carrier["tracestate"] = self.tracestate
        return carrier


def pack_trace_context(traceparent: str, tracestate: str = "") -> bytes:
    """Return the annotation for a trace context.

    A ``tracestate`` that is malformed, or too large, is left out: the W3C wants the
    trace to go on without it.

    Raises:
        ValueError: the ``traceparent`` is malformed.
    """
    if not _PARENT.fullmatch(traceparent):
        raise ValueError(f"malformed traceparent {traceparent!r}")
    if tracestate and _STATE.fullmatch(tracestate):
        data = f"{traceparent}\n{tracestate}".encode("ascii")
        if len(data) <= LARGEST_TRACE_CONTEXT:
            return data
    return traceparent.encode("ascii")


def unpack_trace_context(annotations: Mapping[str, Any]) -> TraceContext | None:
    """Return the trace context of a request; None if it has none that can be used.

    A malformed one is no reason to refuse a call.
    """
    data = annotations.get(TRACE_ID)
    if data is None or len(data) > LARGEST_TRACE_CONTEXT:
        return None
    try:
        parent, _, state = bytes(data).decode("ascii").partition("\n")
    except UnicodeDecodeError:
        return None
    if not _PARENT.fullmatch(parent):
        return None
    return TraceContext(parent, state if _STATE.fullmatch(state) else "")
