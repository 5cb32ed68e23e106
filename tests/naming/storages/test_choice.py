from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pyro_naming import DbmStorage, MemoryStorage, SqlStorage, storage_from_text

if TYPE_CHECKING:
    from pathlib import Path


def test_memory_means_the_memory_storage() -> None:
    assert isinstance(storage_from_text("memory"), MemoryStorage)


def test_sql_means_a_file(tmp_path: Path) -> None:
    path = tmp_path / "names: all.sqlite"
    with closing(storage_from_text(f"sql:{path}")) as storage:
        assert isinstance(storage, SqlStorage)
    assert path.exists()


def test_dbm_means_a_file(tmp_path: Path) -> None:
    with closing(storage_from_text(f"dbm:{tmp_path}/names")) as storage:
        assert isinstance(storage, DbmStorage)
    assert list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "unknown storage"),
        ("sql", "names no file"),
        ("sql:", "names no file"),
        ("sql::memory:", "path of a file"),
        ("dbm:", "write dbm:FILE"),
        ("redis:names", "choose memory, sql:FILE, dbm:FILE, redis://"),
        ("etcd", "unknown storage"),
        ("http://h", "unknown storage"),
        ("memory:x", "unknown storage"),
        ("Memory", "unknown storage"),
    ],
)
def test_anything_else_is_refused_with_a_hint(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        storage_from_text(text)
