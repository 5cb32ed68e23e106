"""A dispatcher that asks before calls, and tells hooks about them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from ..errors import SecurityError
from ..logs import log_exception
from .authorization import refusal
from .daemon_object import DAEMON_NAME
from .details import CallDetails
from .dispatcher import CallFailure, Dispatcher
from .hooks import HookTable

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ..contract import Members
    from .calls import Call
    from .client import ClientConnection

__all__ = ["Authorizer", "GuardedDispatcher"]

_logger = logging.getLogger("pyro.server")

# They belong to a call that was made, and asked about, before.
_OF_STREAMS: Final = frozenset({"get_next_stream_item", "close_stream"})

Authorizer = Callable[[CallDetails], bool | None]
"""Lets a call happen by returning None or True; refuses it by returning False, or by
raising a `SecurityError` with a text for the caller."""


def _anything(_call: CallDetails) -> None:
    return


class GuardedDispatcher(Dispatcher):
    """Carries out calls as another dispatcher does, and lets a program take part.

    It shares everything with that other one, so calls under way go on.

    Args:
        plain: the other dispatcher.
        clock: returns the time in seconds, as ``time.perf_counter`` does.
        authorize: asked about each call, each one of a batch, before an instance is
            made and the method runs; not about the items of streams.
        hooks: told about the same calls, those that are refused included.
    """

    _runs_plainly = False

    def __init__(
        self,
        plain: Dispatcher,
        clock: Callable[[], float],
        authorize: Authorizer | None = None,
        hooks: HookTable | None = None,
    ) -> None:
        vars(self).update(vars(plain))
        self._clock = clock
        self._authorizer = authorize or _anything
        self._hooks = hooks or HookTable()

    def invoke(self, client: ClientConnection, call: Call) -> Any:
        """Carry out a call; see `Dispatcher.invoke`.

        Raises:
            CallFailure: the call failed or was refused.
        """
        if call.batch or (call.object_id == DAEMON_NAME and call.method in _OF_STREAMS):
            return super().invoke(client, call)
        run = super().invoke

        def authorize_and_run() -> Any:
            try:
                self._authorize(details)
            except SecurityError as error:
                raise self.failure(client, call, error) from None
            return run(client, call)

        details = CallDetails(client, call, self._objects.get(call.object_id))
        return self._watch(details, authorize_and_run, call)

    def awaits(self, client: ClientConnection, call: Call) -> bool:
        """Never: the program's own checks and hooks run before each call."""
        del client, call
        return False

    def _run_in_batch(
        self, client: ClientConnection, call: Call, target: Any, members: Members
    ) -> Any:
        run = super()._run_in_batch

        def authorize_and_run() -> Any:
            self._authorize(details)
            return run(client, call, target, members)

        registration = self._objects.get(call.object_id)
        details = CallDetails(client, call, registration, batch=True)
        return self._watch(details, authorize_and_run, None)

    def failure(
        self,
        client: ClientConnection,
        call: Call,
        error: BaseException,
        target: object = None,
    ) -> CallFailure:
        """Prepare an exception for the caller; see `Dispatcher.failure`."""
        if isinstance(error, CallFailure):
            return error
        return super().failure(client, call, error, target)

    def _authorize(self, details: CallDetails) -> None:
        """Ask the program about a call.

        Raises:
            SecurityError: the call is refused.
        """
        verdict: Any = None
        try:
            verdict = self._authorizer(details)
        except SecurityError:
            raise
        except (Exception, SystemExit):  # noqa: BLE001 - a check that fails refuses
            log_exception(_logger, "the check of %r failed, so it is refused", details)
            verdict = False
        if verdict is None or verdict is True:
            return
        if verdict is not False:
            _logger.error(
                "authorize must return None, True or False, or raise; it returned %s, "
                "so %r is refused",
                type(verdict).__name__, details,
            )  # fmt: skip
            if type(verdict) is CoroutineType:
                verdict.close()
        raise refusal(details.client, details.access, details.object_id, details.name)

    def _watch(
        self, details: CallDetails, run: Callable[[], Any], call: Call | None
    ) -> Any:
        """Carry out a call and tell the hooks about it.

        Args:
            details: what they are told.
            run: carries it out.
            call: the call, if what comes of a coroutine can be a stream.
        """
        hooks = self._hooks
        started = self._clock()
        hooks.before(details)
        try:
            with hooks.running(details):
                result = run()
        except BaseException as error:
            hooks.failed(details, _raised(error), self._clock() - started)
            raise
        if type(result) is CoroutineType:
            return self._watch_end(details, result, call, hooks, started)
        hooks.after(details, result, self._clock() - started)
        return result

    async def _watch_end(
        self,
        details: CallDetails,
        rest: Coroutine[Any, Any, Any],
        call: Call | None,
        hooks: HookTable,
        started: float,
    ) -> Any:
        """Await what a call has left to do, and tell the hooks of its end."""
        try:
            with hooks.running(details):
                result = await rest
                if call is not None:
                    result = self.conclude(details.client, call, result)
        except BaseException as error:
            hooks.failed(details, _raised(error), self._clock() - started)
            raise
        hooks.after(details, result, self._clock() - started)
        return result


def _raised(error: BaseException) -> BaseException:
    return error.raised if isinstance(error, CallFailure) else error
