"""What remote objects offer, as their daemons say; remembered for a moment."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.contract.described import (
    Description,
    described_by_names,
    read_description,
)
from pyro_protocol.errors import CommunicationError, DaemonError, ProtocolError
from pyro_protocol.wire import FLAG_EXCEPTION

from ..errors import CallFailedError
from .invocation import Invocation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pyro_protocol import URI
    from pyro_protocol.wire import Payload

    from .invocation import Reply

__all__ = ["Members", "Offer", "Offers"]

MEMBERS_SECONDS: Final = 2.0
"""How long it is believed what an object has: it changes only when an object is
replaced, and then a wrong belief shows as an error of the remote side."""

# As many objects as anybody looks at within that time; a bound on memory.
_MOST_MEMBERS: Final = 1000


@dataclass(frozen=True, slots=True)
class Members:
    """What an object has.

    Attributes:
        methods: the names of its methods.
        oneway: the names of those whose callers do not wait.
        attributes: the names of its attributes.
    """

    methods: frozenset[str]
    oneway: frozenset[str]
    attributes: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """What an object offers. It is the same object for as long as nothing changes.

    Attributes:
        members: the names.
        description: all that is known; made of the names where the daemon does not
            describe its objects.
        document: the description as it was received; None if there was none.
        per_connection: whether it is known that each connection gets an instance of
            its own.
    """

    members: Members
    description: Description
    document: dict[str, Any] | None = None
    per_connection: bool = False


@dataclass(slots=True)
class _Answer:
    payload: Payload
    offer: Offer
    expires: float


class Offers:
    """Asks daemons what their objects offer; for use in one event loop.

    Args:
        ask: has the daemon of an object answer a question, or, if it is not of our
            family, another one.
        clock: tells the time in seconds.
    """

    def __init__(
        self,
        ask: Callable[[URI, Invocation, Invocation], Awaitable[Reply]],
        clock: Callable[[], float],
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._answers: dict[URI, _Answer] = {}

    def __len__(self) -> int:
        return len(self._answers)

    def known(self, uri: URI) -> Offer | None:
        """Return what an object offers if that is known, and counts."""
        answer = self._answers.get(uri)
        if answer is None or answer.expires <= self._clock():
            return None
        return answer.offer

    def forget(self, uri: URI) -> None:
        """Ask again the next time."""
        self._answers.pop(uri, None)

    async def get(self, uri: URI) -> Offer:
        """Return what an object offers.

        Raises:
            CallFailedError: the daemon does not have the object.
            CommunicationError: the daemon cannot be reached.
        """
        offer = self.known(uri)
        if offer is not None:
            return offer
        before = self._answers.get(uri)
        if before is not None:
            # The others need not wait for the answer to the same question.
            before.expires = self._clock() + MEMBERS_SECONDS
        try:
            reply = await self._question(uri)
            if before is not None and before.payload == reply.frame.payload:
                offer = before.offer
            else:
                offer = _offer_in(uri, reply)
        except BaseException:
            self._answers.pop(uri, None)
            raise
        if len(self._answers) >= _MOST_MEMBERS:
            self._answers.clear()
        self._answers[uri] = _Answer(
            reply.frame.payload, offer, self._clock() + MEMBERS_SECONDS
        )
        return offer

    async def _question(self, uri: URI) -> Reply:
        names = Invocation("get_metadata", (uri.object_id,), {})
        everything = Invocation("get_description", (uri.object_id,), {})
        try:
            reply = await self._ask(uri, everything, names)
            if _says_more_is_unknown(reply):
                reply = await self._ask(uri, names, names)
        except CommunicationError as error:
            # It failed before the call itself, which has certainly not run.
            error.outcome = "not_sent"
            raise
        return reply


def _says_more_is_unknown(reply: Reply) -> bool:
    """Whether a daemon has failed to describe an object that it may have."""
    if reply.serializer.name != "native" or not reply.frame.flags & FLAG_EXCEPTION:
        # Others were not asked for a description.
        return False
    return not isinstance(reply.serializer.loads(reply.frame.payload), DaemonError)


def _offer_in(uri: URI, reply: Reply) -> Offer:
    """Return what an answer says about an object.

    Raises:
        CallFailedError: that the daemon does not have it, or has failed.
        ProtocolError: nothing that can be understood.
    """
    value = reply.serializer.loads(reply.frame.payload)
    if isinstance(value, DaemonError):
        raise CallFailedError(
            HTTPStatus.NOT_FOUND,
            DaemonError(f"object {uri.object_id!r} is not at {uri.location} any more"),
        )
    if isinstance(value, Exception):
        raise CallFailedError(HTTPStatus.BAD_GATEWAY, value)
    try:
        if "attrs" in value:
            return _offer_of_names(value)
        return _described_offer(value)
    except (KeyError, TypeError) as error:
        raise ProtocolError(
            f"{uri.location} does not describe {uri.object_id!r} as Pyro does"
        ) from error


def _offer_of_names(value: dict[str, Any]) -> Offer:
    members = Members(
        methods=frozenset(value["methods"]),
        oneway=frozenset(value["oneway"]),
        attributes=frozenset(value["attrs"]),
    )
    description = described_by_names(
        None, members.methods, members.oneway, members.attributes
    )
    return Offer(members, description)


def _described_offer(document: dict[str, Any]) -> Offer:
    description = read_description(document)
    if description is None:
        raise TypeError("no description")
    methods = {method["name"]: method["kind"] for method in document["methods"]}
    members = Members(
        methods=frozenset(methods),
        oneway=frozenset(name for name, kind in methods.items() if kind == "oneway"),
        attributes=frozenset(one["name"] for one in document["attributes"]),
    )
    per_connection = document.get("instance_mode") == "session"
    return Offer(members, description, document, per_connection)
