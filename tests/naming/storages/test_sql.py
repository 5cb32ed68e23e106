from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pyro_naming import Registration, SqlStorage
from pyro_naming.storages import HistoryLostError
from pyro_protocol.errors import NamingError
from support.programs import Program

if TYPE_CHECKING:
    from pathlib import Path

    from pyro_naming.storages import Change

OWNED = Registration("PYRO:owned@h:1", frozenset({"x"}), "alice", 60.0, 10.0, 20.0)
TAGGED = Registration("PYRO:tagged@h:1", frozenset({"x", "y"}))

# The tables as Pyro5 makes them.
PYRO5_TABLES = """
CREATE TABLE pyro_names (
    id integer PRIMARY KEY, name nvarchar NOT NULL UNIQUE, uri nvarchar NOT NULL);
CREATE TABLE pyro_metadata (
    object integer NOT NULL, metadata nvarchar NOT NULL,
    FOREIGN KEY(object) REFERENCES pyro_names(id));
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "names.sqlite"


def write(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(script)


def read(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


def contents(storage: SqlStorage) -> dict[str, Registration]:
    return {name: one._replace(version=0) for name, one in storage.find().items()}


def summary(changes: list[Change]) -> list[tuple[str, str]]:
    return [(change.kind, change.name) for change in changes]


def test_a_file_of_pyro5_is_taken_over(path: Path) -> None:
    write(
        path,
        PYRO5_TABLES
        + """
        INSERT INTO pyro_names VALUES (7, 'plain', 'PYRO:plain@h:1');
        INSERT INTO pyro_names VALUES (9, 'name', 'PYRO:tagged@h:1');
        INSERT INTO pyro_metadata VALUES (9, 'x');
        INSERT INTO pyro_metadata VALUES (9, 'y');
        INSERT INTO pyro_metadata VALUES (9, 'x');
        """,
    )
    with closing(SqlStorage(path)) as storage:
        assert contents(storage) == {
            "plain": Registration("PYRO:plain@h:1"),
            "name": TAGGED,
        }
        both = frozenset({"x", "y"})
        assert list(storage.find_by_metadata(both, every=True)) == ["name"]
        assert storage.remove({"name": None}) == ["name"]
    assert read(path, "SELECT * FROM pyro_metadata") == []


def test_pyro5_finds_its_own_tables_in_our_file(path: Path) -> None:
    with closing(SqlStorage(path)) as storage:
        storage.put("name", TAGGED)
    joined = (
        "SELECT n.name, n.uri, m.metadata FROM pyro_names n, pyro_metadata m"
        " WHERE m.object = n.id ORDER BY m.metadata"
    )
    assert read(path, joined) == [
        ("name", "PYRO:tagged@h:1", "x"),
        ("name", "PYRO:tagged@h:1", "y"),
    ]


@pytest.mark.parametrize("columns", ["", "id integer PRIMARY KEY, "])
def test_an_old_file_without_metadata_is_migrated(path: Path, columns: str) -> None:
    write(
        path,
        f"""
        CREATE TABLE pyro_names (
            {columns}name nvarchar NOT NULL UNIQUE, uri nvarchar NOT NULL);
        INSERT INTO pyro_names(name, uri) VALUES ('name', 'PYRO:old@h:1');
        """,
    )
    with closing(SqlStorage(path)) as storage:
        assert contents(storage) == {"name": Registration("PYRO:old@h:1")}
        storage.put("name", Registration("PYRO:old@h:1", frozenset({"x"})))
        assert list(storage.find_by_metadata(frozenset({"x"}), every=True)) == ["name"]


def test_other_tables_in_the_file_stay(path: Path) -> None:
    write(path, "CREATE TABLE mine (text); INSERT INTO mine VALUES ('here');")
    with closing(SqlStorage(path)) as storage:
        storage.put("name", TAGGED)
    assert read(path, "SELECT * FROM mine") == [("here",)]


def test_what_pyro5_writes_meanwhile_is_taken_over(path: Path) -> None:
    with closing(SqlStorage(path)) as one, closing(SqlStorage(path)) as other:
        for name in ("replaced", "removed", "retagged", "untouched"):
            one.put(name, OWNED)
        position = other.position()
        versions = {name: found.version for name, found in other.find().items()}
        write(
            path,
            """
            PRAGMA foreign_keys = ON;
            DELETE FROM pyro_metadata WHERE object IN (
                SELECT id FROM pyro_names WHERE name IN ('replaced', 'removed'));
            DELETE FROM pyro_names WHERE name IN ('replaced', 'removed');
            INSERT INTO pyro_names(name, uri) VALUES ('replaced', 'PYRO:new@h:1');
            INSERT INTO pyro_names(name, uri) VALUES ('added', 'PYRO:add@h:1');
            INSERT INTO pyro_metadata(object, metadata)
                SELECT id, 't' FROM pyro_names WHERE name IN ('added', 'retagged');
            """,
        )
        for storage in (one, other):
            found = contents(storage)
            assert found == {
                "added": Registration("PYRO:add@h:1", frozenset({"t"})),
                "replaced": Registration("PYRO:new@h:1"),
                "retagged": OWNED._replace(metadata=frozenset({"x", "t"})),
                "untouched": OWNED,
            }
            changes = storage.changes(position, wait=0)
            assert sorted(summary(changes)) == [
                ("added", "added"),
                ("changed", "replaced"),
                ("changed", "retagged"),
                ("removed", "removed"),
            ]
        assert one.find() == other.find()
        assert other.find()["untouched"].version == versions["untouched"]
        assert not one.put("replaced", OWNED, expected=versions["replaced"])
        version = one.find()["added"].version
        assert version > 0
        assert one.put("added", OWNED, expected=version)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM pyro_metadata",
        "DELETE FROM pyro_metadata; DELETE FROM pyro_names",
        "INSERT INTO pyro_names(name, uri) VALUES ('added', 'PYRO:add@h:1')",
        "INSERT INTO pyro_metadata(object, metadata) SELECT id, 't' FROM pyro_names",
    ],
)
def test_what_pyro5_did_while_we_were_away_ends_the_history(
    path: Path, statement: str
) -> None:
    with closing(SqlStorage(path)) as storage:
        storage.put("name", TAGGED)
        position = storage.position()
    write(path, statement)
    with closing(SqlStorage(path)) as storage:
        with pytest.raises(HistoryLostError, match="history lost"):
            storage.changes(position, wait=0)
        position = storage.position()
        storage.put("next", TAGGED)
    with closing(SqlStorage(path)) as storage:
        assert summary(storage.changes(position, wait=0)) == [("added", "next")]


def test_a_failing_change_changes_nothing(path: Path) -> None:
    with closing(SqlStorage(path)) as storage:
        storage.put("name", TAGGED)
        # A lone surrogate is text in Python, and none in a file.
        with pytest.raises(NamingError, match="cannot be written"):
            storage.put("name", Registration("PYRO:new@h:1", frozenset({"\ud800"})))
        assert contents(storage) == {"name": TAGGED}
        assert storage.remove({"name": None}) == ["name"]


def test_what_did_not_come_into_the_file_is_not_there(path: Path) -> None:
    with closing(SqlStorage(path)) as storage:
        for name in ("a", "b", "c"):
            storage.put(name, TAGGED)
        position = storage.position()
        write(
            path,
            "CREATE TRIGGER full BEFORE DELETE ON pyro_names WHEN OLD.name = 'b'"
            " BEGIN SELECT RAISE(ABORT, 'the disk is full'); END",
        )
        with pytest.raises(NamingError, match="written: the disk is full"):
            storage.remove({"a": None, "b": None, "c": None})
        assert list(storage.find()) == ["a", "b", "c"]
        assert storage.changes(position, wait=0) == []
        assert storage.remove({"a": None}) == ["a"]
        assert list(storage.find()) == ["b", "c"]


def test_a_file_that_somebody_keeps_locked_is_an_error_for_writers_only(
    path: Path,
) -> None:
    with closing(SqlStorage(path)) as storage, closing(sqlite3.connect(path)) as other:
        storage.put("name", TAGGED)
        other.execute("BEGIN EXCLUSIVE")
        for _ in range(2):
            with pytest.raises(NamingError, match=r"names\.sqlite cannot be .*locked"):
                storage.put("next", TAGGED)
        assert contents(storage) == {"name": TAGGED}
        other.execute("ROLLBACK")
        assert storage.put("next", TAGGED)


def test_the_history_in_the_file_is_bounded(path: Path) -> None:
    with (
        closing(SqlStorage(path, history=100)) as storage,
        closing(SqlStorage(path, history=100)) as sleeper,
    ):
        position = sleeper.position()
        for number in range(2500):
            storage.put("name", OWNED if number % 2 else TAGGED)
        assert storage.find() == sleeper.find()
        with pytest.raises(HistoryLostError, match="history lost"):
            sleeper.changes(position, wait=0)
    ((kept,),) = read(path, "SELECT count(*) FROM pyro_changes")
    assert isinstance(kept, int)
    assert 100 <= kept <= 1200


def test_what_was_acknowledged_survives_a_killed_process(path: Path) -> None:
    script = (
        "import sys, pyro_naming as n\n"
        "storage = n.SqlStorage(sys.argv[1])\n"
        "one = n.Registration('PYRO:o@h:1', frozenset({'t'}))\n"
        "for number in range(1_000_000):\n"
        "    storage.put(f'n{number}', one)\n"
        "    print('acknowledged', number)\n"
    )
    with Program("-c", script, path) as program:
        program.wait_for(r"acknowledged 50$")
        assert program.end(signal.SIGKILL) != 0
        # The last line may have been cut short.
        acknowledged = int(program.lines[-2].split()[1])
    with closing(SqlStorage(path)) as storage:
        expected = {f"n{number}" for number in range(acknowledged + 1)}
        found = storage.find_by_metadata(frozenset({"t"}), every=True)
        assert expected <= set(found)


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_text("Dear diary, nothing happened today. " * 100)
    with pytest.raises(NamingError, match=r"names\.sqlite cannot be"):
        SqlStorage(path)
    assert path.read_text().startswith("Dear diary")


def test_a_folder_that_is_not_there_is_an_error_that_names_the_file(path: Path) -> None:
    with pytest.raises(NamingError, match=r"missing.names\.sqlite cannot be opened"):
        SqlStorage(path.parent / "missing" / "names.sqlite")


@pytest.mark.parametrize("text", ["", ":memory:"])
def test_a_storage_without_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="path of a file"):
        SqlStorage(text)


def test_a_closed_storage_says_so(path: Path) -> None:
    storage = SqlStorage(path)
    storage.close()
    with pytest.raises(NamingError, match="closed"):
        storage.get("name")
