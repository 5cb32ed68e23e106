"""Carries out calls: finds the object, checks the name, runs the method."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from ..context import current_context
from ..contract import Members, Method, is_private_name, members_of
from ..errors import DaemonError, PyroError, hide_remote_traceback
from ..serializers.exceptions import ExceptionWrapper
from .calls import GET_ATTRIBUTE, SET_ATTRIBUTE, Call, StreamStarted
from .client import ClientConnection
from .tracebacks import remote_traceback

if TYPE_CHECKING:
    from .registry import ObjectRegistry
    from .streams import StreamTable

__all__ = ["CallFailure", "Dispatcher"]

_logger = logging.getLogger("pyro.server")

# Values of these types are what they are; only others can be a stream or a
# coroutine, and asking an abstract class about each result would cost more than
# the rest of the dispatch.
_PLAIN: Final = frozenset(
    {
        type(None),
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        bytearray,
        list,
        tuple,
        dict,
        set,
    }
)
_NO_ARGUMENTS: Final[Mapping[str, Any]] = {}
_BATCH_CALL_SIZE: Final = 3
_SEQUENCES: Final = frozenset({list, tuple})

CoroutineRunner = Callable[[Coroutine[Any, Any, Any]], Any]
ErrorHandler = Callable[
    [ClientConnection, Callable[..., Any], Sequence[Any], Mapping[str, Any], Exception],
    None,
]


class CallFailure(Exception):  # noqa: N818 - not an error itself: it holds one
    """What a failed call answers.

    Attributes:
        error: the exception for the caller, with its traceback attached.
    """

    def __init__(self, error: Exception) -> None:
        # Not its text: an exception may fail to give one.
        super().__init__(error)
        self.error = error


class Dispatcher:
    """Carries out the calls for one table of objects.

    Args:
        registry: the objects.
        streams: where returned iterators are kept.
        streaming: whether iterators may be returned.
        detailed_traceback: whether remote tracebacks show local variables.
        most_batch_calls: how many calls one batch may have.
        error_handler: told of every exception that a method raises.
        run_coroutine: runs a coroutine to its end and returns its result; None
            where the one who asked for the call awaits it.
    """

    def __init__(
        self,
        registry: ObjectRegistry,
        streams: StreamTable,
        *,
        streaming: bool = True,
        detailed_traceback: bool = False,
        most_batch_calls: int = 100_000,
        error_handler: ErrorHandler | None = None,
        run_coroutine: CoroutineRunner | None = None,
    ) -> None:
        self._registry = registry
        self._objects = registry._by_id  # noqa: SLF001 - one lookup on the hot path
        self._streams = streams
        self._streaming = streaming
        self._detailed = detailed_traceback
        self._most_batch_calls = most_batch_calls
        self._error_handler = error_handler
        self._run_coroutine = run_coroutine

    def invoke(self, client: ClientConnection, call: Call) -> Any:  # noqa: PLR0912 - the hot path, in one frame
        """Carry out a call and return its result.

        The result of a batch is the list of its results. An iterator comes back
        as `StreamStarted`, and without a ``run_coroutine`` a coroutine comes
        back as it is, to be awaited and then given to `conclude`.

        Raises:
            CallFailure: the call failed; it holds the exception for the caller.
        """
        object_id, name, args, kwargs, batch = call
        target: Any = None
        try:
            registration = self._objects.get(object_id)
            if registration is None:
                raise DaemonError(f"unknown object {object_id!r}")  # noqa: TRY301 - answered below, as all errors
            target = registration.plain
            if target is None:
                target = registration.instance(client)
            clazz = type(target)
            members = registration.members
            if clazz is not registration.clazz:
                members = members_of(clazz)
            if batch:
                return self._batch(client, object_id, target, members, args)
            method = members.methods.get(name)
            if method is None:
                result = self._access(object_id, target, members, name, args)
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
        kind = type(result)
        if kind in _PLAIN:
            return result
        if kind is CoroutineType and self._run_coroutine is not None:
            try:
                result = self._run_coroutine(result)
            except BaseException as error:  # noqa: BLE001 - as above
                raise self.failure(client, call, error, target) from None
        return self.conclude(client, call, result)

    def conclude(self, client: ClientConnection, call: Call, result: Any) -> Any:
        """Return the outcome for what a method, or its coroutine, has returned.

        Raises:
            CallFailure: the result is a stream and the client has too many.
        """
        try:
            if type(result) in _PLAIN or not isinstance(result, Iterator):
                return result
        except Exception as error:  # noqa: BLE001 - a class may answer in any way
            raise self.failure(client, call, error) from None
        if not self._streaming:
            return StreamStarted(None)
        try:
            return StreamStarted(self._streams.open(client, result))
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
        answer = error if isinstance(error, Exception) else _harmless(call, error)
        lines = remote_traceback(error, detailed=self._detailed)
        hide_remote_traceback(answer)
        try:
            answer._pyroTraceback = lines  # type: ignore[attr-defined] # documented
        except AttributeError:
            _logger.debug(
                "%s takes no attributes; sent without traceback", type(answer)
            )
        self._report(client, call, answer, error, target)
        return CallFailure(answer)

    def _report(
        self,
        client: ClientConnection,
        call: Call,
        answer: Exception,
        error: BaseException,
        target: object,
    ) -> None:
        if isinstance(error, StopIteration):
            return
        registration = self._objects.get(call.object_id)
        method = None
        if registration is not None:
            method = registration.members.methods.get(call.method)
        where = f"{call.object_id}.{call.method} called by {client!r}"
        if method is None or isinstance(error, PyroError):
            _logger.info("%s failed: %s: %s", where, type(error).__name__, error)
        else:
            _logger.error(
                "%s raised %s (correlation id %s)",
                where,
                type(error).__name__,
                current_context.correlation_id,
                exc_info=error,
            )
        if self._error_handler is None or method is None or target is None:
            return
        try:
            bound = method.bind(target)
            self._error_handler(client, bound, call.args, call.kwargs or {}, answer)
        except Exception:
            _logger.exception("the method call error handler failed for %s", where)

    def _access(
        self,
        object_id: str,
        target: Any,
        members: Members,
        name: str,
        args: Sequence[Any],
    ) -> Any:
        """Read or write an attribute, or refuse what is not a method either."""
        if name == GET_ATTRIBUTE:
            (attribute_name,) = args
            attribute = members.attributes.get(attribute_name)
            if attribute is None or not attribute.readable:
                raise _not_exposed(object_id, "attribute", attribute_name, members)
            return attribute.descriptor.__get__(target, type(target))
        if name == SET_ATTRIBUTE:
            attribute_name, value = args
            attribute = members.attributes.get(attribute_name)
            if attribute is None or not attribute.writable:
                raise _not_exposed(
                    object_id, "writable attribute", attribute_name, members
                )
            attribute.descriptor.__set__(target, value)
            return None
        raise _not_exposed(object_id, "method", name, members)

    def _batch(
        self,
        client: ClientConnection,
        object_id: str,
        target: Any,
        members: Members,
        calls: Sequence[Any],
    ) -> list[Any]:
        """Run the calls of a batch in order, up to the first that fails."""
        if len(calls) > self._most_batch_calls:
            raise PyroError(
                f"a batch may have at most {self._most_batch_calls} calls, "
                f"not {len(calls)}"
            )
        results: list[Any] = []
        for one in calls:
            name = "<batch>"
            try:
                name, args, kwargs = _call_of_batch(one)
                method = members.methods.get(name)
                if method is None:
                    raise _not_exposed(  # noqa: TRY301 - answered below, as all errors
                        object_id, "method", name, members
                    )
                result = self._run_in_batch(method, target, args, kwargs)
            except BaseException as error:  # noqa: BLE001 - answered at its place
                call = Call(object_id, str(name), (), None)
                failed = self.failure(client, call, error, target)
                results.append(ExceptionWrapper(failed.error))
                break
            results.append(result)
        return results

    def _run_in_batch(
        self, method: Method, target: Any, args: Sequence[Any], kwargs: Any
    ) -> Any:
        result = method.bind(target)(*args, **(kwargs or _NO_ARGUMENTS))
        if type(result) in _PLAIN:
            return result
        if type(result) is CoroutineType:
            if self._run_coroutine is None:
                result.close()
                raise PyroError(
                    f"async method {method.name!r} cannot be part of a batch here"
                )
            return self._run_coroutine(result)
        if isinstance(result, Iterator):
            raise PyroError(
                f"method {method.name!r} returned an iterator; "
                "streams are not possible in a batch"
            )
        return result


def _call_of_batch(call: Any) -> tuple[Any, Sequence[Any], dict[str, Any] | None]:
    """Return name, arguments and keywords of a call in a batch.

    They are looked at before they are gone through: a proxy would be asked over the
    network, and a range of a few bytes has no end.

    Raises:
        PyroError: the call has another number of parts.
        TypeError: it has parts of other types.
    """
    if type(call) not in _SEQUENCES:
        raise TypeError(f"a call in a batch is a sequence, not {type(call).__name__}")
    if len(call) != _BATCH_CALL_SIZE:
        raise PyroError("a call in a batch has name, arguments, keywords")
    name, args, kwargs = call
    if type(args) not in _SEQUENCES or not isinstance(kwargs, dict | None):
        raise TypeError(
            "a call in a batch has a sequence of arguments and a mapping of keywords,"
            f" not {type(args).__name__} and {type(kwargs).__name__}"
        )
    return name, args, kwargs


def _not_exposed(
    object_id: str, kind: str, name: object, members: Members
) -> AttributeError:
    """Say what is missing, and what the caller may have meant."""
    if not isinstance(name, str):
        return AttributeError(f"the name of an attribute must be text, not {name!r}")
    if is_private_name(name):
        return AttributeError(
            f"attempt to access private {kind} {name!r} of object {object_id!r}"
        )
    known = members.methods if kind == "method" else members.attributes
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return AttributeError(f"object {object_id!r} has no exposed {kind} {name!r}{hint}")


def _harmless(call: Call, error: BaseException) -> PyroError:
    """Stand in for an exception that would end the program that receives it."""
    text = f": {error}" if str(error) else ""
    return PyroError(
        f"{call.object_id}.{call.method} ended with {type(error).__name__}{text}"
    )
