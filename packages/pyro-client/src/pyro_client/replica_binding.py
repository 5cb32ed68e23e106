"""Bindings that spread calls over several servers for the same."""

from __future__ import annotations

import contextlib
import itertools
import logging
import random
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar, get_args

from pyro_protocol.context import current_context
from pyro_protocol.errors import CommunicationError, PyroError, ServerBusyError
from pyro_protocol.naming import resolve_all

from .binding import Binding
from .candidates import health, none_reached
from .facts import facts_about
from .following import Following
from .repeating import READ_ATTRIBUTE, limited, repeat
from .retries import RetryPolicy, is_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pyro_protocol.config import Configuration
    from pyro_protocol.uri import URI

    from .facts import ObjectFacts

__all__ = ["Candidate", "ReplicaBinding", "SpreadingPolicy"]

_logger = logging.getLogger("pyro.client")

T = TypeVar("T")

# In place of the time at which the name server is to be asked.
_AT_ONCE: Final = -1.0

SpreadingPolicy = Literal["random", "round_robin", "least_busy"]
"""How the server for a call is chosen, of those that are alive."""


class Candidate(NamedTuple):
    """One of the servers that calls are spread over, as it is at the moment.

    Attributes:
        uri: where the object is.
        connected: whether there is a connection to it.
        calls: how many calls of this proxy are in flight there.
        rest: for how many seconds more it is left alone because it has failed; 0.0 if
            it is taken to be alive.
    """

    uri: URI
    connected: bool
    calls: int
    rest: float


class _Member:
    """One server, and the calls in flight there."""

    __slots__ = ("binding", "calls", "uri", "used")

    def __init__(self, uri: URI, config: Configuration) -> None:
        self.uri: URI = uri
        self.binding: Binding = Binding(uri, config)
        # What is tried again goes to another member first.
        self.binding.max_retries = 0
        self.calls: int = 0
        # The number of the call that it was last chosen for.
        self.used: int = 0


