"""Where a name server keeps its registrations."""

from __future__ import annotations

from .choice import storage_from_text
from .interface import Registration, Storage
from .memory import MemoryStorage
from .sql import SqlStorage

__all__ = [
    "MemoryStorage",
    "Registration",
    "SqlStorage",
    "Storage",
    "storage_from_text",
]
