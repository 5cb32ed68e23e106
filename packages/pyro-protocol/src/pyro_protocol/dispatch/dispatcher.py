"""Carries out calls: finds the object, checks the name, runs the method."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import (
    AsyncIterator,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from ..context import current_context
from ..contract.concurrency import SERIAL
from ..errors import (
    CommunicationError,
    DaemonError,
    PyroError,
    SecurityError,
    hide_remote_traceback,
)
from ..logs import log_exception
from . import batches
from .authorization import check_roles
from .batches import BatchDispatcher
from .calls import (
    GET_ATTRIBUTE,
    PLAIN_RESULTS,
    SET_ATTRIBUTE,
    Call,
    StreamStarted,
)
from .client import ClientConnection
from .disclosure import without_traceback
from .missing import not_exposed
from .runtime import Turn
from .streams import StreamExhausted
from .tracebacks import remote_traceback

if TYPE_CHECKING:
    from ..contract import Members
    from ..contract.concurrency import Passage
    from .gates import GateTable
    from .registry import ObjectRegistry
    from .runtime import Runtime
    from .streams import StreamTable

__all__ = ["CallFailure", "Dispatcher"]

_logger = logging.getLogger("pyro.server")

_NO_STREAMS: Final = PLAIN_RESULTS | {CoroutineType}
_ACCESS: Final = frozenset({GET_ATTRIBUTE, SET_ATTRIBUTE})
_NO_ARGUMENTS: Final[Mapping[str, Any]] = {}
# Where it is noticed that there is nothing under a name.
_OWN: Final = frozenset({__name__, batches.__name__})

ErrorHandler = Callable[
    [ClientConnection, Callable[..., Any], Sequence[Any], Mapping[str, Any], Exception],
    None,
]


class CallFailure(Exception):  # noqa: N818 - not an error itself: it holds one
    """What a failed call answers.

    Attributes:
        error: the exception for the caller, with its traceback attached unless
            that stays here.
        raised: what was raised.
    """

    def __init__(self, error: Exception, raised: BaseException | None = None) -> None:
        # Not its text: an exception may fail to give one.
        super().__init__(error)
        self.error = error
        self.raised: BaseException = error if raised is None else raised


class Dispatcher(BatchDispatcher):
    """Carries out the calls for one table of objects.

    Args:
        registry: the objects.
        streams: where returned iterators are kept.
        streaming: whether iterators may be returned.
        detailed_traceback: whether remote tracebacks show local variables.
        tracebacks: who gets them: ``"always"``, ``"authenticated"`` or ``"never"``.
        most_batch_calls: how many calls one batch may have.
        error_handler: told of every exception that a method raises.
        gates: where calls wait, if their object has a policy for calls at the same
            time; None where there is never more than one.
        runtime: what waits for calls, and runs those that may not wait; None where
            all methods run in one thread.
    """

    def __init__(
        self,
        registry: ObjectRegistry,
        streams: StreamTable,
        *,
        streaming: bool = True,
        detailed_traceback: bool = False,
        tracebacks: str = "always",
        most_batch_calls: int = 100_000,
        error_handler: ErrorHandler | None = None,
        gates: GateTable | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        self._registry = registry
        self._objects = registry._by_id  # noqa: SLF001 - one lookup on the hot path
        self._streams = streams
        self._streaming = streaming
        self._detailed = detailed_traceback
        self._tracebacks = tracebacks
        self._most_batch_calls = most_batch_calls
        self._error_handler = error_handler
        self._gates = gates
        self._runtime = runtime

    def invoke(self, client: ClientConnection, call: Call) -> Any:  # noqa: PLR0912 - the hot path, in one frame
        """Carry out a call and return its result.

        The result of a batch is the list of its results. An iterator comes back
        as `StreamStarted`. A call that has to wait comes back as a coroutine, to be
        awaited; what it returns is then given to `conclude`.

        Raises:
            CallFailure: the call failed; it holds the exception for the caller.
        """
        object_id, name, args, kwargs, batch = call
        target: Any = None
        serial = False
        try:
            registration = self._objects.get(object_id)
            if registration is None:
                raise DaemonError(f"unknown object {object_id!r}")  # noqa: TRY301 - answered below, as all errors
            target = registration.plain
            if target is None:
                requirements = registration.members.requirements
                if requirements is not None:
                    check_roles(client, requirements, call)
                target = registration.instance(client)
                # Without several requests in flight it was never called twice at once.
                serial = (
                    client.parallel
                    and registration.is_class
                    and registration.members.instance_mode == "session"
                )
            clazz = type(target)
            members = registration.members
            if clazz is not registration.clazz:
                members = registration.members_for(target)
                if members.requirements is not None:
                    check_roles(client, members.requirements, call)
            if batch:
                return self._batch(client, object_id, target, members, args, serial)
            method = members.methods.get(name)
            if method is None:
                result = self._access(object_id, target, members, name, args, serial)
            elif serial or method.passage is not None:
                result = self._pass(
                    target,
                    SERIAL if method.passage is None else method.passage,
                    partial(method.bind(target), *args, **(kwargs or _NO_ARGUMENTS)),
                    waits=not method.coroutine,
                )
            else:
                function = method.function
                if function is None:
                    result = method.bind(target)(*args, **(kwargs or _NO_ARGUMENTS))
                elif kwargs:
                    result = function(target, *args, **kwargs)
                else:
                    result = function(target, *args)
        except BaseException as error:  # noqa: BLE001 - whatever a method raises is answered
            raise self.failure(client, call, error, target) from None
        if type(result) in PLAIN_RESULTS:
            return result
        return self.conclude(client, call, result)

    def awaits(self, client: ClientConnection, call: Call) -> bool:
        """Whether a call is one of a coroutine method, which runs no code but that."""
        registration = self._objects.get(call.object_id)
        if registration is None or call.batch or not registration.is_made(client):
            return False
        method = registration.members.methods.get(call.method)
        return method is not None and method.coroutine

    def conclude(self, client: ClientConnection, call: Call, result: Any) -> Any:
        """Return the outcome for what a method, or its coroutine, has returned.

        Raises:
            CallFailure: the result is a stream and the client has too many.
        """
        try:
            if type(result) in _NO_STREAMS or not isinstance(
                result, Iterator | AsyncIterator
            ):
                return result
        except Exception as error:  # noqa: BLE001 - a class may answer in any way
            raise self.failure(client, call, error) from None
        if not self._streaming:
            return StreamStarted(None)
        try:
            origin = (call.object_id, call.method)
            return StreamStarted(self._streams.open(client, result, origin))
        except PyroError as error:
            raise self.failure(client, call, error) from None

    def failure(
        self,
        client: ClientConnection,
        call: Call,
        error: BaseException,
        target: object = None,
    ) -> CallFailure:
        """Prepare an exception for the caller, and report it where it belongs.

        Args:
            client: who called.
            call: the call.
            error: what went wrong.
            target: the object that was called; None if it did not come to that.
        """
        # Not isinstance, here and below: it asks the object for its class.
        if type(error) is StreamExhausted:
            error = StopIteration()
        answer = error if isinstance(error, Exception) else _harmless(call, error)
        try:
            shown = self.shown(client, answer, error)
        except Exception:  # noqa: BLE001 - a class may fail to give its attributes
            shown = answer = _harmless(call, error)
        self._report(client, call, answer, error, target)
        return CallFailure(shown, error)

    def shown(
        self,
        client: ClientConnection,
        answer: Exception,
        error: BaseException | None = None,
    ) -> Exception:
        """Return an exception as a client may see it, with its traceback or without.

        Args:
            client: who will see it.
            answer: the exception.
            error: what it stands for, if that is another one.
        """
        if self._withholds(client):
            return without_traceback(answer, current_context.correlation_id)
        lines = remote_traceback(error or answer, detailed=self._detailed)
        hide_remote_traceback(answer)
        try:
            answer._pyroTraceback = lines  # type: ignore[attr-defined] # documented
        except AttributeError:
            _logger.debug(
                "%s takes no attributes; sent without traceback", type(answer)
            )
        return answer

    def _withholds(self, client: ClientConnection) -> bool:
        """Whether tracebacks stay here, rather than being sent to a client."""
        return self._tracebacks != "always" and (
            self._tracebacks == "never" or client.identity is None
        )

    def _report(
        self,
        client: ClientConnection,
        call: Call,
        answer: Exception,
        error: BaseException,
        target: object,
    ) -> None:
        kind = type(error)
        if issubclass(kind, StopIteration):
            return
        registration = self._objects.get(call.object_id)
        method = None
        if registration is not None:
            method = registration.members.methods.get(call.method)
        name = call.method
        if name in _ACCESS and call.args and isinstance(call.args[0], str):
            name = call.args[0]
        where = f"{call.object_id}.{name} called by {client!r}"
        if _is_refusal(error, known=method is not None):
            level = logging.WARNING if issubclass(kind, SecurityError) else logging.INFO
            if self._withholds(client):
                where += f" (correlation id {current_context.correlation_id})"
            # Its text is the program's own code.
            with contextlib.suppress(Exception):
                _logger.log(
                    level, "%s failed: %s: %s", where, type(error).__name__, error
                )
        else:
            log_exception(
                _logger,
                "%s raised %s (correlation id %s)",
                where,
                type(error).__name__,
                current_context.correlation_id,
                error=error,
            )
        if self._error_handler is None or method is None or target is None:
            return
        try:
            bound = method.bind(target)
            self._error_handler(client, bound, call.args, call.kwargs or {}, answer)
        except Exception:  # noqa: BLE001 - logged
            log_exception(_logger, "the method call error handler failed for %s", where)

    def _access(
        self,
        object_id: str,
        target: Any,
        members: Members,
        name: str,
        args: Sequence[Any],
        serial: bool,
    ) -> Any:
        """Read or write an attribute, or refuse what is not a method either."""
        if name == GET_ATTRIBUTE:
            (attribute_name,) = args
            attribute = members.attributes.get(attribute_name)
            if attribute is None or not attribute.readable:
                raise not_exposed(object_id, "attribute", attribute_name, members)
            passage = attribute.read_passage
            if passage is None and not serial:
                return attribute.descriptor.__get__(target, type(target))
            read = partial(attribute.descriptor.__get__, target, type(target))
            return self._pass(target, SERIAL if passage is None else passage, read)
        if name == SET_ATTRIBUTE:
            attribute_name, value = args
            attribute = members.attributes.get(attribute_name)
            if attribute is None or not attribute.writable:
                raise not_exposed(
                    object_id, "writable attribute", attribute_name, members
                )
            passage = attribute.write_passage
            if passage is None and not serial:
                attribute.descriptor.__set__(target, value)
                return None
            write = partial(attribute.descriptor.__set__, target, value)
            return self._pass(target, SERIAL if passage is None else passage, write)
        raise not_exposed(object_id, "method", name, members)

    def _pass(
        self,
        target: object,
        passage: Passage,
        run: Callable[[], Any],
        *,
        waits: bool = True,
    ) -> Any:
        """Run a call when the policy of its object allows it.

        Returns:
            Its result, or a coroutine if it has to wait, or is one.

        Args:
            target: the object that is called.
            passage: the gates to be passed.
            run: carries out the call.
            waits: whether that may take its time.
        """
        gates = self._gates
        if gates is None or not passage:
            return run()
        turn = Turn()
        if not gates.enter(target, passage, turn.come):
            return self._wait_and_run(gates, target, passage, run, turn, waits=waits)
        result = None
        try:
            result = run()
        finally:
            if type(result) is not CoroutineType:
                gates.leave(target, passage)
        if type(result) is CoroutineType:
            return gates.leave_after(target, passage, result)
        return result

    async def _wait_and_run(
        self,
        gates: GateTable,
        target: object,
        passage: Passage,
        run: Callable[[], Any],
        turn: Turn,
        *,
        waits: bool,
    ) -> Any:
        """Run a call when its turn has come."""
        try:
            await self._runtime_of_host.wait_for(turn)
        except BaseException:
            if not gates.withdraw(target, turn.come):
                gates.leave(target, passage)
            raise

        try:
            result = await self._runtime_of_host.run(run) if waits else run()
            return await result if type(result) is CoroutineType else result
        finally:
            gates.leave(target, passage)

    @property
    def _runtime_of_host(self) -> Runtime:
        if self._runtime is None:
            raise PyroError("this server cannot let a call wait")
        return self._runtime


def _is_refusal(error: BaseException, *, known: bool) -> bool:
    """Whether an exception is an answer rather than a failure of a method.

    Args:
        error: the exception.
        known: whether there is such a method.
    """
    kind = type(error)
    if not issubclass(kind, Exception | SystemExit | KeyboardInterrupt):
        # It was cancelled: the server is ending, or the program did it.
        return True
    if issubclass(kind, PyroError):
        # A nested call that fails, and that nobody has caught, is a failure.
        return not issubclass(kind, CommunicationError)
    if known:
        return False
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    # What was raised here says that there is no such thing; what comes from further
    # down was raised by the program, for example by the getter of a property.
    return trace is None or trace.tb_frame.f_globals.get("__name__") in _OWN


def _harmless(call: Call, error: BaseException) -> PyroError:
    """Stand in for an exception that cannot be sent, or would end its receiver."""
    text = ""
    with contextlib.suppress(Exception):
        text = f": {error}" if str(error) else ""
    return PyroError(
        f"{call.object_id}.{call.method} ended with {type(error).__name__}{text}"
    )
