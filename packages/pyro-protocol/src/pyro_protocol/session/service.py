"""One accepted connection without its socket: requests in, answers out.

Every host serves its connections through this; a host moves bytes and decides
in which thread or task a request is handled.
"""

from __future__ import annotations

import logging
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from ..context import CallState, call_state
from ..dispatch import Call, CallFailure, ClientConnection, Dispatcher, ObjectRegistry
from ..dispatch.tracebacks import remote_traceback
from ..errors import CommunicationError, PyroError, ServerBusyError
from ..wire import (
    FLAG_COMPRESSED,
    FLAG_ONEWAY,
    NO_ANNOTATIONS,
    Annotations,
    Frame,
    MessageType,
)
from .server import ConnectRequest, ServerEvent, ServerSession

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from .settings import SessionSettings

__all__ = ["ServerConnection", "Service"]

_logger = logging.getLogger("pyro.server")

_PING: Final = int(MessageType.PING)


def _hello(_client: ClientConnection, _data: Any) -> Any:
    return "hello"


def _nothing() -> Mapping[str, Any]:
    return NO_ANNOTATIONS


def _ignore(_client: ClientConnection) -> None:
    return


class Service:
    """What all connections of one server share.

    Args:
        registry: the objects.
        dispatcher: what carries out the calls.
        settings: limits and choices of the sessions.
        validate_handshake: called with the client and its handshake value;
            returns the value for the client, or raises to refuse it.
        annotations: returns what every answer carries.
        client_disconnect: told of a client that has gone, if it was admitted.
    """

    __slots__ = (
        "annotations",
        "client_disconnect",
        "dispatcher",
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
        annotations: Callable[[], Mapping[str, Any]] = _nothing,
        client_disconnect: Callable[[Any], None] = _ignore,
    ) -> None:
        self.registry: ObjectRegistry = registry
        self.dispatcher: Dispatcher = dispatcher
        self.settings: SessionSettings = settings
        self.validate_handshake: Callable[[Any, Any], Any] = validate_handshake
        self.annotations: Callable[[], Mapping[str, Any]] = annotations
        self.client_disconnect: Callable[[Any], None] = client_disconnect


class ServerConnection:
    """One connection: its session, its client, and the service behind it.

    Args:
        service: what the connections share.
        client: the client at the other end.
        connected: whether the conversation begins without a handshake.
    """

    __slots__ = ("_dispatcher", "client", "service", "session")

    def __init__(
        self, service: Service, client: ClientConnection, *, connected: bool = False
    ) -> None:
        self.service: Service = service
        self._dispatcher = service.dispatcher
        self.client: ClientConnection = client
        client.established = connected
        self.session: ServerSession = ServerSession(
            service.settings, connected=connected
        )

    def handle(self, event: ServerEvent) -> Coroutine[Any, Any, None] | None:
        """Handle a request and queue the answer.

        Returns None when that is done. Where the dispatcher leaves coroutines to
        its caller, a method that is one gives a coroutine to be awaited before
        the next request is handled. A oneway request may be handled in another
        thread than the one that feeds the session, since it has no answer.
        """
        if type(event) is ConnectRequest:
            self._connect(event)
            return None
        frame: Frame = event  # type: ignore[assignment] # the only other event
        if frame.kind == _PING:
            self._pong(frame)
            return None
        state = CallState(
            self.client,
            frame.sequence,
            frame.flags & ~FLAG_COMPRESSED,
            frame.serializer_id,
            frame.annotations,
            frame.correlation_id,
        )
        token = call_state.set(state)
        try:
            call = self.session.read_call(frame)
            value = self._dispatcher.invoke(self.client, call)
            if type(value) is CoroutineType:
                return self._await(frame, state, call, value)
        except CallFailure as failure:
            self._fail(frame, failure.error, state)
        except PyroError as error:
            self._refuse_request(frame, error, state)
        else:
            if not frame.flags & FLAG_ONEWAY:
                self._answer(frame, value, state)
        finally:
            call_state.reset(token)
        return None

    async def _await(
        self,
        frame: Frame,
        state: CallState,
        call: Call,
        result: Coroutine[Any, Any, Any],
    ) -> None:
        """Bring a call whose method is a coroutine to its end."""
        token = call_state.set(state)
        try:
            try:
                value = await result
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001 - whatever a method raises is answered
                if not self.client.established:
                    # Most likely it was cancelled because its client has left.
                    _logger.debug("%s left before its call was done", self.client)
                    return
                raise self._dispatcher.failure(self.client, call, error) from None
            value = self._dispatcher.conclude(self.client, call, value)
        except CallFailure as failure:
            self._fail(frame, failure.error, state)
        else:
            if not frame.flags & FLAG_ONEWAY:
                self._answer(frame, value, state)
        finally:
            call_state.reset(token)

    def refuse_busy(self, event: ServerEvent) -> None:
        """Answer a request that there is no room for."""
        if type(event) is ConnectRequest:
            self.session.send_refusal(
                event, "no free workers, increase server threadpool size"
            )
            return
        frame: Frame = event  # type: ignore[assignment] # the only other event
        if frame.kind == _PING:
            self._pong(frame)
            return
        self.session.send_exception(
            frame,
            ServerBusyError(
                "the server is busy: all its workers are, and its queue is full; the "
                "call was not run (see THREADPOOL_SIZE and THREADPOOL_QUEUE_SIZE)"
            ),
        )

    def close(self) -> None:
        """Release what the client held, and tell the service that it has gone."""
        if self.client.established:
            self.client.established = False
            try:
                self.service.client_disconnect(self.client)
            except Exception:
                _logger.exception(
                    "the client disconnect hook failed for %s", self.client
                )
        self.client.release()

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
            self.session.send_accept(
                request, answer, entry.members.metadata(), annotations
            )
            self.client.established = True
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
            self.session.send_pong(frame, annotations)
        except Exception:
            _logger.exception("the annotations of a reply cannot be sent")
            self.session.send_pong(frame)

    def _annotations(self, state: CallState) -> Annotations:
        own = self.service.annotations()
        extra = state.response_annotations
        return {**extra, **own} if extra else own

    def _answer(self, frame: Frame, value: Any, state: CallState) -> None:
        try:
            annotations = self.service.annotations()
            if state.response_annotations:
                annotations = {**state.response_annotations, **annotations}
            self.session.send_result(frame, value, annotations, state.correlation)
        except Exception as error:  # noqa: BLE001 - anything may be wrong with a result
            error._pyroTraceback = remote_traceback(error, detailed=False)  # type: ignore[attr-defined] # documented
            _logger.warning(
                "the result of a call cannot be sent to %s: %s", self.client, error
            )
            self.session.send_exception(frame, error, correlation_id=state.correlation)

    def _fail(self, frame: Frame, error: Exception, state: CallState) -> None:
        try:
            annotations = self.service.annotations()
        except Exception:
            _logger.exception("the annotations of a reply cannot be made")
            annotations = NO_ANNOTATIONS
        self.session.send_exception(frame, error, annotations, state.correlation)

    def _refuse_request(self, frame: Frame, error: PyroError, state: CallState) -> None:
        """Answer a request that could not be decoded."""
        _logger.warning("a request of %s was refused: %s", self.client, error)
        if isinstance(error, CommunicationError):
            error.outcome = "not_sent"
        # It may hold the whole message, which its sender has already.
        error.__cause__ = None
        error.__suppress_context__ = True
        self._fail(frame, error, state)
