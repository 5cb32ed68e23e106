"""The short way of the usual request: a call by GET, where nothing else is asked for.

Most requests are alike: who sends them need not be found out, the object and its method
are known, there is a connection to it, and its answer is a value. These are answered
here at once, with no task and nothing made that only others need. Whatever is unusual
is left to `Gateway.respond`, before anything has happened, or to `Gateway.conclude`,
with what has come of the call.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol

from pyro_protocol.wire import FLAG_CORRELATION

from .admission.access import is_exposed
from .admission.hosts import is_known_host
from .answers.rendering import render_value
from .arguments.plans import plan_of
from .arguments.reading import parse_query
from .calls.call_states import new_correlation
from .calls.invocation import Invocation, serializer_for, written
from .errors import RequestRefusedError
from .operation.observation import ACCESS_LOG
from .routing import BATCH, DESCRIPTION, METADATA, CallRoute, route_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyro_protocol.errors import CommunicationError
    from pyro_protocol.transport.asyncio_calls import AsyncCallingChannel
    from pyro_protocol.uri import URI
    from pyro_protocol.wire import Frame

    from .admission.admission import Admission
    from .calls.call_states import Correlation
    from .calls.objects import RemoteObjects
    from .settings import Settings

__all__ = ["UsualCall", "UsualCalls", "UsualListener"]

# Header fields that no answer depends on, whatever they say; `accept` is looked at.
_FIELDS: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "connection",
        "host",
        "pragma",
        "user-agent",
    }
)
_ANY_FORM: Final = frozenset({None, "", "*/*"})
_SPECIAL: Final = frozenset({BATCH, DESCRIPTION, METADATA})

# As many methods as anybody calls in a row; a bound on memory.
_MOST_ROUTES: Final = 1000

_NATIVE: Final = serializer_for(native=True)
_UNUSUAL: Final = ~FLAG_CORRELATION

_access_log = logging.getLogger(ACCESS_LOG)


class UsualListener(Protocol):
    """Who has sent a request, and waits for the answer."""

    def usual_result(self, call: UsualCall, body: bytes) -> None:
        """Take the result of a call, as JSON."""

    def usual_rest(self, call: UsualCall) -> None:
        """Have `Gateway.conclude` find out what has become of a call."""


class UsualCall:
    """One such request, on its way; its connection to the daemon tells it the answer.

    Attributes:
        name: what the object is called.
        uri: where it is.
        channel: the connection.
        invocation: what the object is asked.
        correlation: the id of the request.
        error: why there is no answer.
    """

    __slots__ = (
        "_admission",
        "_frame",
        "_listener",
        "channel",
        "correlation",
        "error",
        "invocation",
        "name",
        "uri",
    )

    def __init__(
        self,
        name: str,
        uri: URI,
        channel: AsyncCallingChannel,
        invocation: Invocation,
        correlation: Correlation,
        admission: Admission,
        listener: UsualListener,
    ) -> None:
        self.name: str = name
        self.uri: URI = uri
        self.channel: AsyncCallingChannel = channel
        self.invocation: Invocation = invocation
        self.correlation: Correlation = correlation
        self._frame: Frame | None = None
        self.error: CommunicationError | None = None
        self._admission = admission
        self._listener: UsualListener | None = listener
        admission.in_flight += 1

    @property
    def answer(self) -> Frame:
        """The answer, which is not a usual one.

        Raises:
            CommunicationError: there is none.
        """
        if self._frame is None:
            assert self.error is not None  # noqa: S101 - one of the two has ended it
            raise self.error
        return self._frame

    def done(self) -> bool:
        """Whether nothing is waited for any more."""
        return self._listener is None

    def set_result(self, frame: Frame) -> None:
        """Take the answer of the daemon."""
        listener = self._end()
        if listener is None:
            return
        body = None
        if (
            not frame.flags & _UNUSUAL
            and not frame.annotations
            and frame.serializer_id == _NATIVE.id
        ):
            try:
                body = render_value(_NATIVE.loads(frame.payload))
            except Exception:  # noqa: BLE001 - told of when it is tried again
                body = None
        if body is None:
            self._frame = frame
            listener.usual_rest(self)
        else:
            listener.usual_result(self, body)

    def set_exception(self, error: CommunicationError) -> None:
        """Take note that there will be no answer."""
        listener = self._end()
        if listener is not None:
            self.error = error
            listener.usual_rest(self)

    def give_up(self) -> None:
        """Have the daemon end the call, as nobody waits for the answer any more."""
        if self._end() is not None:
            self.channel.forget(self)

    def _end(self) -> UsualListener | None:
        listener, self._listener = self._listener, None
        if listener is not None:
            self._admission.in_flight -= 1
        return listener


class UsualCalls:
    """Begins such requests; for use in one event loop.

    Args:
        objects: what can be called.
        admission: counts the requests.
    """

    def __init__(self, objects: RemoteObjects, admission: Admission) -> None:
        self._objects = objects
        self._admission = admission
        # What was found out for the settings that counted last.
        self._settings: Settings | None = None
        self._is_open = False
        self._routes: dict[str, CallRoute] = {}

    def begin(
        self,
        path: str,
        query: str,
        headers: Mapping[str, str],
        settings: Settings,
        listener: UsualListener,
    ) -> UsualCall | None:
        """Make the call that a GET request asks for, if all is as usual.

        Args:
            path: as in `Request`.
            query: as in `Request`.
            headers: as in `Request`.
            settings: those that count for it.
            listener: what is told of the answer.

        Returns:
            The call; None if something is unusual. Then nothing has happened.
        """
        if settings is not self._settings:
            self._adopt(settings)
        if not (
            self._is_open
            and _FIELDS.issuperset(headers)
            and headers.get("accept") in _ANY_FORM
            and is_known_host(headers.get("host"), settings)
            and self._admission.has_room(settings.max_in_flight)
        ) or _access_log.isEnabledFor(logging.INFO):
            return None
        route = self._routes.get(path) or self._route(path, settings)
        ready = None if route is None else self._objects.ready(route.name)
        if route is None or ready is None:
            return None
        uri, offer, channel = ready
        plan = plan_of(offer.description).method(route.member)
        if plan is None or plan.method.kind != "method" or not channel.native:
            return None
        try:
            args, kwargs = plan.bind_query(parse_query(query) if query else {})
            invocation = Invocation(route.member, args, kwargs)
            payload = written(_NATIVE, uri.object_id, invocation)
        except RequestRefusedError:
            return None
        correlation = new_correlation()
        call = UsualCall(
            route.name,
            uri,
            channel,
            invocation,
            correlation,
            self._admission,
            listener,
        )
        if channel.quick_send(payload, correlation.data, call):
            return call
        call.give_up()
        return None

    def _adopt(self, settings: Settings) -> None:
        self._settings = settings
        self._routes.clear()
        # With any of these a request depends on who sends it, or on when.
        self._is_open = not (
            settings.authenticates
            or settings.rate_limit
            or settings.trusted_proxies
            or settings.comm_timeout
            or settings.metrics
            or settings.cors
        )

    def _route(self, path: str, settings: Settings) -> CallRoute | None:
        """Return the method that a path leads to, if it may be called."""
        route = route_of(path)
        if (
            not isinstance(route, CallRoute)
            or route.member in _SPECIAL
            or not is_exposed(route.name, settings)
        ):
            return None
        if len(self._routes) >= _MOST_ROUTES:
            self._routes.clear()
        self._routes[path] = route
        return route
