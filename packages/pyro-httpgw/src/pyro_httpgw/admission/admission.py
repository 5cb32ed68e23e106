"""Who gets in: as long as there is room, so often, and with the right key."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from ..errors import RequestRefusedError
from ..exchange import ANYBODY, Caller
from .access import caller_with, credential_of, missing_credential
from .limits import ClientRates, limited_as

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..messages import Request
    from ..settings import Settings

__all__ = ["BURST_SECONDS", "FAILURES", "FAILURES_PER_SECOND", "Admission"]

FAILURES: Final = 10
"""How many wrong keys a client may present in a row: people and scripts have an old one
or mistype, and soon stop."""

FAILURES_PER_SECOND: Final = 1 / 6
"""How many wrong keys a client may present after that: too few to guess one."""

BURST_SECONDS: Final = 10.0
"""The requests of so much time may come at once where their rate is bounded: programs
work in bursts."""

SMALLEST_BURST: Final = 20.0
"""So many may always come at once: the explorer page and its files."""

# Room is made as fast as requests are answered.
_BUSY_SECONDS: Final = 1


class Admission:
    """Lets requests in or refuses them; for use in one event loop.

    Args:
        clock: tells the time in seconds.

    Attributes:
        in_flight: how many requests are being answered. Who lets one in counts it.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = ClientRates(FAILURES_PER_SECOND, FAILURES, clock)
        self._rates: ClientRates | None = None
        self._rate = 0.0
        self.in_flight: int = 0

    def check_rate(self, client: str, rate: float) -> None:
        """Count a request, and let it pass if its client does not send too many.

        Args:
            client: the address of the client.
            rate: how many a second it may send on average.

        Raises:
            RequestRefusedError: it sends too many; this one does not count.
        """
        if self._rates is None or rate != self._rate:
            burst = max(SMALLEST_BURST, rate * BURST_SECONDS)
            self._rates, self._rate = ClientRates(rate, burst, self._clock), rate
        key = limited_as(client)
        wait = self._rates.wait(key)
        if wait > 0:
            raise _too_many(
                f"more than {rate:g} requests a second", "send fewer requests", wait
            )
        self._rates.count(key)

    def has_room(self, most: int) -> bool:
        """Whether there is room for another request; 0 means no bound."""
        return not most or self.in_flight < most

    def check_room(self, most: int) -> None:
        """Let a request pass if, with it, there are not too many in hand.

        Raises:
            RequestRefusedError: there are.
        """
        if self.in_flight > most:
            raise RequestRefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"the gateway has {most} requests in hand already",
                "try again; the call was not made",
                headers=(("Retry-After", str(_BUSY_SECONDS)),),
            )

    def authenticate(
        self, request: Request, parameters: dict[str, list[str]], settings: Settings
    ) -> Caller:
        """Return who sends a request, if that is somebody who may.

        A client that has presented too much that was wrong is not listened to for a
        while, or it could guess on.

        Args:
            request: the request.
            parameters: those of its query string; the key is taken out of them if one
                is demanded.
            settings: those that count for it.

        Raises:
            RequestRefusedError: what it presents is missing or wrong, or was wrong too
                often.
        """
        if not settings.authenticates:
            return ANYBODY
        credential = credential_of(request, parameters)
        if credential is None:
            raise missing_credential()
        key = limited_as(request.client)
        wait = self._failures.wait(key)
        if wait > 0:
            raise _too_many(
                "too many wrong keys came from your address",
                "find out what the right key is",
                wait,
            )
        try:
            return caller_with(credential, settings)
        except RequestRefusedError:
            self._failures.count(key)
            raise


def _too_many(reason: str, hint: str, wait: float) -> RequestRefusedError:
    return RequestRefusedError(
        HTTPStatus.TOO_MANY_REQUESTS,
        reason,
        hint,
        headers=(("Retry-After", str(math.ceil(wait))),),
    )
