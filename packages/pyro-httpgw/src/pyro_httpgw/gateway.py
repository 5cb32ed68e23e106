"""From one request to one answer: the gateway itself, under every web server."""

from __future__ import annotations

import asyncio
import logging
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from pyro_protocol import Configuration, config, errors
from pyro_protocol.context import CallState, call_state
from pyro_protocol.errors import PyroError

from .admission.admission import Admission
from .admission.hosts import check_host
from .admission.origins import check_origin, options_response
from .admission.proxies import see_through_proxies
from .answers.problems import failure, refusal
from .answers.replies import answer_of
from .answers.statuses import failed_call
from .answers.stream_counts import StreamCounts
from .arguments.reading import check_size, parse_query
from .assets import asset_response, explorer_response
from .calls.call_states import call_state_for, correlation_of, time_limit_of
from .calls.calling import answer_call
from .calls.names import NameCache
from .calls.objects import RemoteObjects, may_go_elsewhere
from .calls.pool import ChannelPool
from .completion import complete
from .errors import CallFailedError, RequestRefusedError
from .exchange import ANYBODY, Exchange
from .listing import answer_objects
from .messages import Request, Response, text_response
from .openapi.document import answer_openapi
from .operation.health import Readiness, answer_health
from .operation.metrics import answer_metrics
from .operation.observation import Observer
from .routing import (
    PREFIX,
    AssetRoute,
    CallRoute,
    NoRoute,
    Place,
    Route,
    methods_of,
    route_of,
)
from .usual import UsualCalls

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .settings import Settings
    from .usual import UsualCall

__all__ = ["Gateway"]

_logger = logging.getLogger("pyro.httpgw")

# Members of an enumeration are looked up ten times as slowly.
_TOP: Final = Place.TOP
_HOME: Final = Place.HOME
_HEALTH: Final = Place.HEALTH
_READINESS: Final = Place.READINESS
_METRICS: Final = Place.METRICS


