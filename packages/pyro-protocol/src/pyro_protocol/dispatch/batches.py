"""Batches: several calls of one object that travel together, and run in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterator,
    Mapping,
    Sequence,
)
from functools import partial
from itertools import islice
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ClassVar, Final
from weakref import WeakKeyDictionary

from ..contract.concurrency import SERIAL
from ..errors import PyroError
from ..serializers.exceptions import ExceptionWrapper
from .authorization import check_roles
from .calls import BATCH_METHOD, PLAIN_RESULTS, Call
from .gates import passage_of_batch
from .missing import not_exposed

if TYPE_CHECKING:
    from ..contract import Members
    from ..contract.concurrency import Passage
    from .client import ClientConnection
    from .dispatcher import CallFailure
    from .gates import GateTable
    from .runtime import Runtime

__all__ = ["BatchDispatcher"]

_NO_ARGUMENTS: Final[Mapping[str, Any]] = {}
_BATCH_CALL_SIZE: Final = 3
_SEQUENCES: Final = frozenset({list, tuple})

_Begun = tuple[Call, Any, BaseException | None]
"""A call of a batch, its result and its exception."""

_gated: Final[WeakKeyDictionary[Members, bool]] = WeakKeyDictionary()


class BatchDispatcher(ABC):
    """The part of a dispatcher that carries out batches."""

    # Whether nothing is to be done around each call.
    _runs_plainly: ClassVar[bool] = True

    _gates: GateTable | None
    _runtime: Runtime | None
    _most_batch_calls: int

    @abstractmethod
    def failure(
        self,
        client: ClientConnection,
        call: Call,
        error: BaseException,
        target: object = None,
    ) -> CallFailure:
        """Prepare an exception for the caller, and report it where it belongs."""

    @abstractmethod
    def _pass(
        self,
        target: object,
        passage: Passage,
        run: Callable[[], Any],
        *,
        waits: bool = True,
    ) -> Any:
        """Run a call when the policy of its object allows it."""

    def _batch(
        self,
        client: ClientConnection,
        object_id: str,
        target: Any,
        members: Members,
        calls: Sequence[Any],
        serial: bool,
    ) -> Any:
        """Run the calls of a batch in order, up to the first that fails.

        Returns:
            The list of results, or a coroutine if it has to wait.
        """
        if len(calls) > self._most_batch_calls:
            raise PyroError(
                f"a batch may have at most {self._most_batch_calls} calls, "
                f"not {len(calls)}"
            )
        run = partial(self._run_batch, client, object_id, target, members, calls)
        if self._gates is None or not (serial or _has_passages(members)):
            return run()
        default = SERIAL if serial else None
        return self._pass(target, passage_of_batch(members, calls, default), run)

    def _run_batch(
        self,
        client: ClientConnection,
        object_id: str,
        target: Any,
        members: Members,
        calls: Sequence[Any],
    ) -> Any:
        """Run a batch; from the first coroutine on, the rest is one itself."""
        results: list[Any] = []
        begun = None
        if self._runs_plainly and members.requirements is None:
            begun = _run_plain_calls(object_id, target, members, calls, results)
            if len(results) == len(calls):
                return results
        steps = self._steps_of_batch(
            client, object_id, target, members, calls, results, begun
        )
        done, value = _next_step(partial(next, steps))
        return value if done else self._await_batch(steps, value)

    async def _await_batch(
        self,
        steps: Generator[Coroutine[Any, Any, Any], Any, list[Any]],
        coroutine: Coroutine[Any, Any, Any],
    ) -> list[Any]:
        while True:
            outcome: tuple[Any, BaseException | None]
            try:
                outcome = await coroutine, None
            except (Exception, SystemExit, KeyboardInterrupt, GeneratorExit) as error:  # noqa: BLE001 - answered at its place
                # That ends the batch, so there is nothing more to be run.
                outcome = None, error
                run = None
            else:
                run = self._runtime
            step = partial(_next_step, partial(steps.send, outcome))
            # The calls that follow may be of methods that take their time.
            done, value = await run.run(step) if run is not None else step()
            if done:
                results: list[Any] = value
                return results
            coroutine = value

    def _steps_of_batch(
        self,
        client: ClientConnection,
        object_id: str,
        target: Any,
        members: Members,
        calls: Sequence[Any],
        results: list[Any],
        begun: _Begun | None,
    ) -> Generator[Coroutine[Any, Any, Any], Any, list[Any]]:
        """Run the calls of a batch that are not done yet.

        Yields what is to be awaited, and is sent the result and the exception of it.

        Args:
            client: who calls.
            object_id: the id of the object.
            target: the object.
            members: what it offers.
            calls: the calls of the batch.
            results: the results of those that are done; gets the others.
            begun: the next call, if it was begun already.
        """
        for one in islice(calls, len(results), None):
            call, result, error = begun or self._begin_in_batch(
                client, object_id, target, members, one
            )
            begun = None
            if type(result) is CoroutineType:
                result, error = yield result
            if error is None:
                error = _not_in_batch(call, result)
            if error is not None:
                failed = self.failure(client, call, error, target)
                results.append(ExceptionWrapper(failed.error))
                break
            results.append(result)
        return results

    def _begin_in_batch(
        self,
        client: ClientConnection,
        object_id: str,
        target: Any,
        members: Members,
        one: object,
    ) -> _Begun:
        """Run one call of a batch; returns the call, its result and its exception."""
        call = Call(object_id, BATCH_METHOD, (), None)
        try:
            name, args, kwargs = _call_of_batch(one)
            if type(name) is not str:
                raise not_exposed(object_id, "method", name, members)  # noqa: TRY301 - answered at its place
            call = Call(object_id, name, args, kwargs)
            return call, self._run_in_batch(client, call, target, members), None
        except BaseException as error:  # noqa: BLE001 - answered at its place
            return call, None, error

    def _run_in_batch(
        self, client: ClientConnection, call: Call, target: Any, members: Members
    ) -> Any:
        """Carry out one call of a batch; a coroutine method's is to be awaited."""
        method = members.methods.get(call.method)
        if method is None:
            raise not_exposed(call.object_id, "method", call.method, members)
        if members.requirements is not None:
            check_roles(client, members.requirements, call)
        return method.bind(target)(*call.args, **(call.kwargs or _NO_ARGUMENTS))


