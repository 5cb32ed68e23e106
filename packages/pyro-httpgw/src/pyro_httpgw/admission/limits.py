"""How often each client may do something."""

from __future__ import annotations

import time
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MOST_CLIENTS", "ClientRates", "limited_as"]

MOST_CLIENTS: Final = 10_000
"""Of how many clients the last doings are remembered: some MiB at most, however many
addresses an attacker has. The one that has done nothing for longest is forgotten."""

# Whoever gets an IPv6 address gets at least a network of this size, and could come
# from another address of it each time.
_OWN_NETWORK_BITS: Final = 64


class ClientRates:
    """Lets each client do something so often on average, and at first more often.

    Args:
        per_second: how often on average.
        burst: how often in a row, for a client that has been quiet.
        clock: tells the time in seconds.
        most: how many clients are remembered.
    """

    def __init__(
        self,
        per_second: float,
        burst: float,
        clock: Callable[[], float] = time.monotonic,
        most: int = MOST_CLIENTS,
    ) -> None:
        self._interval = 1 / per_second
        self._slack = (max(burst, 1.0) - 1) / per_second
        self._clock = clock
        self._most = most
        # When each client will have had its due; the one seen last is at the end.
        self._due: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._due)

    def wait(self, client: str) -> float:
        """Return in how many seconds a client may do it again; 0 means now."""
        due = self._due.get(client)
        return 0.0 if due is None else max(0.0, due - self._slack - self._clock())

    def count(self, client: str) -> None:
        """Take note that a client does it."""
        due = self._due.pop(client, 0.0)
        if len(self._due) >= self._most:
            del self._due[next(iter(self._due))]
        self._due[client] = max(due, self._clock()) + self._interval


@lru_cache(maxsize=1024)
def limited_as(client: str) -> str:
    """Return under which name a client of this address is limited.

    All addresses of one IPv6 network count together.
    """
    if ":" not in client:
        return client
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if not isinstance(address, IPv6Address):
        return client
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{int(address) >> _OWN_NETWORK_BITS:x}::/{_OWN_NETWORK_BITS}"