class Gateway:
    """Answers requests by calling Pyro objects; for use in one event loop.

    Call `aclose` when no more requests come.

    Args:
        config: where the name server is, and the settings of connections.
        clock: tells the time in seconds.

    Attributes:
        names: what the name server knows.
        objects: what can be called.
        streams: how many streams are being passed on.
        usual: what makes the usual calls without `respond`.
    """

    def __init__(
        self,
        config: Configuration = config,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = ChannelPool(config)
        self.names: NameCache = NameCache(config)
        self.objects: RemoteObjects = RemoteObjects(self.names, self._pool)
        self.streams: StreamCounts = StreamCounts()
        self._admission = Admission(clock)
        self.usual: UsualCalls = UsualCalls(self.objects, self._admission)
        self._observer = Observer(clock, self._pool)
        self._readiness = Readiness(self.names, clock)

    async def respond(self, request: Request, settings: Settings) -> Response:
        """Return the answer to a request; whatever fails is part of the answer."""
        if settings.trusted_proxies:
            see_through_proxies(request, settings.trusted_proxies)
        correlation = correlation_of(request.headers)
        exchange = Exchange(
            request,
            settings,
            {},
            ANYBODY,
            self.names,
            self.objects,
            self.streams,
            correlation.text,
        )
        observation = self._observer.begin(exchange)
        response: Response | None = None
        self._admission.in_flight += 1
        outer = call_state.get()
        try:
            seconds = time_limit_of(request.headers, settings.comm_timeout)
            call_state.set(call_state_for(request.headers, correlation, seconds))
            response = await self._answer_in_time(exchange, seconds)
        except Exception as error:  # noqa: BLE001 - whatever fails is answered
            response = _failed(error, exchange)
        finally:
            call_state.set(outer)
            self._admission.in_flight -= 1
            if response is not None:
                response = complete(response, exchange)
            if observation is not None:
                self._observer.finish(observation, response)
        return response

    async def conclude(
        self, request: Request, settings: Settings, call: UsualCall
    ) -> Response:
        """Return the answer to a request after a call of `usual` for it.

        Args:
            request: the request.
            settings: those that count for it.
            call: the call, of which an unusual answer has come, or none.
        """
        error = call.error
        if error is not None and may_go_elsewhere(error):
            self.objects.forget(call.name)
            return await self.respond(request, settings)
        exchange = Exchange(
            request,
            settings,
            {},
            ANYBODY,
            self.names,
            self.objects,
            self.streams,
            call.correlation.text,
        )
        outer = call_state.get()
        self._admission.in_flight += 1
        try:
            call_state.set(CallState(correlation=call.correlation.data))
            result = await self.objects.concluded(
                call.channel, call.uri, call.invocation, call.answer
            )
            response = await answer_of(exchange, result)
        except Exception as failed:  # noqa: BLE001 - whatever fails is answered
            response = _failed(failed, exchange)
        finally:
            call_state.set(outer)
            self._admission.in_flight -= 1
        return complete(response, exchange)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._readiness.aclose()
        await self._pool.aclose()
        await self.names.aclose()
        self._observer.close()

    async def _answer_in_time(self, exchange: Exchange, seconds: float) -> Response:
        if not seconds:
            return await self._answer(exchange)
        try:
            async with asyncio.timeout(seconds):
                return await self._answer(exchange)
        except TimeoutError:
            raise errors.TimeoutError(f"no answer within {seconds:g} seconds") from None

    async def _answer(self, exchange: Exchange) -> Response:
        """Return the answer to a request, if it is one that may be answered."""
        request, settings = exchange.request, exchange.settings
        route = exchange.route = route_of(request.path)
        if route is not _HEALTH and route is not _READINESS:
            # Those who look after the gateway may call it what they like.
            check_host(request, settings)
            if settings.rate_limit:
                self._admission.check_rate(request.client, settings.rate_limit)
        response = _answer_for_all(request, settings, route)
        if response is not None:
            return response
        if route is _HEALTH:
            return await answer_health(exchange)
        if route is _READINESS:
            return await self._readiness.answer(exchange)
        check_origin(request, settings)
        parameters = parse_query(request.query) if request.query else {}
        exchange.parameters = parameters
        exchange.caller = self._admission.authenticate(request, parameters, settings)
        check_size(request, settings)
        if settings.max_in_flight and route is not _METRICS:
            self._admission.check_room(settings.max_in_flight)
        if isinstance(route, CallRoute):
            return await answer_call(exchange, route)
        if route is _METRICS and settings.metrics:
            return await answer_metrics(exchange)
        handler = _HANDLERS.get(route) if isinstance(route, Place) else None
        if handler is None:
            raise _nothing_at(request.path)
        return await handler(exchange)


_HANDLERS: Final[dict[Place, Callable[[Exchange], Awaitable[Response]]]] = {
    Place.OBJECTS: answer_objects,
    Place.OPENAPI: answer_openapi,
}


def _answer_for_all(
    request: Request, settings: Settings, route: Route
) -> Response | None:
    """Return the answer to what any page and anybody may ask; None if it is more.

    Raises:
        RequestRefusedError: nobody may ask this.
    """
    if route is _TOP:
        home = f"{request.mount}/{PREFIX}"
        return text_response(HTTPStatus.FOUND, "", (("Location", home),))
    if isinstance(route, NoRoute) and not route.below_prefix:
        raise _nothing_at(
            request.path, f"objects are below /{PREFIX}, and are listed at /{PREFIX}"
        )
    methods = methods_of(route)
    if request.method == "OPTIONS":
        check_origin(request, settings)
        return options_response(request, settings, methods)
    if request.method not in methods:
        raise RequestRefusedError(
            HTTPStatus.METHOD_NOT_ALLOWED,
            f"{request.method} is not for {request.path}",
            headers=(("Allow", ", ".join(methods)),),
        )
    if isinstance(route, NoRoute):
        raise _nothing_at(request.path, f"a method is called at /{PREFIX}OBJECT/METHOD")
    if settings.explorer:
        if route is _HOME:
            return explorer_response(request)
        if isinstance(route, AssetRoute):
            return asset_response(request, route.name)
    return None


def _failed(error: Exception, exchange: Exchange) -> Response:
    """Return the answer to a request that failed."""
    if isinstance(error, RequestRefusedError):
        return refusal(error)
    shown = exchange.shows_tracebacks
    if not isinstance(error, PyroError):
        request = exchange.request
        _logger.error(
            "answering %s %r failed", request.method, request.path, exc_info=error
        )
        error = CallFailedError(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            PyroError("the gateway failed; see its log"),
        )
    return failure(failed_call(error), traceback=shown)


def _nothing_at(path: str, hint: str | None = None) -> RequestRefusedError:
    return RequestRefusedError(
        HTTPStatus.NOT_FOUND, f"there is nothing at {path}", hint
    )
