"""Which name servers of several to ask first, and how they take a program in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from ..context import current_context
from ..errors import (
    CommunicationError,
    DaemonError,
    NamingError,
    SecurityError,
    ServerBusyError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..config import Configuration
    from ..session import ConnectAccepted
    from ..uri import URI

__all__ = [
    "CONNECT_SECONDS",
    "Standing",
    "check_ability",
    "handshake_for",
    "is_absent",
    "patience_for",
    "refused",
    "standing",
]

CONNECT_SECONDS: Final = 5.0
"""How long connecting to one of several name servers may take: one that is alive takes
no longer even across the world, and the next one is to have its chance."""

REST_SECONDS: Final = 30.0
"""How long the other name servers are asked before one that has failed. They answer
alike, so it is not missed; and if it is dead, it delays a look-up no more often."""

_MOST_REMEMBERED: Final = 1000
"""How many failed name servers are remembered; URIs can lead to ever new ones."""

# None at all would mean no bound.
_SHORTEST_SECONDS: Final = 1e-3
# How the errors begin of a server that has no room, or not the object.
_BUSY: Final = "the server is busy"
_ABSENT: Final = "unknown object"
# Words of refusals that have nothing to do with who the client is.
_OTHER_REFUSALS: Final = (
    _ABSENT,
    "no free workers",
    "protocol version",
    "serializer",
)

_MISSING: Final = {
    "renew": "no leases, owners or force",
    "describe": "no details of names",
    "entries": "no pages",
    "changes": "no watching",
}


class Standing:
    """What this program knows of the name servers that have failed.

    Threads may share it.

    Args:
        clock: returns the time in seconds, as `time.monotonic` does.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rests: dict[str, float] = {}

    def failed(self, uri: URI) -> None:
        """Take note that a name server did not work."""
        if len(self._rests) >= _MOST_REMEMBERED:
            self._rests.clear()
        self._rests[str(uri.location)] = self._clock() + REST_SECONDS

    def works(self, uri: URI) -> None:
        """Take note that a name server works."""
        self._rests.pop(str(uri.location), None)

    def ordered(self, uris: Iterable[URI]) -> list[URI]:
        """Return what can be tried: as given, but what has failed lately last."""
        now = self._clock()
        return sorted(uris, key=lambda uri: self._rests.get(str(uri.location), 0) > now)

    def forget(self) -> None:
        """Forget everything."""
        self._rests.clear()


standing: Final = Standing()
"""What all clients of this process have found out."""


def patience_for(timeout: float | None, others: int, left: int) -> float | None:
    """Return how many seconds connecting to a name server may take.

    Args:
        timeout: how many any call may take; None for no bound.
        others: how many other name servers are known.
        left: how many of these can be tried afterwards.
    """
    if not others:
        return timeout
    patience = CONNECT_SECONDS if timeout is None else min(timeout, CONNECT_SECONDS)
    remaining = current_context.remaining
    if remaining is None:
        return patience
    return max(min(patience, remaining / (left + 1)), _SHORTEST_SECONDS)


def handshake_for(config: Configuration) -> object:
    """Return what this program shows to name servers."""
    return {"token": config.NS_TOKEN} if config.NS_TOKEN else "hello"


def refused(
    error: CommunicationError, config: Configuration
) -> CommunicationError | SecurityError:
    """Return the error to raise for a name server that could not be connected to.

    Args:
        error: how it failed.
        config: the settings.
    """
    reason = error.refusal
    if not reason or any(words in reason for words in _OTHER_REFUSALS):
        return error
    advice = (
        "is NS_TOKEN the right one?"
        if config.NS_TOKEN
        else "if it asks for a token, set NS_TOKEN"
    )
    result = SecurityError(f"the name server refuses this program: {error}; {advice}")
    result.__cause__ = error
    return result


def is_absent(error: DaemonError, known: int) -> bool:
    """Tell whether something that was not done had better be done elsewhere.

    Args:
        error: what the server has answered.
        known: how many name servers there are to choose from.
    """
    text = str(error)
    # Serializers other than the native one do not keep the class.
    if isinstance(error, ServerBusyError) or text.startswith(_BUSY):
        return known > 1
    # Its server begins or ends, and has no name server at this moment.
    return text.startswith(_ABSENT)


def check_ability(needs: str, uri: URI, accepted: ConnectAccepted | None) -> None:
    """Make sure that a name server can do something before it is asked to.

    Args:
        needs: the method that one has which can.
        uri: the name server.
        accepted: what it has said of itself.

    Raises:
        NamingError: it cannot, as that of Pyro5.
    """
    if accepted is None or needs not in accepted.methods:
        raise NamingError(
            f"this name server knows {_MISSING.get(needs, needs)}: {uri}; "
            "use pyro-ns of pyro-naming"
        )
