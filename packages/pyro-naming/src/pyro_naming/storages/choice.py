"""Storages by the text that a user chooses them with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .memory import MemoryStorage
from .sql import SqlStorage

if TYPE_CHECKING:
    from .interface import Storage

__all__ = ["storage_from_text"]


def storage_from_text(text: str) -> Storage:
    """Return a new storage: ``memory``, or ``sql:`` and the path of an SQLite file.

    Raises:
        ValueError: the text means neither, or the path is missing.
        NamingError: the file cannot be opened, or is not an SQLite database.
    """
    kind, _, detail = text.partition(":")
    if text == "memory":
        return MemoryStorage()
    if kind == "sql":
        if not detail:
            raise ValueError(f"storage {text!r} names no file; write sql:FILE")
        return SqlStorage(detail)
    raise ValueError(f"unknown storage {text!r}; choose memory or sql:FILE")
