"""Which failed calls are tried again, how often, and after which pauses.

Nothing here waits or sends: a plan only says what to do, so that proxies of every kind
can follow it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pyro_protocol.errors import (
    CommunicationError,
    ConnectionClosedError,
    NamingError,
    ProtocolError,
    ServerBusyError,
    TimeoutError,  # noqa: A004 - the documented name
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = [
    "RetryPlan",
    "RetryPolicy",
    "after_lost_connections",
    "certainly_not_run",
    "is_answer",
]

# How a Pyro5 server refuses a connection while all its workers are busy.
_BUSY_PEER: Final = "no free workers"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Which failed calls a proxy tries again, and when.

    A call is only tried again if it has certainly not been run, because the server
    could not be reached, was busy or did not get all of the request; or if running it
    twice does no harm: reading an attribute, and methods that the server has marked
    with ``@idempotent``. Everything that a remote method raises itself is its answer,
    and what cannot be sent or understood will not get better; neither is tried again.

    The pauses grow from one try to the next. A part of each is random, or many clients
    that have lost their server together would come back together. No pause is begun
    that the deadline of the call would end.

    Attributes:
        attempts: how often a call is tried in all.
        first_delay: the longest pause after the first failure, in seconds.
        max_delay: the longest pause after any failure, in seconds; if it is shorter
            than ``first_delay``, it counts.
        factor: how many times longer the longest pause is after each further failure.
        jitter: which part of a pause is random: 1.0 for anything between nothing and
            the longest pause, 0.0 for always the longest.
        try_timeout: how many seconds one try may take; None means as long as the call.
        errors: the failures after which a call may be tried again. Add `NamingError`
            for names that may appear later.
        idempotent: names of methods that do no harm when they are run twice, in
            addition to those that the server has marked; for servers that do not tell,
            such as Pyro5's.

    Raises:
        ValueError: a number is out of its range.
    """

    attempts: int = 3
    first_delay: float = 0.1
    max_delay: float = 10.0
    factor: float = 2.0
    jitter: float = 1.0
    try_timeout: float | None = None
    errors: tuple[type[Exception], ...] = (CommunicationError, ServerBusyError)
    idempotent: Collection[str] = ()

    def __post_init__(self) -> None:
        wrong = None
        if self.attempts < 1:
            wrong = f"attempts must be at least 1, not {self.attempts}"
        elif self.first_delay < 0 or self.max_delay < 0:
            wrong = "first_delay and max_delay must be at least 0"
        elif self.factor < 1:
            wrong = f"factor must be at least 1, not {self.factor}"
        elif not 0 <= self.jitter <= 1:
            wrong = f"jitter must be between 0 and 1, not {self.jitter}"
        elif self.try_timeout is not None and not self.try_timeout > 0:
            wrong = f"try_timeout must be more than 0, not {self.try_timeout}"
        if wrong is not None:
            raise ValueError(wrong)
        if isinstance(self.idempotent, str):
            raise ValueError(
                f"idempotent takes several names: write [{self.idempotent!r}]"
            )
        object.__setattr__(self, "idempotent", frozenset(self.idempotent))

    def start(self, random: Callable[[], float] = random.random) -> RetryPlan:
        """Return a plan for one call.

        Args:
            random: returns a number from 0 to 1, as `random.random` does.
        """
        return RetryPlan(self, random)


class RetryPlan:
    """What to do about the failures of one call; made by `RetryPolicy.start`.

    Attributes:
        policy: what it follows.
        failures: how many tries have failed.
    """

    __slots__ = ("_longest", "_random", "failures", "policy")

    def __init__(self, policy: RetryPolicy, random: Callable[[], float]) -> None:
        self.policy: RetryPolicy = policy
        self.failures: int = 0
        self._longest = min(policy.first_delay, policy.max_delay)
        self._random = random

    def failed(
        self, error: Exception, idempotent: bool, remaining: float | None = None
    ) -> float | None:
        """Take note of a failed try, and say when to try again.

        Args:
            error: how it failed.
            idempotent: whether trying again does no harm even if the call was run.
                That is so for all that fails while connecting.
            remaining: how many seconds are left of the call's time; None for no limit.

        Returns:
            The seconds to wait before the next try; None to give up.
        """
        policy = self.policy
        self.failures += 1
        longest, self._longest = (
            self._longest,
            min(self._longest * policy.factor, policy.max_delay),
        )
        if self.failures >= policy.attempts or not self._may_help(error):
            return None
        if not idempotent and not certainly_not_run(error):
            return None
        delay = longest * (1 - policy.jitter + policy.jitter * self._random())
        if remaining is not None and delay >= remaining:
            return None
        return delay

    def depends(self, error: Exception) -> bool:
        """Whether it depends on ``idempotent`` if there is another try."""
        return (
            self.failures + 1 < self.policy.attempts
            and self._may_help(error)
            and not certainly_not_run(error)
        )

    def _may_help(self, error: Exception) -> bool:
        """Whether the next try could end otherwise."""
        if not isinstance(error, self.policy.errors):
            return False
        if isinstance(error, ProtocolError):
            return False
        if isinstance(error, NamingError | ServerBusyError) or is_answer(error):
            return not isinstance(error, CommunicationError)
        lost = isinstance(error, ConnectionClosedError | TimeoutError)
        # Of the others, those that could not connect. A server that has refused us, or
        # has shown the wrong certificate (also a ValueError), will do so again.
        cause = error.__cause__
        if isinstance(cause, CommunicationError) and not lost:
            return self._may_help(cause)
        could_not_connect = isinstance(cause, OSError) and not isinstance(
            cause, ValueError
        )
        return lost or could_not_connect or _BUSY_PEER in str(error)


def certainly_not_run(error: Exception) -> bool:
    """Whether a failure tells that the server has not begun with the call."""
    if is_answer(error):
        # A method may pass on what another server has said.
        return False
    return (
        isinstance(error, ServerBusyError)
        or getattr(error, "outcome", None) == "not_sent"
    )


def is_answer(error: Exception) -> bool:
    """Whether an exception was raised by the remote object itself."""
    return hasattr(error, "_pyroTraceback")


def after_lost_connections(retries: int) -> RetryPolicy:
    """Return the policy that a number of retries, as of ``_pyroMaxRetries``, means.

    Tries follow each other at once, after timeouts and lost connections only.
    """
    return RetryPolicy(
        attempts=retries + 1,
        first_delay=0.0,
        errors=(ConnectionClosedError, TimeoutError),
    )
