"""What is noted of each answer: a line in the access log, and the metrics.

Where nobody wants to know, nothing is done.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from ..routing import BATCH, DESCRIPTION, METADATA, AssetRoute, CallRoute, Place
from .metrics import process_metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..calls.pool import ChannelPool
    from ..exchange import Exchange
    from ..messages import Parts, Response
    from ..routing import Route
    from .metrics import Metrics

__all__ = ["ACCESS_LOG", "Observation", "Observer"]

ACCESS_LOG: Final = "pyro.httpgw.access"
"""The name of the logger that gets a line for each answer, at the level INFO."""

CLIENT_LEFT: Final = 499
"""The status in the log when nobody waits for the answer any more, as in nginx."""

_access_log = logging.getLogger(ACCESS_LOG)

# What is left as it is in a path; the rest could look like another line or field.
_PLAIN: Final = "/$:@!*'(),;=&+"
_PLACES: Final[dict[Place, str]] = {
    Place.TOP: "page",
    Place.HOME: "page",
    Place.OBJECTS: "objects",
    Place.OPENAPI: "openapi",
    Place.HEALTH: "health",
    Place.READINESS: "health",
    Place.METRICS: "metrics",
}
_MEMBERS: Final = {METADATA: "meta", DESCRIPTION: "describe", BATCH: "batch"}


class Observer:
    """Notes what becomes of requests; for use in one event loop.

    Args:
        clock: tells the time in seconds.
        pool: the connections to daemons, which the metrics count.
    """

    def __init__(self, clock: Callable[[], float], pool: ChannelPool) -> None:
        self._clock = clock
        self._pool = pool
        self._told = 0

    def begin(self, exchange: Exchange) -> Observation | None:
        """Take note that a request has come; None if nobody wants to know."""
        logged = _access_log.isEnabledFor(logging.INFO)
        metrics = process_metrics() if exchange.settings.metrics else None
        if metrics is None:
            return Observation(exchange, self._clock, None) if logged else None
        metrics.in_flight.inc()
        return Observation(exchange, self._clock, metrics)

    def finish(self, observation: Observation, response: Response | None) -> None:
        """Take note of an answer, or that there was nobody to answer any more."""
        observation.answered(response)
        metrics = observation.metrics
        if metrics is not None:
            metrics.in_flight.dec()
            self._tell_connections(metrics, self._pool.open_count)

    def close(self) -> None:
        """Take note that the connections are closed."""
        if self._told:
            self._tell_connections(process_metrics(), 0)

    def _tell_connections(self, metrics: Metrics, count: int) -> None:
        if count != self._told:
            # Other gateways of the process have connections too.
            metrics.connections.inc(count - self._told)
            self._told = count


class Observation:
    """One request, while it is observed.

    Args:
        exchange: the request.
        clock: tells the time in seconds.
        metrics: what counts the answer, or None.

    Attributes:
        metrics: what counts the answer, or None.
    """

    def __init__(
        self, exchange: Exchange, clock: Callable[[], float], metrics: Metrics | None
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._began = clock()
        self._status = CLIENT_LEFT
        self.metrics = metrics

    def answered(self, response: Response | None) -> None:
        """Take note of an answer that begins now; None if nobody waits for it."""
        size = 0
        if response is not None:
            self._status = response.status
            if self._exchange.request.method != "HEAD":
                size = len(response.body)
        if self.metrics is not None:
            self.metrics.count(
                _kind_of(self._exchange.route),
                self._exchange.request.method,
                self._status,
                self._clock() - self._began,
            )
        if response is None or response.parts is None:
            self._log(size)
            return
        if self.metrics is not None:
            self.metrics.streams.inc()
        response.parts = _ObservedParts(response.parts, size, self._streamed)

    def _streamed(self, size: int) -> None:
        if self.metrics is not None:
            self.metrics.streams.dec()
        self._log(size)

    def _log(self, size: int) -> None:
        if not _access_log.isEnabledFor(logging.INFO):
            return
        exchange = self._exchange
        request = exchange.request
        _access_log.info(
            "%s %s %s %d %d %.1fms %s %s",
            _quoted(request.client) or "-",
            _quoted(request.method),
            # Without the query string, which may hold the gateway key.
            request.mount + _quoted(request.path),
            self._status,
            size,
            (self._clock() - self._began) * 1000,
            exchange.correlation,
            _quoted(exchange.caller.name) or "-",
        )


class _ObservedParts:
    """The parts of a body, of which the sizes are added up."""

    def __init__(self, parts: Parts, size: int, ended: Callable[[int], None]) -> None:
        self._parts = parts
        self._size = size
        self._ended: Callable[[int], None] | None = ended

    def __aiter__(self) -> _ObservedParts:
        return self

    async def __anext__(self) -> bytes:
        part = await self._parts.__anext__()
        self._size += len(part)
        return part

    async def aclose(self) -> None:
        ended, self._ended = self._ended, None
        try:
            await self._parts.aclose()
        finally:
            if ended is not None:
                ended(self._size)


def _quoted(text: str) -> str:
    return quote(text, _PLAIN, errors="replace")


def _kind_of(route: Route | None) -> str:
    """Return what a route stands for, in a word; there are only a few of them."""
    if isinstance(route, CallRoute):
        return _MEMBERS.get(route.member, "call")
    if isinstance(route, AssetRoute):
        return "page"
    return _PLACES[route] if isinstance(route, Place) else "none"
