"""The gateway in numbers, for Prometheus: the extra ``prometheus``.

Where several processes serve, each leaves its numbers in the folder that the
environment variable ``PROMETHEUS_MULTIPROC_DIR`` names, and any of them tells all.
"""

from __future__ import annotations

import os
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from ..messages import Response

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Gauge

    from ..exchange import Exchange

__all__ = ["Metrics", "answer_metrics", "process_metrics"]

FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable that names the folder with the numbers of all processes."""

# Anything else counts as one, or a client could make up a thousand.
_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT"})
_OTHER_METHOD: Final = "other"

# In seconds: calls on the same machine take less than a millisecond.
_DURATIONS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
)  # fmt: skip
# Numbers of processes that are there still, added up.
_LIVE: Final = "livesum"


async def answer_metrics(exchange: Exchange) -> Response:
    """Return all numbers, in the format that the request accepts."""
    from prometheus_client.exposition import (  # noqa: PLC0415 - an extra
        choose_encoder,
    )

    accept = exchange.request.headers.get("accept", "")
    encode, content_type = choose_encoder(accept)
    registry = process_metrics().readable()
    return Response(HTTPStatus.OK, (("Content-Type", content_type),), encode(registry))


@cache
def process_metrics() -> Metrics:
    """Return the numbers of this process, which all its gateways share."""
    return Metrics()


class Metrics:
    """What is counted. Nothing that clients choose is part of a name or label.

    Attributes:
        registry: what the numbers are registered with, apart from the program's own.
        in_flight: how many requests are being answered.
        streams: how many streams are being passed on.
        connections: how many connections to daemons there are.
    """

    def __init__(self) -> None:
        from prometheus_client import (  # noqa: PLC0415 - an extra
            CollectorRegistry,
            Counter,
            Gauge,
            Histogram,
        )

        self.registry: CollectorRegistry = CollectorRegistry()
        self._requests = Counter(
            "pyro_httpgw_requests",
            "Requests that were answered.",
            ("kind", "method", "status"),
            registry=self.registry,
        )
        self._durations = Histogram(
            "pyro_httpgw_request_seconds",
            "How long answers took to begin.",
            ("kind",),
            buckets=_DURATIONS,
            registry=self.registry,
        )
        self.in_flight: Gauge = Gauge(
            "pyro_httpgw_requests_in_flight",
            "Requests that are being answered.",
            multiprocess_mode=_LIVE,
            registry=self.registry,
        )
        self.streams: Gauge = Gauge(
            "pyro_httpgw_streams",
            "Streams that are being passed on.",
            multiprocess_mode=_LIVE,
            registry=self.registry,
        )
        self.connections: Gauge = Gauge(
            "pyro_httpgw_daemon_connections",
            "Connections to daemons.",
            multiprocess_mode=_LIVE,
            registry=self.registry,
        )
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        if FOLDER_VARIABLE not in os.environ:
            _add_process_collectors(self.registry)

    def count(self, kind: str, method: str, status: int, seconds: float) -> None:
        """Count an answer.

        Args:
            kind: what was asked for, one of a few.
            method: the method of the request.
            status: the status of the answer.
            seconds: how long it took to begin.
        """
        known = method if method in _METHODS else _OTHER_METHOD
        key = kind, known, status
        series = self._series.get(key)
        if series is None:
            # Looking them up takes longer than counting.
            series = self._series[key] = (
                self._requests.labels(kind, known, str(int(status))),
                self._durations.labels(kind),
            )
        series[0].inc()
        series[1].observe(seconds)

    def readable(self) -> CollectorRegistry:
        """Return what gives the numbers: of all processes, if there are several."""
        if FOLDER_VARIABLE not in os.environ:
            return self.registry
        from prometheus_client import CollectorRegistry  # noqa: PLC0415 - an extra
        from prometheus_client.multiprocess import (  # noqa: PLC0415 - an extra
            MultiProcessCollector,
        )

        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # as it is
        return registry


def _add_process_collectors(registry: CollectorRegistry) -> None:
    from prometheus_client import (  # noqa: PLC0415 - an extra
        GCCollector,
        PlatformCollector,
        ProcessCollector,
    )

    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
