"""From one request to one answer: the gateway itself, under every web server."""

from __future__ import annotations

import asyncio
import logging
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from pyro_protocol import URI, Configuration, config, errors
from pyro_protocol.context import CallState, call_state
from pyro_protocol.errors import PyroError
from pyro_protocol.wire import FLAG_ONEWAY

from .access import KEY_PARAMETER, check_key, check_name, cors_headers, is_exposed
from .arguments import Arguments, arguments_of, parse_query, refuse_body
from .errors import CallFailedError, RequestRefusedError
from .home import HomePage, ListedObject, home_response
from .messages import Headers, Request, Response, json_response, text_response
from .names import NameCache
from .objects import Invocation, Members, RemoteObjects, Reply
from .pool import ChannelPool
from .rendering import render_value
from .replies import failed_call, failure_response, reply_response
from .routing import METADATA, PREFIX, CallRoute, NoRoute, TopRoute, route_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .settings import Settings

__all__ = ["Gateway"]

_logger = logging.getLogger("pyro.httpgw")

_CORRELATION_HEADER: Final = "X-Pyro-Correlation-Id"
_OPTIONS_HEADER: Final = "x-pyro-options"
_ALLOWED_METHODS: Final = "GET, POST, OPTIONS"

# A page longer than this is no help, and each object on it costs a question.
_MOST_DESCRIBED: Final = 50
# How many objects are asked at the same time, so that one page is no flood.
_DESCRIBED_AT_ONCE: Final = 10
# How long the page waits for one object, in seconds; a dead one must not take it down.
_DESCRIBE_SECONDS: Final = 3.0

_SECURITY_HEADERS: Final[Headers] = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    # An address can hold the gateway key.
    ("Referrer-Policy", "no-referrer"),
)


class Gateway:
    """Answers requests by calling Pyro objects; for use in one event loop.

    Call `aclose` when no more requests come.

    Args:
        config: where the name server is, and the settings of connections.
    """

    def __init__(self, config: Configuration = config) -> None:
        self._names = NameCache(config)
        self._pool = ChannelPool(config)
        self._objects = RemoteObjects(self._names, self._pool)

    async def respond(self, request: Request, settings: Settings) -> Response:
        """Return the answer to a request; whatever fails is part of the answer."""
        presented = request.headers.get(_CORRELATION_HEADER.lower(), "")
        correlation = _parse_correlation(presented) or uuid.uuid4()
        token = call_state.set(CallState(correlation=correlation.bytes))
        try:
            async with asyncio.timeout(settings.comm_timeout or None):
                response = await self._answer(request, settings)
        except RequestRefusedError as refused:
            response = text_response(refused.status, str(refused), refused.headers)
        except TimeoutError:
            late = errors.TimeoutError(
                f"no answer within {settings.comm_timeout:g} seconds"
            )
            response = failure_response(failed_call(late))
        except PyroError as error:
            response = failure_response(failed_call(error))
        except Exception:
            _logger.exception("answering %s %r failed", request.method, request.path)
            response = failure_response(
                CallFailedError(
                    HTTPStatus.INTERNAL_SERVER_ERROR,
                    PyroError("the gateway failed; see its log"),
                )
            )
        finally:
            call_state.reset(token)
        return _completed(response, request, settings, correlation)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.aclose()
        await self._names.aclose()

    async def _answer(self, request: Request, settings: Settings) -> Response:
        presented = request.headers.get(_CORRELATION_HEADER.lower(), "")
        if presented and _parse_correlation(presented) is None:
            raise RequestRefusedError(
                HTTPStatus.BAD_REQUEST,
                f"400 Bad Request - {_CORRELATION_HEADER} must be a UUID",
            )
        route = route_of(request.path)
        if isinstance(route, TopRoute):
            home = f"{request.mount}/{PREFIX}"
            return text_response(HTTPStatus.FOUND, "", (("Location", home),))
        if isinstance(route, NoRoute) and not route.below_prefix:
            raise RequestRefusedError(HTTPStatus.NOT_FOUND, "Error 404: Not Found")
        if request.method == "OPTIONS":
            return text_response(
                HTTPStatus.OK, "200 OK", (("Allow", _ALLOWED_METHODS),)
            )
        if request.method not in {"GET", "POST"}:
            raise RequestRefusedError(
                HTTPStatus.METHOD_NOT_ALLOWED,
                "Error 405: Method Not Allowed",
                (("Allow", _ALLOWED_METHODS),),
            )
        if isinstance(route, NoRoute):
            raise RequestRefusedError(HTTPStatus.NOT_FOUND, "Error 404: Not Found")
        parameters = parse_query(request.query)
        check_key(request, parameters, settings)
        key = None
        if settings.gateway_key is not None:
            key = next(iter(parameters.pop(KEY_PARAMETER, [])), None)
        if isinstance(route, CallRoute):
            return await self._call(route, request, parameters, settings)
        refuse_body(request, "the home page takes no body")
        return await self._home(settings, key)

    async def _call(
        self,
        route: CallRoute,
        request: Request,
        parameters: Mapping[str, list[str]],
        settings: Settings,
    ) -> Response:
        check_name(route.name, settings)
        if route.member == METADATA:
            refuse_body(request, f"{METADATA} takes no body")
            members = await self._objects.at(route.name, self._objects.members)
            return _metadata_response(members)
        arguments = arguments_of(request, parameters)
        oneway = _forced_oneway(request)

        async def invoke(uri: URI) -> Reply | None:
            members = await self._objects.members(uri)
            invocation = _invocation(route, arguments, members, oneway)
            return await self._objects.invoke(uri, invocation)

        return reply_response(await self._objects.at(route.name, invoke))

    async def _home(self, settings: Settings, key: str | None) -> Response:
        try:
            names = await self._names.all_names()
        except PyroError as error:
            status = failed_call(error).status
            raise RequestRefusedError(
                status, f"{int(status)} - the name server cannot be reached: {error}"
            ) from error
        names = sorted(name for name in names if is_exposed(name, settings))
        turn = asyncio.Semaphore(_DESCRIBED_AT_ONCE)
        described = await asyncio.gather(
            *(self._describe(name, turn) for name in names[:_MOST_DESCRIBED])
        )
        rest = [ListedObject(name) for name in names[_MOST_DESCRIBED:]]
        return home_response(
            HomePage(
                objects=[*described, *rest],
                exposed=settings.exposed.pattern,
                name_server=self._names.location or "an unknown place",
                key=key,
            )
        )

    async def _describe(self, name: str, turn: asyncio.Semaphore) -> ListedObject:
        async with turn:
            try:
                async with asyncio.timeout(_DESCRIBE_SECONDS):
                    members = await self._objects.at(name, self._objects.members)
            except TimeoutError:
                return ListedObject(name, problem="does not answer")
            except PyroError as error:
                return ListedObject(name, problem=str(error))
        return ListedObject(name, members)


