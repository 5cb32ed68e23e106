"""Trying calls again, as a retry policy says, in the thread that makes them."""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from pyro_protocol.context import CallState, call_state, current_context
from pyro_protocol.errors import CommunicationError
from pyro_protocol.session.deadlines import Deadline

from .facts import facts_about

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .binding import Binding
    from .retries import RetryPlan, RetryPolicy

__all__ = [
    "READ_ATTRIBUTE",
    "limited",
    "repeat",
    "repeat_method",
    "time_for_all",
]

T = TypeVar("T")

READ_ATTRIBUTE: Final = "__getattr__"
"""What a call that reads an attribute calls."""


class _Connecting(Protocol):
    """What has to be connected before something is tried."""

    @property
    def connected(self) -> bool: ...

    @property
    def timeout(self) -> float | None: ...

    @property
    def retry_policy(self) -> RetryPolicy | None: ...

    def connect(self) -> object: ...


def repeat_method(
    binding: Binding, policy: RetryPolicy, method: str, attempt: Callable[[], T]
) -> T:
    """Make a call of a method, or of what reads an attribute, as a policy says.

    Args:
        binding: what the call is made with.
        policy: the policy.
        method: the name of the method.
        attempt: makes the call.

    Raises:
        Exception: the last failure.
    """

    def idempotent() -> bool:
        return (
            method == READ_ATTRIBUTE
            or method in policy.idempotent
            or method in facts_about(binding).idempotent
        )

    return repeat(binding, policy, attempt, idempotent)


def repeat(
    binding: _Connecting,
    policy: RetryPolicy,
    attempt: Callable[[], T],
    idempotent: Callable[[], bool] = bool,
) -> T:
    """Do something until it succeeds, or the policy says to give up.

    Args:
        binding: the connection is made with it before each try.
        policy: the policy.
        attempt: what to do.
        idempotent: tells whether doing it twice does no harm; it may call the server.

    Raises:
        Exception: the last failure.
    """
    plan = policy.start()
    with limited(time_for_all(binding)):
        while True:
            connecting = not binding.connected
            try:
                with limited(policy.try_timeout):
                    if connecting:
                        binding.connect()
                        connecting = False
                    return attempt()
            except policy.errors as error:
                harmless = connecting or _is_harmless(plan, error, idempotent)
                delay = plan.failed(error, harmless, current_context.remaining)
                if delay is None:
                    raise
            time.sleep(delay)


def time_for_all(binding: _Connecting) -> float | None:
    """Return how many seconds all tries of a call may take together; None for no limit.

    Without a policy of its own, a proxy gives its time to each try, as Pyro5 does.
    """
    state = call_state.get()
    limit = None if state is None else state.time_limit
    if limit is not None:
        return None if limit == math.inf else limit
    return None if binding.retry_policy is None else binding.timeout


def _is_harmless(
    plan: RetryPlan, error: Exception, idempotent: Callable[[], bool]
) -> bool:
    """Ask whether doing it twice does no harm, if that matters; as often as needed."""
    while plan.depends(error):
        try:
            with limited(plan.policy.try_timeout):
                return idempotent()
        except CommunicationError as failure:
            remaining = current_context.remaining
            delay = plan.failed(failure, idempotent=True, remaining=remaining)
            if delay is None:
                return False
        time.sleep(delay)
    return False


@contextlib.contextmanager
def limited(seconds: float | None) -> Iterator[None]:
    """Have the calls made in a ``with`` block wait no longer than so many seconds.

    Args:
        seconds: how many in all; None for no limit. A limit set outside stays in force.
    """
    outer = current_context.remaining
    if seconds is None or (outer is not None and outer <= seconds):
        yield
        return
    before = call_state.get()
    state = CallState()
    if before is not None:
        for name in CallState.__slots__:
            setattr(state, name, getattr(before, name))
    state.deadline = Deadline(seconds, time.monotonic)
    token = call_state.set(state)
    try:
        yield
    finally:
        call_state.reset(token)
        brought = state.response_annotations
        if state.client is None and (brought or current_context.response_annotations):
            current_context.response_annotations = brought or {}
