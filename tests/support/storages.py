"""The storages that have to pass the tests of the storages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pyro_naming import DbmStorage, MemoryStorage, SqlStorage

from .engines import url_in_shared_engine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyro_naming import Storage

__all__ = ["STORAGES", "StorageKind"]


@dataclass(frozen=True)
class StorageKind:
    """How to open a storage of one kind.

    Attributes:
        open: opens the storage that belongs to a folder, which is empty at first.
            The second argument is how many changes it keeps at least.
        lasting: whether what was registered is there when it is opened again.
        shared: whether several can be open at once, also in several processes.
        forgets: whether it forgets old changes by itself.
    """

    open: Callable[[Path, int], Storage]
    lasting: bool = True
    shared: bool = True
    forgets: bool = True


def _in_redis(folder: Path, history: int) -> Storage:
    from pyro_naming.storages.redis import RedisStorage

    url = url_in_shared_engine("redis", _prefix_of(folder))
    return RedisStorage(url, history=history)


def _in_etcd(folder: Path, _history: int) -> Storage:
    from pyro_naming.storages.etcd import EtcdStorage

    return EtcdStorage(url_in_shared_engine("etcd", _prefix_of(folder)))


def _prefix_of(folder: Path) -> str:
    """Return what no other test of the same process has."""
    return folder.as_posix().strip("/").replace("/", ".")


STORAGES: Final = {
    "memory": StorageKind(
        lambda _folder, history: MemoryStorage(history=history),
        lasting=False,
        shared=False,
    ),
    "sql": StorageKind(
        lambda folder, history: SqlStorage(folder / "names.sqlite", history=history)
    ),
    "dbm": StorageKind(
        lambda folder, history: DbmStorage(folder / "names", history=history),
        shared=False,
    ),
    "redis": StorageKind(_in_redis),
    "etcd": StorageKind(_in_etcd, forgets=False),
}
"""All kinds by name; a new one is added here."""
