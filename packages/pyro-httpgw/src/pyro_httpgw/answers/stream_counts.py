"""How many streams there are, and who has how many of them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from ..admission.limits import limited_as
from ..errors import RequestRefusedError

__all__ = ["StreamCounts"]

MOST_STREAMS: Final = 2000
"""How many streams a gateway passes on at the same time. Each is an open connection
with some ten kilobytes of memory, and keeps a generator alive in a daemon."""

MOST_PER_CLIENT: Final = 100
"""How many of them one address may have: enough for all who sit behind the same
router, and few enough that one client leaves most of the room to others."""

_RETRY_AFTER: Final = (("Retry-After", "10"),)


class StreamCounts:
    """Counts streams while they last; for use in one event loop.

    Args:
        most: how many there may be.
        most_per_client: how many one client may have.
    """

    def __init__(
        self, most: int = MOST_STREAMS, most_per_client: int = MOST_PER_CLIENT
    ) -> None:
        self._most = most
        self._most_per_client = most_per_client
        self._clients: dict[str, int] = {}
        self._count = 0

    @property
    def count(self) -> int:
        """How many there are."""
        return self._count

    def begin(self, client: str) -> None:
        """Count one more, until `end` is called.

        Args:
            client: who gets it; ``""`` if that is not known, as with Unix sockets.

        Raises:
            RequestRefusedError: there are too many; this one does not count.
        """
        client = limited_as(client)
        own = self._clients.get(client, 0)
        if client and own >= self._most_per_client:
            raise RequestRefusedError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"you have {own} streams already",
                "end one of them",
                headers=_RETRY_AFTER,
            )
        if self._count >= self._most:
            raise RequestRefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"there are {self._count} streams already",
                "try again later",
                headers=_RETRY_AFTER,
            )
        self._clients[client] = own + 1
        self._count += 1

    def end(self, client: str) -> None:
        """Count one less."""
        client = limited_as(client)
        self._count -= 1
        self._clients[client] -= 1
        if not self._clients[client]:
            del self._clients[client]