class ReplicaBinding(Binding):
    """A binding that makes each call with that of one of its members.

    A name server that can be watched tells when members come and go.

    Attributes:
        policy: how members are chosen.
        refresh_seconds: how often a name server is asked that cannot be watched.
    """

    __slots__ = (
        "_count",
        "_following",
        "_heard",
        "_members",
        "_members_lock",
        "_refresh_at",
        "_refresh_lock",
        "policy",
        "refresh_seconds",
    )

    def __init__(
        self,
        uri: URI,
        config: Configuration,
        policy: SpreadingPolicy,
        refresh_seconds: float,
    ) -> None:
        if policy not in get_args(SpreadingPolicy):
            known = ", ".join(get_args(SpreadingPolicy))
            raise ValueError(f"unknown policy {policy!r}; known: {known}")
        if not refresh_seconds > 0:
            raise ValueError(f"refresh must be more than 0, not {refresh_seconds}")
        self._members: dict[URI, _Member] = {}
        self._members_lock = threading.Lock()
        self._refresh_lock = threading.Lock()
        # When the name server is to be asked, by the clock, if it does not tell.
        self._refresh_at = _AT_ONCE
        # What the name server tells, and how much of that has been acted on.
        self._following = Following(uri, config)
        self._heard = 0
        self._count = itertools.count(1)
        super().__init__(uri, config)
        self.policy: SpreadingPolicy = policy
        self.refresh_seconds: float = refresh_seconds

    def candidates(self) -> tuple[Candidate, ...]:
        """Return what is known of the members."""
        return tuple(
            Candidate(one.uri, one.binding.connected, one.calls, health.rest(one.uri))
            for one in self._all()
        )

    def refresh(self) -> None:
        """Ask the name server who is there; keep what stays, drop what has gone.

        Raises:
            NamingError: nobody is there, or no name server.
            CommunicationError: the name server did not answer.
        """
        self._following.begin()
        heard = self._following.heard
        found = resolve_all(self.uri, config=self.config)
        with self._members_lock:
            known = self._members
            # What is dropped ends its connection when its last call has ended.
            self._members = {
                uri: known.get(uri) or _Member(uri, self.config) for uri in found
            }
            self._heard = heard
            self._refresh_at = time.monotonic() + self.refresh_seconds

    def _is_due(self) -> bool:
        """Whether the name server is to be asked, for all that is known here."""
        following = self._following
        if following.heard != self._heard or self._refresh_at == _AT_ONCE:
            return True
        return time.monotonic() >= self._refresh_at and not following.complete

    def _all(self) -> list[_Member]:
        with self._members_lock:
            return list(self._members.values())

    def refresh_soon(self) -> None:
        """Have the name server asked before the next call."""
        self._refresh_at = _AT_ONCE

    def _refresh_if_due(self) -> None:
        if not self._is_due():
            return
        # One thread asks; the others go on with what is known, if anything is.
        if self._refresh_lock.acquire(blocking=not self._members):
            heard = self._following.heard
            try:
                if self._is_due():
                    self.refresh()
            except PyroError as error:
                if not self._members:
                    raise
                _logger.warning("calls for %s go on as before: %s", self.uri, error)
                self._heard = heard
                self._refresh_at = time.monotonic() + self.refresh_seconds
            finally:
                self._refresh_lock.release()

    def take(self, avoided: Collection[_Member]) -> _Member | None:
        """Choose a member for a call, and count the call as in flight there.

        Args:
            avoided: those that are out of the question.

        Returns:
            The member; None if there is no other.

        Raises:
            NamingError: there is none at all, or no name server.
            CommunicationError: the name server did not answer.
        """
        self._refresh_if_due()
        rests = {one: health.rest(one.uri) for one in self._all() if one not in avoided}
        if not rests:
            return None
        # If all have failed lately, the one that has rested longest.
        shortest = min(rests.values())
        alive = [one for one, rest in rests.items() if rest <= shortest]
        with self._members_lock:
            member = self._choose(alive)
            member.calls += 1
            member.used = next(self._count)
        self._adjust(member.binding)
        return member

    def _choose(self, alive: Sequence[_Member]) -> _Member:
        if self.policy == "random":
            return random.choice(alive)  # noqa: S311 - spreads the load
        if self.policy == "round_robin":
            return min(alive, key=_last_use)
        return min(alive, key=_load)

    def give_up(self, member: _Member) -> None:
        """Take note that a call is not in flight any more."""
        with self._members_lock:
            member.calls -= 1

    def _adjust(self, binding: Binding) -> None:
        """Give a member the settings that the program has given the proxy."""
        if binding.timeout != self.timeout:
            binding.timeout = self.timeout
        binding.handshake = self.handshake
        binding.serializer_name = self.serializer_name
        binding.raw_response = self.raw_response
        binding.validate = self.validate
        binding.reconnected = self.reconnected
        if self.methods or self.attributes:
            binding.oneway = self.oneway

    def learn(self, member: _Member) -> None:
        """Take over the names that the object of a member offers."""
        if not self.methods and not self.attributes:
            binding = member.binding
            self.set_metadata(binding.methods, binding.oneway, binding.attributes)

    @property
    def connected(self) -> bool:
        """Whether there is a connection to any member."""
        return any(one.binding.connected for one in self._all())

    @property
    def current_channel(self) -> Any:
        """A connection to any of the members; None if there is none."""
        channels = (one.binding.current_channel for one in self._all())
        return next((one for one in channels if one is not None), None)

    def connect(self, *, replace_uri: bool = False) -> Any:  # noqa: ARG002 - see below
        """Connect to one member, if there is a connection to none.

        Args:
            replace_uri: has no effect: what the URI stands for may change.

        Raises:
            CommunicationError: none of the servers can be reached.
            NamingError: there is none, or no name server.
        """
        return self.current_channel or self._spread(lambda member: member.channel)

    def release(self) -> None:
        """End all connections; the next call makes new ones."""
        for member in self._all():
            member.binding.release()
        self._following.end()
        self.refresh_soon()

    def forget_connection(self) -> None:
        """Leave the connections to the parent process, after a fork."""
        # The members do that themselves; locks may be held by threads of the parent.
        self._members_lock = threading.Lock()
        self._refresh_lock = threading.Lock()
        self._following = Following(self.uri, self.config)
        self._refresh_at = _AT_ONCE
        for member in self._members.values():
            member.calls = 0
        super().forget_connection()

    def call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a remote method of one of the members."""
        return self._spread(lambda member: member.call(method, *args, **kwargs), method)

    def access(self, method: str, args: Sequence[Any]) -> Any:
        """Read or write an attribute of one of the members."""
        return self.invoke(method, args, None)

    def invoke(
        self,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        flags: int = 0,
        object_id: str | None = None,
    ) -> Any:
        """Send one request to one of the members, and return what its answer holds."""
        return self._spread(
            lambda member: member.invoke(method, args, kwargs, flags, object_id),
            method if object_id is None else None,
        )

    def invoke_batch(self, calls: Sequence[Any], *, oneway: bool) -> Any:
        """Send several calls to one of the members."""
        return self._spread(lambda member: member.invoke_batch(calls, oneway=oneway))

    def _spread(self, attempt: Callable[[Binding], T], method: str | None = None) -> T:
        """Do something with one member after the other, until it succeeds."""
        policy = self.retry_policy
        if policy is None:
            self._refresh_if_due()
            tries = max(self.max_retries + 1, len(self._members))
            policy = RetryPolicy(attempts=tries, first_delay=0.0)
        turn = _Turn(self, policy)
        idempotent = partial(self._is_idempotent, method, policy)
        return repeat(turn, policy, partial(turn.make, attempt), idempotent)

    def _is_idempotent(self, method: str | None, policy: RetryPolicy) -> bool:
        if method is None:
            return False
        if method == READ_ATTRIBUTE or method in policy.idempotent:
            return True
        facts: ObjectFacts | None = self.facts
        if facts is None:
            turn = _Turn(self, policy)
            turn.connect()
            facts = turn.make(facts_about)
            self.facts: ObjectFacts | None = facts
        return method in facts.idempotent

    def copy(self) -> ReplicaBinding:
        """Return an unconnected binding with the same settings."""
        result = ReplicaBinding(
            self.uri, self.config, self.policy, self.refresh_seconds
        )
        self.hand_on(result)
        return result


def _last_use(member: _Member) -> int:
    return member.used


def _load(member: _Member) -> tuple[int, int]:
    # Of equals, the one that was used longest ago.
    return member.calls, member.used


class _Turn:
    """One call: the members on which it has failed, and the one whose turn it is.

    Attributes:
        connected: always False, so that a member is chosen before each try.
        retry_policy: how often the call is tried.
    """

    __slots__ = (
        "_given_up",
        "_member",
        "_owner",
        "_tried",
        "connected",
        "retry_policy",
    )

    def __init__(self, owner: ReplicaBinding, retry_policy: RetryPolicy) -> None:
        self._owner = owner
        self._tried: list[_Member] = []
        self._member: _Member | None = None
        # Why there is no use in trying all members once more.
        self._given_up: CommunicationError | None = None
        self.connected: bool = False
        self.retry_policy: RetryPolicy = retry_policy

    @property
    def timeout(self) -> float | None:
        """How many seconds a call may take; None means no bound."""
        return self._owner.timeout

    def connect(self) -> None:
        """Choose a member and connect to it, or else to the next.

        Raises:
            CommunicationError: none can be reached.
            NamingError: there is none, or no name server.
        """
        if self._given_up is not None:
            raise self._given_up
        owner = self._owner
        dead: list[_Member] = []
        failures: list[CommunicationError] = []
        asked_again = False
        while True:
            member = self._next(dead)
            if member is None:
                if asked_again:
                    error = none_reached(owner.uri, failures)
                    if owner.retry_policy is None:
                        self._given_up = error
                    raise error
                # Somebody may be there now who was not before.
                asked_again = True
                with contextlib.suppress(PyroError):
                    owner.refresh()
                continue
            try:
                with limited(self._share(dead)):
                    member.binding.connect()
            except CommunicationError as failure:
                owner.give_up(member)
                health.failed(member.uri)
                dead.append(member)
                failures.append(failure)
            except BaseException:
                owner.give_up(member)
                raise
            else:
                break
        owner.learn(member)
        self._member = member

    def _next(self, dead: Sequence[_Member]) -> _Member | None:
        """Return a member that was not tried yet, or else one that is not dead."""
        member = self._owner.take([*self._tried, *dead])
        if member is None and self._tried:
            self._tried.clear()
            member = self._owner.take(dead)
        return member

    def _share(self, dead: Sequence[_Member]) -> float | None:
        """Return which part of the time that is left one member may take to connect."""
        left = current_context.remaining
        others = len(self._owner.candidates()) - len(dead)
        return None if left is None else left / max(1, others)

    def make(self, attempt: Callable[[Binding], T]) -> T:
        """Do something with the member that was chosen."""
        member, self._member = self._member, None
        if member is None:
            raise AssertionError("connect has to choose a member first")
        owner = self._owner
        try:
            result = attempt(member.binding)
        except (CommunicationError, ServerBusyError) as error:
            self._tried.append(member)
            if isinstance(error, CommunicationError) and not is_answer(error):
                health.failed(member.uri)
                owner.refresh_soon()
            raise
        finally:
            owner.give_up(member)
        health.works(member.uri)
        return result