def _invocation(
    route: CallRoute, arguments: Arguments, members: Members, forced_oneway: bool
) -> Invocation:
    """Return what to ask of an object.

    Raises:
        RequestRefusedError: there are arguments for an attribute.
        CallFailedError: the object has no such member.
    """
    if route.member in members.attributes:
        if arguments:
            raise RequestRefusedError(
                HTTPStatus.BAD_REQUEST,
                f"400 Bad Request - {route.member} is an attribute: no parameters",
            )
        return Invocation("__getattr__", (route.member,))
    if route.member not in members.methods:
        raise CallFailedError(
            HTTPStatus.NOT_FOUND,
            AttributeError(
                f"remote object {route.name!r} has no exposed attribute or method "
                f"{route.member!r}"
            ),
        )
    oneway = forced_oneway or route.member in members.oneway
    return Invocation(
        route.member,
        arguments.positional,
        arguments.keywords,
        FLAG_ONEWAY if oneway else 0,
    )


def _forced_oneway(request: Request) -> bool:
    options = request.headers.get(_OPTIONS_HEADER, "").split(",")
    return any(option.strip().lower() == "oneway" for option in options)


def _metadata_response(members: Members) -> Response:
    document = {
        "methods": sorted(members.methods),
        "attributes": sorted(members.attributes),
    }
    return json_response(HTTPStatus.OK, render_value(document))


def _parse_correlation(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        return None


def _completed(
    response: Response, request: Request, settings: Settings, correlation: uuid.UUID
) -> Response:
    """Return an answer with the header fields that every answer has."""
    headers = (
        *response.headers,
        ("Content-Length", str(len(response.body))),
        (_CORRELATION_HEADER, str(correlation)),
        *cors_headers(request, settings),
        *_SECURITY_HEADERS,
    )
    return Response(response.status, headers, response.body)
