"""One accepted connection without its socket.

Every host serves its connections through this; a host moves bytes and decides
in which thread or task a request is handled.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from ..context import CallState, call_state
from ..dispatch.leases import with_lease_key
from ..logs import log_exception
from ..serializers import serializers
from ..wire import (
    NO_ANNOTATIONS,
    Annotations,
    Frame,
)
from .call_handler import CallHandler
from .capabilities import CALLBACKS, DEFAULT_CAPABILITIES, NATIVE
from .server import ConnectRequest, ServerEvent, ServerSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..dispatch import ClientConnection, Dispatcher, ObjectRegistry
    from .settings import SessionSettings

__all__ = ["ServerConnection", "Service"]

_logger = logging.getLogger("pyro.server")

# Callbacks are read in the native format only.
_NATIVE_ONLY: Final = frozenset({NATIVE, CALLBACKS})
_NO_LOCK: Final[AbstractContextManager[None]] = nullcontext()


def _hello(_client: ClientConnection, _data: Any) -> Any:
    return "hello"


def _nothing() -> Mapping[str, Any]:
    return NO_ANNOTATIONS


def _ignore(_client: ClientConnection) -> None:
    return


def _no_time() -> float:
    return 0.0


class Service:
    """What all connections of one server share.

    Args:
        registry: the objects.
        dispatcher: what carries out the calls.
        settings: limits and choices of the sessions.
        validate_handshake: called with the client and its handshake value;
            returns the value for the client, or raises to refuse it.
        annotations: returns what every answer carries; None if that is nothing.
        client_disconnect: told of a client that has gone, if it was admitted.
        capabilities: what is agreed to; more than ``native`` only where the host
            acts on signals. What needs a serializer that is not accepted is left out.
        clock: returns the time in seconds, as ``time.monotonic`` does; needed for
            the time limits of calls.

    Attributes:
        busy_refusals: how many requests there was no room for.
        is_annotating: whether answers may carry anything by themselves.
    """

    __slots__ = (
        "annotations",
        "busy_refusals",
        "capabilities",
        "client_disconnect",
        "clock",
        "dispatcher",
        "is_annotating",
        "registry",
        "settings",
        "validate_handshake",
    )

    def __init__(
        self,
        registry: ObjectRegistry,
        dispatcher: Dispatcher,
        settings: SessionSettings,
        *,
        validate_handshake: Callable[[Any, Any], Any] = _hello,
        annotations: Callable[[], Mapping[str, Any]] | None = None,
        client_disconnect: Callable[[Any], None] = _ignore,
        capabilities: Iterable[str] = DEFAULT_CAPABILITIES,
        clock: Callable[[], float] = _no_time,
    ) -> None:
        self.registry: ObjectRegistry = registry
        self.dispatcher: Dispatcher = dispatcher
        self.settings: SessionSettings = settings
        self.validate_handshake: Callable[[Any, Any], Any] = validate_handshake
        self.annotations: Callable[[], Mapping[str, Any]] = annotations or _nothing
        self.is_annotating: bool = annotations is not None
        self.client_disconnect: Callable[[Any], None] = client_disconnect
        agreeable = frozenset(capabilities)
        if serializers["native"].id not in settings.accepted_serializers:
            agreeable -= _NATIVE_ONLY
        self.capabilities: frozenset[str] = agreeable
        self.clock: Callable[[], float] = clock
        self.busy_refusals: int = 0


class ServerConnection(CallHandler):
    """One connection: its session, its client, and the service behind it.

    Args:
        service: what the connections share.
        client: the client at the other end.
        connected: whether the conversation begins without a handshake.
        lock: guards the session, where several threads handle requests.
    """

    __slots__ = ()

    session: ServerSession

    def __init__(
        self,
        service: Service,
        client: ClientConnection,
        *,
        connected: bool = False,
        lock: AbstractContextManager[Any] = _NO_LOCK,
    ) -> None:
        client.established = connected
        session = ServerSession(
            service.settings, capabilities=service.capabilities, connected=connected
        )
        super().__init__(service, client, session, lock)

    def close(self) -> None:
        """Release what the client held, and tell the service that it has gone."""
        if self.client.established:
            self.client.established = False
            try:
                self.service.client_disconnect(self.client)
            except Exception:  # noqa: BLE001 - logged
                log_exception(
                    _logger, "the client disconnect hook failed for %s", self.client
                )
        self.client.release()

    def _handle_other(self, event: ServerEvent) -> None:
        if type(event) is ConnectRequest:
            self._connect(event)
        else:
            self._pong(event)  # type: ignore[arg-type] # a frame

    def _refuse_other(self, event: ServerEvent) -> None:
        if type(event) is ConnectRequest:
            self.session.send_refusal(
                event, "no free workers, increase server threadpool size"
            )
        else:
            self._pong(event)  # type: ignore[arg-type] # a frame

    def _connect(self, request: ConnectRequest) -> None:
        """Run the handshake hook, and admit or refuse the client."""
        frame = request.frame
        state = CallState(
            self.client,
            frame.sequence,
            frame.flags,
            frame.serializer_id,
            dict(frame.annotations),
            frame.correlation_id,
        )
        token = call_state.set(state)
        annotations: Annotations = NO_ANNOTATIONS
        try:
            answer = self.service.validate_handshake(self.client, request.handshake)
            annotations = self._annotations(state)
            entry = self.service.registry.get(request.object_id)
            if entry is None:
                _logger.info(
                    "%s asked for unknown object %r", self.client, request.object_id
                )
                self.session.send_refusal(
                    request, f"unknown object {request.object_id!r}", annotations
                )
                return
            if entry.lease is not None:
                entry.lease.use(self.client)
            offered = annotations
            if NATIVE in request.agreement.names:
                offered = with_lease_key(annotations, self.client)
            self.session.send_accept(request, answer, entry.members.offer, offered)
            self.begin()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - so a hook may refuse
            _logger.warning(
                "%s was refused: %s: %s", self.client, type(error).__name__, error
            )
            self.session.send_refusal(
                request, str(error) or type(error).__name__, annotations
            )
        finally:
            call_state.reset(token)

    def _pong(self, frame: Frame) -> None:
        annotations: Annotations = NO_ANNOTATIONS
        try:
            annotations = self.service.annotations()
            with self.lock:
                self.session.send_pong(frame, annotations)
        except Exception:  # noqa: BLE001 - logged
            log_exception(_logger, "the annotations of a reply cannot be sent")
            with self.lock:
                self.session.send_pong(frame)

    def _annotations(self, state: CallState) -> Annotations:
        own = self.service.annotations()
        extra = state.response_annotations
        return {**extra, **own} if extra else own
