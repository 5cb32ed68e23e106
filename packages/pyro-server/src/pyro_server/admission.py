"""The door of a daemon: who may come in, and how often one may try."""

from __future__ import annotations

import ipaddress
import logging
import threading
import time
import traceback
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.dispatch import ClientConnection, Identity
from pyro_protocol.errors import SecurityError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from .authentication import Authenticator

__all__ = [
    "FAILURES_ALLOWED",
    "FAILURE_SECONDS",
    "MOST_ADDRESSES",
    "REFUSAL_SECONDS",
    "Admission",
    "FailureLimit",
]

_logger = logging.getLogger("pyro.server")

FAILURES_ALLOWED: Final = 5
"""How many attempts may fail from one address within `FAILURE_SECONDS`. A person
mistypes a few times; whoever guesses needs thousands."""

FAILURE_SECONDS: Final = 60.0
"""For how long a failed attempt is counted."""

REFUSAL_SECONDS: Final = 60.0
"""For how long an address is refused at once after that many: long enough to make
guessing hopeless, short enough for a person to wait."""

MOST_ADDRESSES: Final = 10_000
"""How many addresses with failed attempts are remembered, so that an attack from very
many does not fill the memory; the oldest are forgotten."""

# Whoever has an IPv6 address has at least all those that begin with the same bits.
_OWNED_BITS: Final = 64


class FailureLimit:
    """Counts the failed attempts of each address.

    Args:
        clock: returns the time in seconds, as ``time.monotonic`` does.
        allowed: how many may fail within ``window``.
        window: for how many seconds a failure counts.
        pause: for how many seconds more attempts are refused then.
        most: how many addresses are remembered.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        allowed: int = FAILURES_ALLOWED,
        window: float = FAILURE_SECONDS,
        pause: float = REFUSAL_SECONDS,
        most: int = MOST_ADDRESSES,
    ) -> None:
        self._clock = clock
        self._allowed = allowed
        self._window = window
        self._pause = pause
        self._most = most
        self._lock = threading.Lock()
        # When each failed, latest address last; and until when each is refused.
        self._failures: OrderedDict[Hashable, deque[float]] = OrderedDict()
        self._refused: OrderedDict[Hashable, float] = OrderedDict()

    def refuses(self, address: Hashable) -> bool:
        """Whether an address has failed too often to be allowed another attempt."""
        with self._lock:
            until = self._refused.get(address)
            if until is None:
                return False
            if self._clock() < until:
                return True
            del self._refused[address]
            return False

    def failed(self, address: Hashable) -> bool:
        """Count a failed attempt; whether the address is refused from now on."""
        now = self._clock()
        with self._lock:
            failures = self._failures.setdefault(address, deque(maxlen=self._allowed))
            self._failures.move_to_end(address)
            failures.append(now)
            if len(self._failures) > self._most:
                self._failures.popitem(last=False)
            if len(failures) < self._allowed or now - failures[0] > self._window:
                return False
            self._failures.pop(address, None)
            self._refused[address] = now + self._pause
            self._refused.move_to_end(address)
            if len(self._refused) > self._most:
                self._refused.popitem(last=False)
            return True

    def __len__(self) -> int:
        """Return how many addresses are remembered."""
        return len(self._failures) + len(self._refused)


class Admission:
    """Authenticates clients, before any other check of their handshakes.

    Args:
        authenticate: what finds out who a client is.
        limit: what counts the failures.
    """

    def __init__(
        self, authenticate: Authenticator, limit: FailureLimit | None = None
    ) -> None:
        self._authenticate = authenticate
        self._limit = FailureLimit() if limit is None else limit

    def admit(self, client: ClientConnection, handshake: Any) -> None:
        """Find out who a client is, and take a note of it on the connection.

        Raises:
            SecurityError: it is refused. The text is for the client, and does not
                tell what was wrong, unless the program says so itself.
        """
        client.identity = None
        address = _address_of(client)
        if self._limit.refuses(address):
            raise SecurityError(
                "too many attempts to authenticate have failed from this address; "
                "try again later"
            )
        refusal = SecurityError("authentication failed")
        identity: Any = None
        try:
            identity = self._authenticate(client, handshake)
            if identity is not None and not isinstance(identity, Identity):
                _logger.error(
                    "authenticate must return an Identity or None, not %s",
                    type(identity).__name__,
                )
                _discard(identity)
                identity = None
        except SecurityError as error:
            refusal, identity = error, None
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the program's own part raises, the client stays outside
            # Not its text, which may well be the credential.
            _logger.error(  # noqa: TRY400 - as above
                "authenticating %s failed with %s%s",
                client, type(error).__name__, _place(error),
            )  # fmt: skip
            identity = None
        if identity is not None:
            client.identity = identity
            return
        if self._limit.failed(address):
            _logger.warning(
                "attempts to authenticate from %s are refused for a while: "
                "too many have failed",
                address,
            )
        raise refusal


def _address_of(client: ClientConnection) -> Hashable:
    """Return what the attempts of a client are counted by."""
    address = client.peer_address
    if isinstance(address, tuple) and address:
        host = str(address[0])
        try:
            ip = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return host
        if isinstance(ip, ipaddress.IPv6Address):
            if ip.ipv4_mapped is not None:
                return str(ip.ipv4_mapped)
            return str(ipaddress.ip_network((ip, _OWNED_BITS), strict=False))
        return str(ip)
    credentials = client.peer_credentials
    return "this machine" if credentials is None else f"user {credentials.uid}"


def _discard(value: Any) -> None:
    """Close a coroutine that nobody will await."""
    close = getattr(value, "close", None)
    if callable(close):
        close()


def _place(error: BaseException) -> str:
    """Return where an exception was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
