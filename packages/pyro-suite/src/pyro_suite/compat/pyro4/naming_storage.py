"""``Pyro4.naming_storage``: where a name server keeps its registrations."""

from __future__ import annotations

from pyro_naming import DbmStorage, MemoryStorage, SqlStorage

__all__ = ["DbmStorage", "MemoryStorage", "SqlStorage"]
