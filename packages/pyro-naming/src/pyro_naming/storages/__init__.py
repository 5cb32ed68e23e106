"""Where a name server keeps its registrations."""

from __future__ import annotations

from .choice import storage_from_text
from .dbm import DbmStorage
from .interface import FREE, Change, HistoryLostError, Registration, Storage
from .memory import MemoryStorage
from .sql import SqlStorage

__all__ = [
    "FREE",
    "Change",
    "DbmStorage",
    "HistoryLostError",
    "MemoryStorage",
    "Registration",
    "SqlStorage",
    "Storage",
    "storage_from_text",
]
