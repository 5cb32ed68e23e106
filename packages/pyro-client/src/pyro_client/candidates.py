"""The servers that one URI may stand for: which are alive, and which to connect to."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Final, TypeVar

from pyro_protocol.context import current_context
from pyro_protocol.errors import CommunicationError
from pyro_protocol.naming import resolve_all

from .repeating import limited

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pyro_protocol.config import Configuration
    from pyro_protocol.uri import URI

__all__ = ["Health", "connect_to_any", "health", "none_reached"]

T = TypeVar("T")

FIRST_REST_SECONDS: Final = 1.0
"""How long a server that has failed is left alone: a restart takes about as long."""

LONGEST_REST_SECONDS: Final = 30.0
"""How long one that keeps failing is left alone: as long as people wait at most, until
they see that it is back."""

_MOST_REMEMBERED: Final = 1000
"""How many failed servers are remembered; names can lead to ever new ones."""


class Health:
    """What this program knows of the servers that have failed.

    Threads may share it.

    Args:
        clock: returns the time in seconds, as `time.monotonic` does.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # By location: how long the rest is, and when it ends.
        self._resting: dict[str, tuple[float, float]] = {}

    def failed(self, uri: URI) -> None:
        """Take note that a server did not work; each time its rest becomes longer."""
        with self._lock:
            now = self._clock()
            rest, end = self._resting.pop(str(uri.location), (0.0, 0.0))
            if end <= now:
                rest = min(max(2 * rest, FIRST_REST_SECONDS), LONGEST_REST_SECONDS)
                end = now + rest
            if len(self._resting) >= _MOST_REMEMBERED:
                del self._resting[next(iter(self._resting))]
            self._resting[str(uri.location)] = rest, end

    def works(self, uri: URI) -> None:
        """Take note that a server works."""
        if self._resting:
            with self._lock:
                self._resting.pop(str(uri.location), None)

    def rest(self, uri: URI) -> float:
        """Return for how many seconds more a server had better be left alone."""
        _rest, end = self._resting.get(str(uri.location), (0.0, 0.0))
        return max(0.0, end - self._clock())

    def ordered(self, uris: Iterable[URI]) -> list[URI]:
        """Return what can be tried: first what works, then what has rested longest."""
        return sorted(uris, key=self.rest)

    def forget(self) -> None:
        """Forget everything."""
        self._lock = threading.Lock()
        self._resting.clear()


health: Final = Health()
"""What all proxies of this process have found out."""


def connect_to_any(
    uri: URI,
    connect: Callable[[URI], T],
    timeout: float | None,
    config: Configuration,
) -> T:
    """Connect to any of the servers that a URI may stand for.

    Args:
        uri: the URI.
        connect: connects to one of them.
        timeout: how many seconds it may take; each server gets its share of them.
        config: the settings.

    Raises:
        CommunicationError: none of them can be reached.
        NamingError: there are none, or no name server.
    """
    failures: list[CommunicationError] = []
    with limited(timeout):
        tried = health.ordered(resolve_all(uri, config=config))
        for number, one in enumerate(tried):
            left = current_context.remaining
            try:
                with limited(None if left is None else left / (len(tried) - number)):
                    connection = connect(one)
            except CommunicationError as error:
                health.failed(one)
                failures.append(error)
            else:
                health.works(one)
                return connection
    raise none_reached(uri, failures)


def none_reached(uri: URI, failures: list[CommunicationError]) -> CommunicationError:
    """Return the error for a URI of which no server could be reached."""
    if len(failures) == 1:
        return failures[0]
    reasons = "; ".join(dict.fromkeys(map(str, failures)))
    error = CommunicationError(
        f"none of the {len(failures)} servers for {uri} can be reached: {reasons}"
    )
    error.outcome = "not_sent"
    error.__cause__ = failures[-1]
    return error


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=health.forget)
