"""Traces with OpenTelemetry; needs ``pyro-server[opentelemetry]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyro_protocol.dispatch import CallHook
from pyro_protocol.dispatch.client import format_address
from pyro_protocol.session.trace_context import unpack_trace_context

from .labels import label_of

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from opentelemetry.trace import Span, TracerProvider

    from pyro_protocol.dispatch import CallDetails

__all__ = ["OpenTelemetryHook"]


class OpenTelemetryHook(CallHook):
    """Makes a span of each call; give it to `Daemon.add_hook`.

    The span belongs to the caller's trace, if the request says which that is, and is
    the current one while the call runs. One hook can serve several daemons.

    Args:
        tracer_provider: where the spans go; the one of the program if left out.

    Raises:
        ImportError: opentelemetry-api is not installed.
    """

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        try:
            from opentelemetry import context, trace  # noqa: PLC0415 - optional
            from opentelemetry.trace.propagation import (  # noqa: PLC0415 - optional
                tracecontext,
            )
        except ImportError as error:
            raise ImportError(
                "traces need opentelemetry-api: "
                "pip install 'pyro-server[opentelemetry]'"
            ) from error
        self._trace = trace
        self._no_context = context.Context()
        self._propagator = tracecontext.TraceContextTextMapPropagator()
        self._tracer = trace.get_tracer("pyro_server", tracer_provider=tracer_provider)
        self._spans: dict[CallDetails, Span] = {}

    def before_call(self, call: CallDetails) -> None:
        """Begin a span."""
        label = label_of(call)
        sent = unpack_trace_context(call.annotations)
        # Not what happens to be current in this thread: that is no caller of ours.
        parent = self._no_context
        if sent is not None:
            parent = self._propagator.extract(sent.carrier(), self._no_context)
        self._spans[call] = self._tracer.start_span(
            f"{label.object}/{label.method}",
            parent,
            self._trace.SpanKind.SERVER,
            self._attributes(call),
            record_exception=False,
            set_status_on_exception=False,
        )

    def _attributes(self, call: CallDetails) -> dict[str, str | bool]:
        attributes: dict[str, str | bool] = {
            "rpc.system": "pyro",
            "rpc.service": call.object_id,
            "rpc.method": call.name,
            "pyro.access": call.access,
            "pyro.batch": call.batch,
            "pyro.oneway": call.oneway,
            "pyro.correlation_id": str(call.correlation_id),
            "network.peer.address": format_address(call.client.peer_address),
        }
        if call.identity is not None:
            attributes["user.name"] = call.identity.name
        return attributes

    def running(self, call: CallDetails) -> AbstractContextManager[Any] | None:
        """Make the span the current one."""
        span = self._spans.get(call)
        if span is None:
            return None
        return self._trace.use_span(
            span, record_exception=False, set_status_on_exception=False
        )

    def after_call(self, call: CallDetails, result: Any, seconds: float) -> None:
        """End the span."""
        del result, seconds
        span = self._spans.pop(call, None)
        if span is not None:
            span.end()

    def on_error(self, call: CallDetails, error: BaseException, seconds: float) -> None:
        """End the span with the error."""
        del seconds
        span = self._spans.pop(call, None)
        if span is not None:
            span.record_exception(error)
            span.set_status(self._trace.StatusCode.ERROR, type(error).__name__)
            span.end()
