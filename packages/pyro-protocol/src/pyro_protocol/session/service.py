"""One accepted connection without its socket: requests in, answers out.

Every host serves its connections through this; a host moves bytes and decides
in which thread or task a request is handled. Several may be handled at the same time:
answers are encoded without the lock of the connection, and queued with it.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from ..context import CallState, call_state
from ..dispatch import Call, CallFailure, ClientConnection, Dispatcher, ObjectRegistry
from ..dispatch.leases import with_lease_key
from ..errors import CommunicationError, PyroError, ServerBusyError
from ..logs import log_exception
from ..wire import (
    FLAG_COMPRESSED,
    FLAG_ONEWAY,
    NO_ANNOTATIONS,
    Annotations,
    Frame,
    MessageType,
)
from .call_table import CallTable, ServedCall
from .capabilities import DEFAULT_CAPABILITIES, MULTIPLEX, NATIVE
from .server import ConnectRequest, ServerEvent, ServerSession
from .signals import CallCancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from ..wire import Buffer
    from .settings import SessionSettings

__all__ = ["ServerConnection", "Service"]

_logger = logging.getLogger("pyro.server")

_INVOKE: Final = int(MessageType.INVOKE)
_PING: Final = int(MessageType.PING)
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
        annotations: returns what every answer carries.
        client_disconnect: told of a client that has gone, if it was admitted.
        capabilities: what is agreed to; more than ``native`` only where the host
            acts on signals.
        clock: returns the time in seconds, as ``time.monotonic`` does; needed for
            the time limits of calls.

    Attributes:
        busy_refusals: how many requests there was no room for.
    """

    __slots__ = (
        "annotations",
        "busy_refusals",
        "capabilities",
        "client_disconnect",
        "clock",
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
        capabilities: Iterable[str] = DEFAULT_CAPABILITIES,
        clock: Callable[[], float] = _no_time,
    ) -> None:
        self.registry: ObjectRegistry = registry
        self.dispatcher: Dispatcher = dispatcher
        self.settings: SessionSettings = settings
        self.validate_handshake: Callable[[Any, Any], Any] = validate_handshake
        self.annotations: Callable[[], Mapping[str, Any]] = annotations
        self.client_disconnect: Callable[[Any], None] = client_disconnect
        self.capabilities: frozenset[str] = frozenset(capabilities)
        self.clock: Callable[[], float] = clock
        self.busy_refusals: int = 0


