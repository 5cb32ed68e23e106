"""What a name server needs of the place where its registrations are kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Registration", "Storage"]


class Registration(NamedTuple):
    """What is known about a name.

    Attributes:
        uri: the text of the URI.
        metadata: the tags.
    """

    uri: str
    metadata: frozenset[str] = frozenset()


class Storage(ABC):
    """A place where registrations are kept.

    To write another one, derive from this class and pass an object of it to
    `start_ns`. Every operation happens as a whole or not at all, and may be called
    from any thread. Names and tags are compared exactly, letter case included.
    What goes wrong inside is raised as `pyro_protocol.errors.NamingError`.
    """

    @abstractmethod
    def get(self, name: str) -> Registration | None:
        """Return the registration of a name, or None."""

    @abstractmethod
    def put(
        self, name: str, registration: Registration, *, replace: bool = True
    ) -> bool:
        """Register a name.

        Args:
            name: the name.
            registration: its URI and metadata.
            replace: whether a name that is there already gets new ones.

        Returns:
            Whether it was registered: False only for a name that is there already.
        """

    @abstractmethod
    def set_metadata(self, name: str, metadata: frozenset[str]) -> bool:
        """Replace the metadata of a name; return False if there is no such name."""

    @abstractmethod
    def remove(self, names: Iterable[str]) -> int:
        """Remove names, and return how many of them were there."""

    @abstractmethod
    def find(self, prefix: str = "") -> dict[str, Registration]:
        """Return the registrations whose names begin with a text."""

    @abstractmethod
    def find_by_metadata(
        self, tags: frozenset[str], *, every: bool
    ) -> dict[str, Registration]:
        """Return the registrations that have every one of some tags, or any.

        Args:
            tags: the tags, at least one.
            every: whether all of them are needed.
        """

    @abstractmethod
    def __len__(self) -> int:
        """Return how many names are registered."""

    @abstractmethod
    def close(self) -> None:
        """Release what the storage holds open; it is not used after that."""
