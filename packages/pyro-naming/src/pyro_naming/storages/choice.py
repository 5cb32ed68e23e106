"""Storages by the text that a user chooses them with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .dbm import DbmStorage
from .memory import MemoryStorage
from .sql import SqlStorage

if TYPE_CHECKING:
    from .interface import Storage

__all__ = ["storage_from_text"]

_CHOICE: Final = (
    "choose memory, sql:FILE, dbm:FILE, redis://HOST:PORT/DB or etcd://HOST:PORT"
)


def storage_from_text(text: str) -> Storage:
    """Return a new storage.

    Args:
        text: ``memory``; ``sql:`` or ``dbm:`` and the path of a file; or the URL of
            an engine, for which `RedisStorage` (``redis``, ``rediss``,
            ``redis+unix``) or `EtcdStorage` (``etcd``, ``etcds``) says more.

    Raises:
        ValueError: the text means none of them, or the path is missing.
        NamingError: the file cannot be opened, the engine cannot be reached, or the
            library for it is not installed.
    """
    if text == "memory":
        return MemoryStorage()
    kind, _, detail = text.partition(":")
    if kind in ("sql", "dbm"):
        if not detail:
            raise ValueError(f"storage {text!r} names no file; write {kind}:FILE")
        return SqlStorage(detail) if kind == "sql" else DbmStorage(detail)
    if detail.startswith("//"):
        if kind in ("redis", "rediss", "redis+unix"):
            from .redis import RedisStorage  # noqa: PLC0415 - an extra

            return RedisStorage(text)
        if kind in ("etcd", "etcds"):
            from .etcd import EtcdStorage  # noqa: PLC0415 - an extra

            return EtcdStorage(text)
    raise ValueError(f"unknown storage {text!r}; {_CHOICE}")
