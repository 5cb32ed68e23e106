"""Metrics for Prometheus; needs ``pyro-server[prometheus]``."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.dispatch import CallHook
from pyro_protocol.errors import SecurityError

from .hosts import SelectorHost
from .labels import CallLabel, label_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

    from pyro_protocol.dispatch import CallDetails

    from .connection import Connection
    from .daemon import Daemon

__all__ = ["MOST_LABELS", "PrometheusHook"]

MOST_LABELS: Final = 1000
"""How many methods, and as many kinds of errors, are counted apart: each is a series
that Prometheus keeps. All further ones are counted together, as ``other``."""

_OTHER: Final = "other"
# From a call that does nothing to one that a person would give up on.
_BUCKETS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)


class PrometheusHook(CallHook):
    """Counts and times the calls of daemons; give it to `Daemon.add_hook`.

    One hook can serve several daemons of a program; their numbers are added up.

    * ``pyro_calls_total``, by object, method and outcome: ``ok``, ``error`` or
      ``refused``;
    * ``pyro_call_seconds``, a histogram by object and method;
    * ``pyro_call_errors_total``, by object, method and class of the error;
    * ``pyro_calls_in_flight``, ``pyro_connections``, ``pyro_streams`` and
      ``pyro_busy_refusals_total``.

    The object is counted by its id, or by its class if the id was generated.

    Args:
        registry: where the metrics are registered; the usual one if left out.

    Raises:
        ImportError: prometheus-client is not installed.
        ValueError: the registry has metrics of these names already.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        try:
            import prometheus_client as prometheus  # noqa: PLC0415 - optional
        except ImportError as error:
            raise ImportError(
                "metrics need prometheus-client: pip install 'pyro-server[prometheus]'"
            ) from error
        if registry is None:
            registry = prometheus.REGISTRY
        labels = ("object", "method")
        self._calls = prometheus.Counter(
            "pyro_calls", "Calls that were served.", (*labels, "outcome"),
            registry=registry,
        )  # fmt: skip
        self._seconds = prometheus.Histogram(
            "pyro_call_seconds", "How long calls took.", labels,
            buckets=_BUCKETS, registry=registry,
        )  # fmt: skip
        self._errors = prometheus.Counter(
            "pyro_call_errors", "Calls that failed.", (*labels, "error"),
            registry=registry,
        )  # fmt: skip
        self._in_flight = prometheus.Gauge(
            "pyro_calls_in_flight", "Calls that are being served.", registry=registry
        )
        self._lock = threading.Lock()
        self._labels: set[CallLabel] = set()
        self._kinds: set[tuple[CallLabel, str]] = set()
        self._daemons: weakref.WeakSet[Daemon] = weakref.WeakSet()
        registry.register(_DaemonCollector(self._daemons))

    def added_to(self, daemon: Daemon) -> None:
        """Count the connections and streams of a daemon as well."""
        self._daemons.add(daemon)

    def before_call(self, call: CallDetails) -> None:
        """Count a call that begins."""
        del call
        self._in_flight.inc()

    def after_call(self, call: CallDetails, result: Any, seconds: float) -> None:
        """Count a call that has ended well."""
        del result
        self._end(self._label(call), "ok", seconds)

    def on_error(self, call: CallDetails, error: BaseException, seconds: float) -> None:
        """Count a call that has failed."""
        label = self._label(call)
        refused = isinstance(error, SecurityError)
        self._end(label, "refused" if refused else "error", seconds)
        self._errors.labels(*label, self._kind(label, error)).inc()

    def _end(self, label: CallLabel, outcome: str, seconds: float) -> None:
        self._in_flight.dec()
        self._calls.labels(*label, outcome).inc()
        self._seconds.labels(*label).observe(seconds)

    def _label(self, call: CallDetails) -> CallLabel:
        label = label_of(call)
        if label in self._labels:
            return label
        with self._lock:
            if len(self._labels) >= MOST_LABELS:
                return CallLabel(_OTHER, _OTHER)
            self._labels.add(label)
        return label

    def _kind(self, label: CallLabel, error: BaseException) -> str:
        kind = type(error).__name__
        if (label, kind) in self._kinds:
            return kind
        with self._lock:
            if len(self._kinds) >= MOST_LABELS:
                return _OTHER
            self._kinds.add((label, kind))
        return kind


class _DaemonCollector:
    """Reads from daemons what they count themselves."""

    def __init__(self, daemons: weakref.WeakSet[Daemon]) -> None:
        self._daemons = daemons

    def describe(self) -> Iterator[Metric]:
        """Yield the metrics without values, which tells their names."""
        return self._metrics([])

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now."""
        return self._metrics(list(self._daemons))

    def _metrics(self, daemons: list[Daemon]) -> Iterator[Metric]:
        from prometheus_client.metrics_core import (  # noqa: PLC0415 - optional
            CounterMetricFamily,
            GaugeMetricFamily,
        )

        yield GaugeMetricFamily(
            "pyro_connections",
            "Open connections.",
            sum(len(_connections_of(one)) for one in daemons),
        )
        yield GaugeMetricFamily(
            "pyro_streams",
            "Open item streams.",
            sum(len(one.streams) for one in daemons),
        )
        yield CounterMetricFamily(
            "pyro_busy_refusals",
            "Requests refused because all workers were busy and the queue was full.",
            sum(one.busy_refusals for one in daemons),
        )


def _connections_of(daemon: Daemon) -> list[Connection]:
    host = daemon.transportServer
    return host.connections if isinstance(host, SelectorHost) else []
