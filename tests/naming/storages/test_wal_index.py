from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from pyro_naming import Registration, SqlStorage
from pyro_naming.storages.wal_index import WalIndex
from support.programs import Program

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = Registration("PYRO:plain@h:1")


def open_database(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE IF NOT EXISTS numbers (number)")
    return database


def test_the_header_differs_after_every_commit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with (
        closing(open_database(path)) as database,
        closing(open_database(path)) as other,
    ):
        index = WalIndex.of(str(path))
        assert index is not None
        headers = [index.header()]
        for number in range(20):
            writer = database if number % 2 else other
            writer.execute("INSERT INTO numbers VALUES (1)")
            headers.append(index.header())
            if number % 5 == 0:
                # The log begins anew after that.
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert len(set(headers)) == len(headers)
        before = index.header()
        assert database.execute("SELECT count(*) FROM numbers").fetchone() == (20,)
        assert index.header() == before
    index.close()


def test_all_users_of_a_file_share_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with closing(open_database(path)):
        first, second = WalIndex.of(str(path)), WalIndex.of(str(path))
        assert first is not None
        assert second is first
        first.close()
        assert len(first.header()) == 48
    first.close()
    assert WalIndex.of(str(path)) is None


def test_a_file_without_log_has_none(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE numbers (number)")
        assert WalIndex.of(str(path)) is None


def test_closing_one_storage_takes_no_lock_from_another(tmp_path: Path) -> None:
    path = tmp_path / "names.sqlite"
    script = (
        "import sys, pyro_naming as n\n"
        "storage = n.SqlStorage(sys.argv[1])\n"
        "storage.put('theirs', n.Registration('PYRO:t@h:1'))\n"
        "storage.close()\n"
    )
    with closing(SqlStorage(path)) as storage:
        SqlStorage(path).close()
        storage.put("before", PLAIN)
        # It would begin a new index if it believed itself alone.
        with Program("-c", script, path) as program:
            assert program.wait() == 0, program.lines
        assert list(storage.find()) == ["before", "theirs"]
        storage.put("after", PLAIN)
    with closing(SqlStorage(path)) as storage:
        assert list(storage.find()) == ["after", "before", "theirs"]
