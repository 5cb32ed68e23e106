"""Carrying out the calls that a peer makes: requests in, answers out.

A server handles those of its clients so, and a client the callbacks of its server.
Several may be handled at the same time: answers are encoded without the lock of the
connection, and queued with it.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from ..context import CallState, call_state
from ..dispatch import Call, CallFailure, ClientConnection, StreamStarted
from ..errors import CommunicationError, PyroError, ServerBusyError
from ..logs import log_exception
from ..serializers.connection_states import UnboundReferenceError
from ..wire import (
    FLAG_COMPRESSED,
    FLAG_ONEWAY,
    NO_ANNOTATIONS,
    Frame,
    MessageType,
)
from .call_table import CallTable, ServedCall
from .capabilities import MULTIPLEX, NATIVE
from .server import ConnectRequest, ServerEvent
from .signals import CallCancelled

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from ..wire import Buffer
    from .exchange import Exchange
    from .service import Service

__all__ = ["CallHandler"]

_logger = logging.getLogger("pyro.server")

_INVOKE: Final = int(MessageType.INVOKE)
_NO_LOCK: Final[AbstractContextManager[None]] = nullcontext()


class CallHandler(ABC):
    """Carries out the calls of a peer, and answers them.

    Args:
        service: what the connections of this program share.
        client: the peer that calls: for callbacks, the server.
        session: the conversation.
        lock: guards the session, where several threads handle requests.

    Attributes:
        calls: the calls that are not answered yet, if a capability in force needs
            them to be known; else None, and requests come one at a time.
        parallel: whether several requests may be handled at the same time.
        beside: how many calls are under way that the next one need not wait for: those
            that are awaited, and the oneway ones that are carried out in order, which
            count as one. The host counts them.
        exchange: what there is of streams and callbacks; None if neither is in force.
        abandoned: whether the client has gone, and nobody waits for answers.
    """

    __slots__ = (
        "abandoned",
        "beside",
        "calls",
        "client",
        "exchange",
        "lock",
        "parallel",
        "service",
        "session",
    )

    def __init__(
        self,
        service: Service,
        client: ClientConnection,
        session: Any,
        lock: AbstractContextManager[Any] = _NO_LOCK,
    ) -> None:
        self.service: Service = service
        self.client: ClientConnection = client
        self.lock: AbstractContextManager[Any] = lock
        # A ServerSession or, for callbacks, a ClientSession.
        self.session: Any = session
        self.calls: CallTable | None = None
        self.parallel: bool = False
        self.beside: int = 0
        self.exchange: Exchange | None = None
        self.abandoned: bool = False

    def begin(self) -> None:
        """Begin to serve the peer as was agreed in the handshake."""
        names = self.session.capabilities
        if not names <= {NATIVE}:
            self.parallel = self.client.parallel = MULTIPLEX in names
            self.calls = CallTable(
                self.client, self.session, self.lock, self.service.clock
            )
        self.client.established = True

    @abstractmethod
    def _handle_other(self, event: ServerEvent) -> None:
        """Handle what is not a call."""

    @abstractmethod
    def _refuse_other(self, event: ServerEvent) -> None:
        """Answer what is not a call, and there is no room for."""

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
        if type(event) is ConnectRequest or event.kind != _INVOKE:  # type: ignore[union-attr] # a frame
            self._handle_other(event)
            return None
        frame: Frame = event  # type: ignore[assignment] # the only other event
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
        except UnboundReferenceError as error:
            return self._handle_bound(frame, error, state)
        except PyroError as error:
            self._refuse_request(frame, error, state)
        else:
            if not frame.flags & FLAG_ONEWAY:
                self._answer(frame, value, state)
        finally:
            call_state.reset(token)
        return None

    def read_call(self, frame: Frame) -> Call:
        """Decode a request, which may have streams and callbacks as arguments.

        Raises:
            PyroError: it is malformed, or made with what may not be used here.
        """
        try:
            call: Call = self.session.read_call(frame)
        except UnboundReferenceError:
            if self.exchange is None:
                raise
            return self.exchange.read_call(frame)
        return call

    def _handle_bound(
        self, frame: Frame, error: PyroError, state: CallState
    ) -> Coroutine[Any, Any, None] | None:
        """Handle a request that has streams or callbacks among its arguments."""
        call = None
        if self.exchange is not None:
            try:
                call = self.exchange.read_call(frame)
            except PyroError as failure:
                error = failure
        if call is not None:
            return self.handle(frame, call)
        self._refuse_request(frame, error, state)
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
            if type(signal) is CallCancelled:
                if self.calls is not None:
                    self.calls.cancel(signal.sequence)
            elif self.exchange is not None:
                self.exchange.act_on(signal)

    def refuse_busy(self, event: ServerEvent) -> None:
        """Answer a request that there is no room for."""
        self.service.busy_refusals += 1
        if type(event) is ConnectRequest or event.kind != _INVOKE:  # type: ignore[union-attr] # a frame
            self._refuse_other(event)
            return
        frame: Frame = event  # type: ignore[assignment] # the only other event
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
        if self.exchange is not None:
            self.exchange.abandon()

    def _answer(self, frame: Frame, value: Any, state: CallState) -> None:
        session = self.session
        try:
            annotations = self.service.annotations()
            if state.response_annotations:
                annotations = {**state.response_annotations, **annotations}
            if type(value) is StreamStarted and self.exchange is not None:
                value = self.exchange.start_stream(frame, value)
            try:
                answer = session.encode_result(
                    frame, value, annotations, state.correlation
                )
            except UnboundReferenceError:
                if self.exchange is None:
                    raise
                answer = self.exchange.encode_result(
                    frame, value, annotations, state.correlation
                )
        except Exception as error:  # noqa: BLE001 - anything may be wrong with a result
            shown = self.service.dispatcher.shown(self.client, error)
            _logger.warning(
                "the result of a call cannot be sent to %s: %s", self.client, error
            )
            answer = session.encode_exception(
                frame, shown, correlation_id=state.correlation
            )
            if type(value) is StreamStarted and self.exchange is not None:
                self.exchange.forget_stream(value)
        if self.calls is None:
            # One request at a time: nobody else uses the session, nothing is counted.
            session._out += answer  # noqa: SLF001 - the hot path, one frame less
            if not answer:
                session.send_answer(frame, answer)
        elif (
            not self._send(frame, answer, state)
            and type(value) is StreamStarted
            and self.exchange is not None
        ):
            self.exchange.forget_stream(value)

    def _send(
        self, frame: Frame, answer: list[Buffer], state: CallState | None
    ) -> bool:
        """Queue an answer; whether the request was not answered before."""
        if self.calls is not None and isinstance(state, ServedCall):
            return self.calls.answer(state, answer)
        with self.lock:
            self.session.send_answer(frame, answer)
        return True

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
