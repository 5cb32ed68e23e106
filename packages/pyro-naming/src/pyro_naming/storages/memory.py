"""Registrations in memory, forgotten when the name server ends."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from .interface import Registration, Storage

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MemoryStorage"]


class MemoryStorage(Storage):
    """Keeps registrations in a dictionary."""

    def __init__(self) -> None:
        self._registrations: dict[str, Registration] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Registration | None:
        """Return the registration of a name, or None."""
        return self._registrations.get(name)

    def put(
        self, name: str, registration: Registration, *, replace: bool = True
    ) -> bool:
        """Register a name; False if it is there already and may not be replaced."""
        with self._lock:
            if not replace and name in self._registrations:
                return False
            self._registrations[name] = registration
            return True

    def set_metadata(self, name: str, metadata: frozenset[str]) -> bool:
        """Replace the metadata of a name; return False if there is no such name."""
        with self._lock:
            known = self._registrations.get(name)
            if known is None:
                return False
            self._registrations[name] = known._replace(metadata=metadata)
            return True

    def remove(self, names: Iterable[str]) -> int:
        """Remove names, and return how many of them were there."""
        with self._lock:
            pop = self._registrations.pop
            return sum(pop(name, None) is not None for name in names)

    def find(self, prefix: str = "") -> dict[str, Registration]:
        """Return the registrations whose names begin with a text."""
        with self._lock:
            if not prefix:
                return dict(self._registrations)
            return {
                name: one
                for name, one in self._registrations.items()
                if name.startswith(prefix)
            }

    def find_by_metadata(
        self, tags: frozenset[str], *, every: bool
    ) -> dict[str, Registration]:
        """Return the registrations that have every one of some tags, or any."""
        with self._lock:
            return {
                name: one
                for name, one in self._registrations.items()
                if (
                    tags <= one.metadata if every else not tags.isdisjoint(one.metadata)
                )
            }

    def __len__(self) -> int:
        return len(self._registrations)

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._registrations.clear()