def _has_passages(members: Members) -> bool:
    """Whether calls of any method have to enter gates."""
    gated = _gated.get(members)
    if gated is None:
        gated = any(one.passage is not None for one in members.methods.values())
        _gated[members] = gated
    return gated


def _run_plain_calls(  # noqa: PLR0911 - what is not plain, one by one
    object_id: str,
    target: Any,
    members: Members,
    calls: Sequence[Any],
    results: list[Any],
) -> _Begun | None:
    """Run calls of plain methods as long as there are such, and they go well.

    What is not so is left to the one who knows it all; returns the call that was
    begun last, if its result is not among the others.
    """
    find = members.methods.get
    append = results.append
    last: str | None = None
    bound: Any = None
    plain: type | None = None
    # The one that is being run, if there is one.
    call: Sequence[Any] | None = None
    try:
        for one in calls:
            # Comparing identities, here and below, is quicker than looking into a set.
            if type(one) is not list and type(one) is not tuple:
                return None
            name, args, kwargs = one
            if name != last:
                method = find(name) if type(name) is str else None
                if method is None or method.function is None:
                    return None
                bound = method.bind(target)
                last = name
            if type(args) is not list and type(args) is not tuple:
                return None
            if kwargs is not None and type(kwargs) is not dict:
                return None
            call = one
            result = bound(*args, **kwargs) if kwargs else bound(*args)
            if type(result) is not plain:
                if type(result) not in PLAIN_RESULTS:
                    return Call(object_id, name, args, kwargs), result, None
                plain = type(result)
            append(result)
            call = None
    except BaseException as error:
        if call is not None:
            return Call(object_id, *call), None, error
        if not isinstance(error, Exception):
            raise
        # It was no call yet, and will be told of at its place.
    return None


def _next_step(
    step: Callable[[], Coroutine[Any, Any, Any]],
) -> tuple[bool, Any]:
    """Run a batch on; returns whether it is done, and its results or what to await.

    A coroutine cannot let the end of a generator through.
    """
    try:
        return False, step()
    except StopIteration as end:
        return True, end.value


def _not_in_batch(call: Call, result: Any) -> BaseException | None:
    """Return what is wrong with a result, if it cannot be one of a batch."""
    try:
        if type(result) in PLAIN_RESULTS or not isinstance(
            result, Iterator | AsyncIterator
        ):
            return None
    except Exception as error:  # noqa: BLE001 - a class may answer in any way
        return error
    return PyroError(
        f"method {call.method!r} returned an iterator; "
        "streams are not possible in a batch"
    )


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
