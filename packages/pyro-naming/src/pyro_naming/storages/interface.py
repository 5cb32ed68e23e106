"""What a name server needs of the place where its registrations are kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final, Literal, NamedTuple

from pyro_protocol.errors import NamingError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["FREE", "Change", "HistoryLostError", "Registration", "Storage"]

FREE: Final = 0
"""The version of a name that is not registered."""


class Registration(NamedTuple):
    """What is known about a name.

    Attributes:
        uri: the text of the URI.
        metadata: the tags.
        owner: in whose name it was registered; empty if in nobody's.
        ttl: how many seconds it lasts after it was renewed; 0 means for good.
        registered: when the name was registered first, in seconds since the epoch.
        renewed: when it was registered or renewed last, likewise.
        version: distinguishes this from what the name had before and has later. The
            storage sets it, and never to `FREE`.
    """

    uri: str
    metadata: frozenset[str] = frozenset()
    owner: str = ""
    ttl: float = 0.0
    registered: float = 0.0
    renewed: float = 0.0
    version: int = FREE

    def has_expired(self, now: float) -> bool:
        """Tell whether its owner has not renewed it in time.

        Args:
            now: seconds since the epoch.
        """
        return 0.0 < self.ttl <= now - self.renewed

    def says_the_same(self, other: Registration) -> bool:
        """Tell whether two differ in their times and versions at most."""
        return self[:4] == other[:4]


class Change(NamedTuple):
    """Something that has happened to a name.

    Attributes:
        kind: whether the name was added, got other contents, or was removed. To be
            renewed is no change.
        name: the name.
        registration: what it has now; None if it was removed.
        position: where in the history of the storage this is; see
            `Storage.changes`.
    """

    kind: Literal["added", "changed", "removed"]
    name: str
    registration: Registration | None
    position: str


class HistoryLostError(NamingError):
    """The changes since a position are not all kept any more, or never were."""


class Storage(ABC):
    """A place where registrations are kept.

    To write another one, derive from this class, have the tests of the storages run
    for it, and pass an object of it to `start_ns`. Every operation happens as a whole
    or not at all, and may be called from any thread. Names and tags are compared
    exactly, letter case included; names are ordered by the code points of their
    characters. A storage looks at no clock: it keeps registrations that have expired
    until they are removed. What goes wrong inside is raised as
    `pyro_protocol.errors.NamingError`.
    """

    networked: ClassVar[bool] = False
    """Whether operations may have to wait for another machine. A name server then has
    them done by threads."""

    @abstractmethod
    def get(self, name: str) -> Registration | None:
        """Return the registration of a name, or None."""

    @abstractmethod
    def put(
        self, name: str, registration: Registration, *, expected: int | None = None
    ) -> bool:
        """Register a name, or replace what is registered under it.

        Args:
            name: the name.
            registration: what to keep; its version is not looked at.
            expected: the version that the name must have now, `FREE` if it must not
                be registered; None if that does not matter.

        Returns:
            Whether it was done: False only if the name has another version.
        """

    @abstractmethod
    def renew(self, names: Collection[str], owner: str, now: float) -> set[str]:
        """Note that an owner still lives, and return which names that holds for.

        These are the names that are registered in the name of the owner and have
        not expired. It is no change of them: their versions may stay.

        Args:
            names: the names.
            owner: in whose name they must be registered.
            now: seconds since the epoch.
        """

    def restart_leases(self, now: float) -> None:
        """Begin the time of all leases anew, also of those that have expired.

        A name server does that at its start, if it had the storage for itself:
        nobody could renew them while it was away. It is no change of the names.

        Args:
            now: seconds since the epoch.
        """
        for name, registration in self.find().items():
            if registration.ttl:
                renewed = registration._replace(renewed=now)
                self.put(name, renewed, expected=registration.version)

    @abstractmethod
    def remove(self, names: Mapping[str, int | None]) -> list[str]:
        """Remove names, and return those that were removed.

        Args:
            names: the names, each with the version that it must have, or None if
                that does not matter.
        """

    @abstractmethod
    def find(
        self, prefix: str = "", *, after: str | None = None, limit: int | None = None
    ) -> dict[str, Registration]:
        """Return the registrations whose names begin with a text, ordered by name.

        Args:
            prefix: the text.
            after: only names beyond this one are wanted; None for all.
            limit: how many are wanted at most; None for all.
        """

    @abstractmethod
    def find_by_metadata(
        self,
        tags: frozenset[str],
        *,
        every: bool,
        after: str | None = None,
        limit: int | None = None,
    ) -> dict[str, Registration]:
        """Return the registrations that have every one of some tags, or any.

        Args:
            tags: the tags, at least one.
            every: whether all of them are needed.
            after: as for `find`, which orders them alike.
            limit: as for `find`.
        """

    @abstractmethod
    def expired(self, now: float, limit: int) -> dict[str, int]:
        """Return names that have expired, with their versions.

        It takes no longer when many others have a ttl.

        Args:
            now: seconds since the epoch.
            limit: how many are wanted at most.
        """

    @abstractmethod
    def count_of(self, owner: str) -> int:
        """Return how many names are registered in the name of an owner."""

    @abstractmethod
    def position(self) -> str:
        """Return where in its history the storage is now.

        The text means something to storages of the same data only, whichever
        process they are in.
        """

    @abstractmethod
    def changes(self, after: str, *, wait: float, limit: int = 1000) -> list[Change]:
        """Return what has happened since a position, the oldest first.

        Args:
            after: the position of the last change that is known, or what
                `position` returned.
            wait: how many seconds to wait for the first one, if there is none;
                another thread ends that by `close`.
            limit: how many are wanted at most; the others are there at the next call.

        Raises:
            HistoryLostError: it is not kept that long, or the position is another
                storage's.
        """

    @abstractmethod
    def __len__(self) -> int:
        """Return how many names are registered."""

    @abstractmethod
    def close(self) -> None:
        """Release what the storage holds open; it is not used after that."""
