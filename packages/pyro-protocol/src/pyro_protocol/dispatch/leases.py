"""Leases: temporary objects that are served until nobody needs them any more.

A lease belongs to one registered object. Connections hold it: those that were sent a
reference to the object, and those that use it. It ends when

- the clients have given back their references, and no connection uses the object;
- the last connection that held it was lost, and a while has passed: a client may come
  back by a connection of its own;
- nobody has used the object for the time that was agreed;
- the program unregisters the object.

References are numbered, and what a client gives back is the last one it has got. So it
does not matter if another is on its way to the client in that moment, nor how often a
reference is encoded until it is sent.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..context import current_context
from ..errors import PyroError
from .lease_keys import LEASE_KEY_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from ..wire import Annotations
    from .client import ClientConnection
    from .registry import ObjectRegistry, Registration

__all__ = [
    "LEASE_SECONDS",
    "Lease",
    "LeaseTable",
    "LeasedObject",
    "with_lease_key",
]

_logger = logging.getLogger("pyro.server")

LEASE_SECONDS: Final = 60.0
"""How long a leased object may go unused, unless the program says otherwise."""

_KEY_SIZE: Final = 8


@dataclass(frozen=True, slots=True)
class LeasedObject:
    """What is known about one leased object.

    Attributes:
        object_id: the id it is reached by.
        target: the object.
        connections: how many connections hold it.
        remaining: in how many seconds it ends if nobody uses it until then.
    """

    object_id: str
    target: Any
    connections: int
    remaining: float


class Lease:
    """The lease of one registered object; the table does what has to be done.

    Attributes:
        entry: the registration.
        seconds: how long the object may go unused.
        used: when it was last used.
        holders: the number of the last reference that each connection was sent; 0 for
            one that only uses the object.
        references: how many references were made.
        given_back: whether clients have given back all references.
        lost: when the last connection that held it was lost; None while there is one,
            and before there ever was.
        closes: whether ``close()`` of the object is called at the end.
    """

    __slots__ = (
        "_table",
        "closes",
        "entry",
        "given_back",
        "holders",
        "lost",
        "references",
        "seconds",
        "used",
    )

    def __init__(
        self, table: LeaseTable, entry: Registration, seconds: float, *, closes: bool
    ) -> None:
        self._table = table
        self.entry: Registration = entry
        self.seconds: float = seconds
        self.used: float = 0.0
        self.holders: dict[ClientConnection, int] = {}
        self.references: int = 0
        self.given_back: bool = False
        self.lost: float | None = None
        self.closes: bool = closes

    def use(self, client: ClientConnection) -> None:
        """Renew it, as a client uses the object."""
        self._table.use(self, client)

    def refer(self) -> str | None:
        """Take note that a reference is sent to the client that is being served.

        Returns:
            What the reference says, so that the client can give it back: the name of
            the connection, a colon and its number. None if there is no client, or it
            does not know the name of its connection.

        Raises:
            PyroError: the client holds too many leased objects.
        """
        client = current_context.client
        return None if client is None else self._table.refer(self, client)


class LeaseTable:
    """The leases of one table of objects.

    Args:
        registry: the objects.
        clock: returns the time in seconds, as ``time.monotonic`` does.
        lock_factory: makes the lock that guards the table; a re-entrant one where
            several threads serve calls.
        linger: how many seconds an object outlives the last connection that held it.
        most_per_client: how many leased objects one connection may hold.
        ended: called with the registration of an object that is not served any more.
    """

    def __init__(
        self,
        registry: ObjectRegistry,
        clock: Callable[[], float],
        lock_factory: Callable[[], AbstractContextManager[Any]],
        *,
        linger: float = 10.0,
        most_per_client: int = 10_000,
        ended: Callable[[Registration], None] | None = None,
    ) -> None:
        self._registry = registry
        self._clock = clock
        self._lock = lock_factory()
        self.linger = linger
        self.most_per_client = most_per_client
        self._ended = ended
        self._leases: dict[str, Lease] = {}
        self._held: dict[ClientConnection, set[Lease]] = {}

    def lease(
        self, target: Any, seconds: float, *, closes: bool = True, **view: Any
    ) -> Registration | None:
        """Register an object for a while, or renew its lease if it has one.

        Args:
            target: the object, not a class.
            seconds: how long it may go unused.
            closes: whether its ``close()`` is called when the lease ends.
            view: what of it is reachable, see `ObjectRegistry.register`.

        Returns:
            Its new registration; None if it was registered before, with a lease or
            without one, which it does not get then.

        Raises:
            TypeError: it is a class.
            ValueError: the time is not positive.
            PyroError: the client that is being served holds too many leased objects.
        """
        if isinstance(target, type):
            raise TypeError(f"an object is leased, not a class such as {target!r}")
        if not seconds > 0:
            raise ValueError(f"a lease must last more than 0 seconds, not {seconds!r}")
        client = current_context.client
        with self._lock:
            known = self._registry.registration_of(target)
            if known is not None:
                if known.lease is not None:
                    known.lease.seconds = seconds
                    known.lease.used = self._clock()
                return None
            if client is not None:
                self._check_room(client)
            entry = self._registry.register(target, **view)
            lease = Lease(self, entry, seconds, closes=closes)
            lease.used = self._clock()
            entry.set_lease(lease)
            self._leases[entry.object_id] = lease
            # Held from now on, so that it ends with its client if the call fails.
            if client is not None:
                self._hold(lease, client)
        return entry

    def use(self, lease: Lease, client: ClientConnection) -> None:
        """Renew a lease; the client that uses the object holds it as well."""
        lease.used = self._clock()
        if client not in lease.holders:
            with self._lock:
                self._hold(lease, client)

    def refer(self, lease: Lease, client: ClientConnection) -> str | None:
        """Take note that a reference is sent to a client; see `Lease.refer`."""
        with self._lock:
            lease.used = self._clock()
            if client not in lease.holders:
                self._check_room(client)
                self._hold(lease, client)
            lease.references += 1
            if client in lease.holders:
                lease.holders[client] = lease.references
                lease.given_back = False
            key = client.lease_key
            return None if key is None else f"{key}:{lease.references}"

    def release(
        self, client: ClientConnection, references: Iterable[tuple[str, int | None]]
    ) -> None:
        """Take references back from a client that was sent them.

        What the client does not hold, and objects without a lease, are left alone, and
        so is an object of which a later reference was sent.

        Args:
            client: the client.
            references: for each object its id, and the number of the last reference
                that the client has got; None for whichever that was.
        """
        done = []
        with self._lock:
            for object_id, number in references:
                lease = self._leases.get(object_id)
                if lease is None or client not in lease.holders:
                    continue
                if number is not None and lease.holders[client] > number:
                    continue
                self._let_go(lease, client)
                lease.given_back = not any(lease.holders.values())
                if not lease.holders and self._remove(lease):
                    done.append(lease)
        self._end(done)

    def client_gone(self, client: ClientConnection) -> None:
        """Let go of what a lost connection held; the rest is done by `expire`."""
        done = []
        with self._lock:
            now = self._clock()
            for lease in list(self._held.get(client, ())):
                self._let_go(lease, client)
                if lease.holders:
                    continue
                lease.lost = now
                if (lease.given_back or self.linger <= 0) and self._remove(lease):
                    done.append(lease)
        self._end(done)

    def expire(self) -> None:
        """End the leases of objects that nobody uses any more."""
        now = self._clock()
        with self._lock:
            done = [
                lease
                for lease in list(self._leases.values())
                if (
                    now - lease.used > lease.seconds
                    or (lease.lost is not None and now - lease.lost > self.linger)
                )
                and self._remove(lease)
            ]
        self._end(done)

    def forget(self, entry: Registration) -> None:
        """Take note that the program has unregistered an object itself."""
        if entry.lease is not None:
            with self._lock:
                self._remove(entry.lease)

    def clear(self) -> None:
        """End all leases."""
        with self._lock:
            done = list(self._leases.values())
            for lease in done:
                self._remove(lease)
        self._end(done)

    def objects(self) -> list[LeasedObject]:
        """Return what is leased at this moment."""
        now = self._clock()
        with self._lock:
            return [
                LeasedObject(
                    object_id,
                    lease.entry.target,
                    len(lease.holders),
                    max(0.0, lease.seconds - (now - lease.used)),
                )
                for object_id, lease in self._leases.items()
            ]

    def __len__(self) -> int:
        return len(self._leases)

    def _check_room(self, client: ClientConnection) -> None:
        if len(self._held.get(client, ())) >= self.most_per_client:
            raise PyroError(
                "too many leased objects on this connection "
                f"(MAX_LEASES={self.most_per_client}); drop the proxies of some first"
            )

    def _hold(self, lease: Lease, client: ClientConnection) -> None:
        # Set first: a connection that ends from now on lets go of everything here.
        client.leases = self
        # A call may end after its connection, which then comes here no more.
        if client.established and lease.entry.object_id in self._leases:
            lease.holders.setdefault(client, 0)
            lease.lost = None
            self._held.setdefault(client, set()).add(lease)

    def _let_go(self, lease: Lease, client: ClientConnection) -> None:
        del lease.holders[client]
        held = self._held[client]
        held.discard(lease)
        if not held:
            del self._held[client]

    def _remove(self, lease: Lease) -> bool:
        """Take a lease out of the table; whether it was still there."""
        if self._leases.pop(lease.entry.object_id, None) is None:
            return False
        for client in list(lease.holders):
            self._let_go(lease, client)
        return True

    def _end(self, leases: list[Lease]) -> None:
        """Unregister and close objects; not under the lock, since both run code."""
        for lease in leases:
            entry = lease.entry
            self._registry.unregister(entry.object_id)
            if self._ended is not None:
                self._ended(entry)
            if lease.closes:
                _close(entry)


def _close(entry: Registration) -> None:
    try:
        close = getattr(entry.target, "close", None)
        if callable(close):
            close()
    except Exception:
        _logger.exception("closing leased object %s failed", entry.object_id)


def with_lease_key(annotations: Annotations, client: ClientConnection) -> Annotations:
    """Return the annotations for a client that can give back references.

    They name the connection, by a name of which there is no second one.
    """
    client.lease_key = os.urandom(_KEY_SIZE).hex()
    return {**annotations, LEASE_KEY_ID: client.lease_key.encode()}