class ServerConnection:
    """One connection: its session, its client, and the service behind it.

    Args:
        service: what the connections share.
        client: the client at the other end.
        connected: whether the conversation begins without a handshake.
        lock: guards the session, where several threads handle requests.

    Attributes:
        calls: the calls that are not answered yet, if a capability in force needs
            them to be known; else None, and requests come one at a time.
        parallel: whether several requests may be handled at the same time.
        abandoned: whether the client has gone, and nobody waits for answers.
    """

    __slots__ = (
        "abandoned",
        "calls",
        "client",
        "lock",
        "parallel",
        "service",
        "session",
    )

    def __init__(
        self,
        service: Service,
        client: ClientConnection,
        *,
        connected: bool = False,
        lock: AbstractContextManager[Any] = _NO_LOCK,
    ) -> None:
        self.service: Service = service
        self.client: ClientConnection = client
        client.established = connected
        self.lock: AbstractContextManager[Any] = lock
        self.session: ServerSession = ServerSession(
            service.settings, capabilities=service.capabilities, connected=connected
        )
        self.calls: CallTable | None = None
        self.parallel: bool = False
        self.abandoned: bool = False

    def handle(
        self, event: ServerEvent, call: Call | None = None
    ) -> Coroutine[Any, Any, None] | None:
        """Handle a request and queue the answer.

        Returns None when that is done. A call that needs to wait, as a method that
        is a coroutine does, gives a coroutine that brings it to its end; until then
        the next request must wait, unless `parallel` is true. Where `calls` are
        known, each request must have been given to `arrived` before.

        Args:
            event: the request.
            call: what it asks for, where that was read already.
        """
        if type(event) is ConnectRequest:
            self._connect(event)
            return None
        frame: Frame = event  # type: ignore[assignment] # the only other event
        if frame.kind == _PING:
            self._pong(frame)
            return None
        state: CallState | None
        if self.calls is None or frame.flags & FLAG_ONEWAY:
            state = CallState(
                self.client,
                frame.sequence,
                frame.flags & ~FLAG_COMPRESSED,
                frame.serializer_id,
                frame.annotations,
                frame.correlation_id,
            )
        else:
            state = self.calls.begin(frame)
            if state is None:
                return None
        token = call_state.set(state)
        try:
            if call is None:
                call = self.session.read_call(frame)
            value = self.service.dispatcher.invoke(self.client, call)
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
        """Bring a call to its end that could not be carried out at once."""
        token = call_state.set(state)
        try:
            try:
                value = await result
            except BaseException as error:  # noqa: BLE001 - whatever a method raises is answered
                if self.abandoned or not self.client.established:
                    # Most likely it was cancelled because its client has left.
                    _logger.debug("%s left before its call was done", self.client)
                    return
                if isinstance(state, ServedCall) and state.interruption is not None:
                    self._fail(frame, state.interruption, state)
                    return
                raise self.service.dispatcher.failure(
                    self.client, call, error
                ) from None
            value = self.service.dispatcher.conclude(self.client, call, value)
        except CallFailure as failure:
            self._fail(frame, failure.error, state)
        else:
            if not frame.flags & FLAG_ONEWAY:
                self._answer(frame, value, state)
        finally:
            call_state.reset(token)

    def arrived(self, events: Iterable[ServerEvent]) -> None:
        """Take note of requests that wait for their turn; the lock is held."""
        if self.calls is not None:
            for event in events:
                if (
                    type(event) is not ConnectRequest
                    and event.kind == _INVOKE  # type: ignore[union-attr] # a frame
                    and not event.flags & FLAG_ONEWAY  # type: ignore[union-attr] # a frame
                ):
                    self.calls.arrived(event)  # type: ignore[arg-type] # a frame

    def act_on_signals(self) -> None:
        """Act on what the client tells besides requests; the lock is held."""
        for signal in self.session.signals_received():
            if type(signal) is CallCancelled and self.calls is not None:
                self.calls.cancel(signal.sequence)

    def refuse_busy(self, event: ServerEvent) -> None:
        """Answer a request that there is no room for."""
        self.service.busy_refusals += 1
        if type(event) is ConnectRequest:
            self.session.send_refusal(
                event, "no free workers, increase server threadpool size"
            )
            return
        frame: Frame = event  # type: ignore[assignment] # the only other event
        if frame.kind == _PING:
            self._pong(frame)
            return
        state = None
        if self.calls is not None and not frame.flags & FLAG_ONEWAY:
            state = self.calls.begin(frame)
            if state is None:
                return
        error = ServerBusyError(
            "the server is busy: all its workers are, and its queue is full; the "
            "call was not run (see THREADPOOL_SIZE and THREADPOOL_QUEUE_SIZE)"
        )
        self.refuse(frame, error, state)

    def refuse(
        self, frame: Frame, error: PyroError, state: CallState | None = None
    ) -> None:
        """Answer a request with an error, instead of carrying it out."""
        if frame.flags & FLAG_ONEWAY:
            return
        if self.calls is not None and state is None:
            state = self.calls.find(frame)
            if state is None:
                return
        self._send(frame, self.session.encode_exception(frame, error), state)

    def refuse_unreadable(self, frame: Frame, error: PyroError) -> None:
        """Answer a request that `ServerSession.read_call` could not read."""
        state: CallState | None = CallState(
            self.client, frame.sequence, correlation=frame.correlation_id
        )
        if self.calls is not None and not frame.flags & FLAG_ONEWAY:
            state = self.calls.begin(frame)
        if state is not None:
            self._refuse_request(frame, error, state)

    def abandon(self) -> None:
        """Stop the coroutines of calls: the client has gone, nobody waits for them."""
        self.abandoned = True
        if self.calls is not None:
            self.calls.abandon()

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
            self._admitted()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - so a hook may refuse
            _logger.warning(
                "%s was refused: %s: %s", self.client, type(error).__name__, error
            )
            self.session.send_refusal(
                request, str(error) or type(error).__name__, annotations
            )
        finally:
            call_state.reset(token)

    def _admitted(self) -> None:
        """Begin to serve the client as was agreed."""
        names = self.session.capabilities
        if not names <= {NATIVE}:
            self.parallel = self.client.parallel = MULTIPLEX in names
            self.calls = CallTable(
                self.client, self.session, self.lock, self.service.clock
            )
        self.client.established = True

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

    def _answer(self, frame: Frame, value: Any, state: CallState) -> None:
        session = self.session
        try:
            annotations = self.service.annotations()
            if state.response_annotations:
                annotations = {**state.response_annotations, **annotations}
            answer = session.encode_result(frame, value, annotations, state.correlation)
        except Exception as error:  # noqa: BLE001 - anything may be wrong with a result
            shown = self.service.dispatcher.shown(self.client, error)
            _logger.warning(
                "the result of a call cannot be sent to %s: %s", self.client, error
            )
            answer = session.encode_exception(
                frame, shown, correlation_id=state.correlation
            )
        if self.calls is None:
            # One request at a time: nobody else uses the session, nothing is counted.
            session._out += answer  # noqa: SLF001 - the hot path, one frame less
            if not answer:
                session.send_answer(frame, answer)
        else:
            self._send(frame, answer, state)

    def _send(
        self, frame: Frame, answer: list[Buffer], state: CallState | None
    ) -> None:
        if self.calls is not None and isinstance(state, ServedCall):
            self.calls.answer(state, answer)
            return
        with self.lock:
            self.session.send_answer(frame, answer)

    def _fail(self, frame: Frame, error: Exception, state: CallState) -> None:
        if frame.flags & FLAG_ONEWAY:
            return
        try:
            annotations = self.service.annotations()
        except Exception:  # noqa: BLE001 - logged
            log_exception(_logger, "the annotations of a reply cannot be made")
            annotations = NO_ANNOTATIONS
        answer = self.session.encode_exception(
            frame, error, annotations, state.correlation
        )
        self._send(frame, answer, state)

    def _refuse_request(self, frame: Frame, error: PyroError, state: CallState) -> None:
        """Answer a request that could not be decoded."""
        _logger.warning("a request of %s was refused: %s", self.client, error)
        if isinstance(error, CommunicationError):
            error.outcome = "not_sent"
        # It may hold the whole message, which its sender has already.
        error.__cause__ = None
        error.__suppress_context__ = True
        self._fail(frame, error, state)
