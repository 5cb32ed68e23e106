"""Names in the name server, as one thread keeps them there."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from pyro_protocol import NameServerClient, locate_ns
from pyro_protocol.errors import CommunicationError, NamingError, SecurityError
from pyro_protocol.transport.addresses import connect_socket

from .announcements import user_and_machine

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pyro_protocol import URI
    from pyro_protocol.config import Configuration

    from .announcements import Announcement

__all__ = ["NAME_SERVER_SECONDS", "Advice", "NameUpkeep"]

_logger = logging.getLogger("pyro.serve")

NAME_SERVER_SECONDS: Final = 5.0
"""How long a name server may take for an answer, unless ``COMMTIMEOUT`` says so: one
that hangs must neither keep a program from ending nor its names from the next one."""

# How many names are looked up before each renewal, which does not tell that another
# program of the same owner has taken a name over. So many take some milliseconds.
_LOOKS: Final = 50

# When a name server is looked for elsewhere that is not where it was. A search takes
# seconds, in which one that was only restarted is not seen; the pause is doubled each
# time.
_SEARCH_SECONDS: Final = 10.0
_LONGEST_SEARCH_PAUSE: Final = 300.0

# On the machine of the owner, which is this one most often, it takes microseconds.
_PROBE_SECONDS: Final = 1.0


class Advice(NamedTuple):
    """What people can do next, at the end of the errors of the first registration.

    Attributes:
        missing: if there is no name server.
        taken: if it does not register a name.
    """

    missing: str = ""
    taken: str = ""


class NameUpkeep:
    """Registers names, sees whether they are still there, and removes them.

    What a name server cannot do that knows no leases, such as that of Pyro5, is left
    out: names are registered there for good, in nobody's name. Not to be used by
    several threads.

    Args:
        settings: where the name server is.
        advice: for the errors.
    """

    def __init__(self, settings: Configuration, advice: Advice | None = None) -> None:
        self._settings = settings.copy()
        self._settings.COMMTIMEOUT = settings.COMMTIMEOUT or NAME_SERVER_SECONDS
        self._advice = advice or Advice()
        self._client: NameServerClient | None = None
        # In whose name, if nobody is named; None if the name server knows better.
        self._claim: str | None = None
        # When it is looked for elsewhere, and how long after that once more.
        self._search_at: float | None = None
        self._search_pause = _SEARCH_SECONDS
        # Those that are left alone for now, and what was said of them last, by name.
        self._foreign: set[str] = set()
        self._said: dict[str, str] = {}
        self._looked_at = 0
        self.leases: bool = False
        """Whether the name server that was found last knows leases and owners."""

    def register(self, one: Announcement) -> None:
        """Register a name for the first time.

        Raises:
            PyroError: there is no name server, or it does not register the name.
        """
        try:
            client = self._connected(search=True)
        except NamingError as error:
            raise _advised(error, self._advice.missing) from error
        try:
            self._put(client, one, safe=one.safe, force=one.force)
        except NamingError as error:
            if not (one.safe and self._is_left_over(client, one)):
                raise _advised(error, self._advice.taken) from error
            self._put(client, one, safe=False, force=one.force)
        self._is_ours(one.name)

    def keep(self, announcements: Sequence[Announcement]) -> None:
        """Renew names, and register again what the name server has forgotten.

        Raises:
            PyroError: there is no name server, or it does not answer, or refuses.
        """
        client = self._connected()
        if not self.leases:
            for one in announcements:
                ours = self._leads_to_us(client, one)
                if ours is None:
                    self._restore(client, one)
                elif ours:
                    self._is_ours(one.name)
            return
        for one in self._to_look_at(announcements):
            if self._leads_to_us(client, one) is None:
                # Renewing will tell; perhaps we may just not look it up.
                self._foreign.discard(one.name)
        names = [one for one in announcements if one.name not in self._foreign]
        for one in self._renew(client, names):
            self._restore(client, one)

    def remove(self, announcements: Iterable[Announcement]) -> None:
        """Remove names that are still ours.

        Raises:
            PyroError: there is no name server, or it does not answer, or refuses.
        """
        client = self._connected()
        for one in announcements:
            self._is_ours(one.name)
            if _found(client, one.name) != one.uri:
                # Somebody else has removed it, or taken it.
                continue
            try:
                client.remove(
                    one.name, owner=self._owner_of(one) if self.leases else None
                )
            except (NamingError, SecurityError) as error:
                _logger.info("name %s was not removed: %s", one.name, error)

    def disconnect(self) -> None:
        """Disconnect; the next use connects again."""
        if self._client is not None:
            self._client._pyroRelease()

    def release(self) -> None:
        """Disconnect; the next use looks for a name server."""
        client, self._client = self._client, None
        if client is not None:
            client._pyroRelease()

    def abandon(self) -> None:
        """Leave the connection to the parent process, after a fork."""
        client, self._client = self._client, None
        if client is not None:
            client._connection.abandon()  # noqa: SLF001 - nobody else has to

    def _connected(self, *, search: bool = False) -> NameServerClient:
        """Return the name server: where it was, or now and then elsewhere.

        Args:
            search: whether to look elsewhere at once.

        Raises:
            NamingError: it is not found.
            CommunicationError: it is not where it was.
        """
        client = self._client
        if client is not None:
            try:
                if client._pyroBind():
                    self._learn(client)
            except CommunicationError:
                if not (search or self._is_time_to_search()):
                    raise
            else:
                self._search_at = None
                return client
        client = locate_ns(config=self._settings)
        self.release()
        self._client, self._search_at = client, None
        self._learn(client)
        return client

    def _is_time_to_search(self) -> bool:
        """Whether it was missed for so long that it may have moved."""
        now = time.monotonic()
        if self._search_at is None:
            self._search_at = now + _SEARCH_SECONDS
            self._search_pause = 2 * _SEARCH_SECONDS
        if now < self._search_at:
            return False
        self._search_at = now + self._search_pause
        self._search_pause = min(2 * self._search_pause, _LONGEST_SEARCH_PAUSE)
        return True

    def _learn(self, client: NameServerClient) -> None:
        """Find out what a name server knows that was connected to just now."""
        self.leases = "renew" in client._pyroMethods
        if self.leases:
            self._claim = _accepted_claim(client)

    def _owner_of(self, one: Announcement) -> str | None:
        return self._claim if one.owner is None else one.owner or None

    def _put(
        self,
        client: NameServerClient,
        one: Announcement,
        *,
        safe: bool,
        force: bool = False,
    ) -> None:
        """Register a name.

        Raises:
            NamingError: it is taken, or the name server refuses it.
        """
        if not self.leases:
            client.register(one.name, one.uri, safe=safe, metadata=one.metadata)
            return
        client.register(
            one.name,
            one.uri,
            safe=safe,
            metadata=one.metadata,
            ttl=one.ttl or None,
            owner=self._owner_of(one),
            force=force,
        )

    def _is_left_over(self, client: NameServerClient, one: Announcement) -> bool:
        """Whether a name is what a program of the owner has left that was killed."""
        found = _found(client, one.name)
        if found is None or found == one.uri:
            # Nobody else is where we listen.
            return found is not None
        owner = self._owner_of(one)
        if not (self.leases and owner):
            return False
        try:
            if client.describe(one.name).owner != owner:
                return False
            connect_socket(found, self._settings, _PROBE_SECONDS).close()
        except (ConnectionRefusedError, FileNotFoundError):
            return True
        except (OSError, NamingError):
            # It may be there, and not reachable from here.
            pass
        return False

    def _renew(
        self, client: NameServerClient, announcements: Iterable[Announcement]
    ) -> list[Announcement]:
        """Renew names, in one call for each owner, and return those that were lost."""
        by_owner: dict[str | None, dict[str, Announcement]] = {}
        for one in announcements:
            by_owner.setdefault(self._owner_of(one), {})[one.name] = one
        lost: list[Announcement] = []
        for owner, names in by_owner.items():
            answer = set(client.renew(list(names), owner=owner))
            for name, one in names.items():
                if name in answer:
                    lost.append(one)
                else:
                    self._is_ours(name)
        return lost

    def _to_look_at(self, announcements: Sequence[Announcement]) -> list[Announcement]:
        """Return those that are left alone, and some of the others in their turn."""
        first = self._looked_at if self._looked_at < len(announcements) else 0
        self._looked_at = first + _LOOKS
        return [
            one
            for number, one in enumerate(announcements)
            if first <= number < self._looked_at or one.name in self._foreign
        ]

    def _leads_to_us(self, client: NameServerClient, one: Announcement) -> bool | None:
        """Look a name up and take note; None if it is not registered."""
        found = _found(client, one.name)
        if found is None:
            return None
        if found == one.uri:
            self._foreign.discard(one.name)
            return True
        self._leave_alone(one.name, f"is now that of {found}")
        return False

    def _restore(self, client: NameServerClient, one: Announcement) -> None:
        """Register a name again, unless it has become another's."""
        try:
            self._put(client, one, safe=True)
        except (NamingError, SecurityError) as error:
            if self._leads_to_us(client, one):
                self._reclaim(client, one)
            elif one.name not in self._foreign:
                self._leave_alone(one.name, f"is not registered again: {error}")
            return
        self._is_ours(one.name)
        _logger.warning("name %s was gone, and is registered again", one.name)

    def _reclaim(self, client: NameServerClient, one: Announcement) -> None:
        """Register a name that leads here, but is not registered as ours."""
        try:
            self._put(client, one, safe=False)
        except (NamingError, SecurityError) as error:
            self._leave_alone(one.name, f"is not ours any more: {error}")

    def _leave_alone(self, name: str, reason: str) -> None:
        self._foreign.add(name)
        if self._said.get(name) != reason:
            self._said[name] = reason
            _logger.warning("name %s %s, and left alone", name, reason)

    def _is_ours(self, name: str) -> None:
        self._foreign.discard(name)
        self._said.pop(name, None)


def _accepted_claim(client: NameServerClient) -> str | None:
    """Return in whose name to register if nobody is named; None for the client's own.

    A name server that knows who its client is lets it claim nothing else. That is no
    mistake of a program that has not named an owner.
    """
    claim = user_and_machine()
    try:
        client.renew([], owner=claim)
    except SecurityError:
        return None
    return claim


def _found(client: NameServerClient, name: str) -> URI | None:
    try:
        return client.lookup(name)
    except NamingError:
        return None


def _advised(error: NamingError, advice: str) -> NamingError:
    return NamingError(f"{error}; {advice}") if advice else error
