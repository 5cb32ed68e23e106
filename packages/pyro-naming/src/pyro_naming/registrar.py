"""Changing registrations, so that of two who do it at once one sees the other's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyro_protocol import NAMESERVER_NAME
from pyro_protocol.errors import NamingError

from .arguments import shown
from .quota import Quota
from .storages import Registration
from .storages.interface import FREE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from .limits import Limits
    from .rights import Claim, Rights
    from .storages import Storage

__all__ = ["Registrar"]

# Every time but the first, somebody else has changed the same name meanwhile.
_MOST_TRIES: Final = 100
_SWEPT_AT_ONCE: Final = 1000
# The clock of another name server over the same storage may be behind.
_CLOCKS_DIFFER_SECONDS: Final = 1.0


class Registrar:
    """Makes the changes that clients ask for, if they may.

    What is registered now is read, judged, and replaced only if it is still the same;
    else all over again.

    Args:
        storage: the registrations.
        rights: who may change what.
        limits: how much is taken.
        clock: returns the seconds since the epoch.
    """

    def __init__(
        self,
        storage: Storage,
        rights: Rights,
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        self._storage = storage
        self._rights = rights
        self._clock = clock
        self._guarded = rights.access is not None
        self._quota = Quota(storage, limits.names_per_owner)

    def register(
        self,
        name: str,
        uri: str,
        tags: frozenset[str],
        ttl: float,
        claim: Claim,
        *,
        safe: bool,
    ) -> None:
        """Register a name, or replace what is registered under it.

        Raises:
            NamingError: the name is taken, or its new owner has too many.
            SecurityError: the claim does not suffice.
        """
        _refuse_own(name)
        if self._guarded or claim.foreign:
            self._rights.check(claim, "register", name)
        owner = claim.owner
        storage = self._storage
        for _ in range(_MOST_TRIES):
            registered = now = self._clock()
            known = storage.get(name)
            version = FREE
            if known is not None:
                version = known.version
                if not known.has_expired(now):
                    if safe:
                        raise NamingError(f"name already registered: {name}")
                    if known.owner:
                        self._rights.check_holder(claim, name, known)
                    if known.owner == owner and known.uri == uri:
                        registered = known.registered
            if known is None or known.owner != owner:
                self._quota.take(owner)
            new = Registration(uri, tags, owner, ttl, registered, now)
            if storage.put(name, new, expected=version):
                return
        raise _contended(name)

    def set_metadata(self, name: str, tags: frozenset[str], claim: Claim) -> None:
        """Replace the metadata of a name.

        Raises:
            NamingError: the name is not registered, or somebody else's.
            SecurityError: the claim does not suffice.
        """
        _refuse_own(name)
        self._rights.check(claim, "register", name)
        for _ in range(_MOST_TRIES):
            known = self._storage.get(name)
            if known is None or known.has_expired(self._clock()):
                raise NamingError(f"unknown name: {shown(name)}")
            self._rights.check_holder(claim, name, known)
            new = known._replace(metadata=tags)
            if self._storage.put(name, new, expected=known.version):
                return
        raise _contended(name)

    def remove(self, name: str, claim: Claim) -> bool:
        """Remove a name, and tell whether it was registered.

        Raises:
            NamingError: it is somebody else's.
            SecurityError: the claim does not suffice.
        """
        if name == NAMESERVER_NAME:
            return False
        self._rights.check(claim, "remove", name)
        for _ in range(_MOST_TRIES):
            known = self._storage.get(name)
            if known is None or known.has_expired(self._clock()):
                return False
            self._rights.check_holder(claim, name, known)
            if self._storage.remove({name: known.version}):
                return True
        raise _contended(name)

    def remove_all(self, found: Mapping[str, Registration], claim: Claim) -> int:
        """Remove names as they were found, and return how many were removed.

        Those that may not be removed stay, and those that have changed since.
        """
        may_change = self._rights.may_change
        names = {
            name: known.version
            for name, known in found.items()
            if name != NAMESERVER_NAME
            and may_change(claim, name, known)
            and self._rights.allows(claim, "remove", name)
        }
        return len(self._storage.remove(names)) if names else 0

    def renew(self, names: Collection[str], claim: Claim) -> list[str]:
        """Begin the time of leases anew, and return the names it was not done for."""
        allowed = {
            name for name in names if self._rights.allows(claim, "register", name)
        }
        allowed.discard(NAMESERVER_NAME)
        renewed = self._storage.renew(allowed, claim.owner, self._clock())
        return [name for name in names if name not in renewed]

    def sweep(self) -> int:
        """Remove some of what has expired, and return how many names that were."""
        storage = self._storage
        margin = _CLOCKS_DIFFER_SECONDS if storage.networked else 0.0
        names = storage.expired(self._clock() - margin, _SWEPT_AT_ONCE)
        if not names:
            return 0
        return len(storage.remove({**names}))

    def restart_leases(self) -> None:
        """Give every lease its whole time from now, also if it has expired."""
        self._storage.restart_leases(self._clock())


def _refuse_own(name: str) -> None:
    if name == NAMESERVER_NAME:
        raise NamingError(f"name {name} is the name server's own and stays as it is")


def _contended(name: str) -> NamingError:
    return NamingError(
        f"name {name!r} is being changed by others all the time; try again later"
    )
