from __future__ import annotations

import dbm
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pyro_naming import DbmStorage, Registration
from pyro_protocol.errors import NamingError

if TYPE_CHECKING:
    from pathlib import Path

OWNED = Registration("PYRO:owned@h:1", frozenset({"x"}), "alice", 60.0, 10.0, 20.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "names"


def test_a_file_of_pyro4_is_read(path: Path) -> None:
    with dbm.open(str(path), "c") as file:
        file[b"name"] = b"PYRO:a@h:1"
        file["größe".encode()] = b"PYRO:b@h:1"
    with closing(DbmStorage(path)) as storage:
        uris = {name: one.uri for name, one in storage.find().items()}
        assert uris == {"größe": "PYRO:b@h:1", "name": "PYRO:a@h:1"}


def test_pyro4_finds_names_and_uris_and_nothing_else(path: Path) -> None:
    with closing(DbmStorage(path)) as storage:
        storage.put("größe", OWNED)
    with dbm.open(str(path), "r") as file:
        assert {key: file[key] for key in file.keys()} == {  # noqa: SIM118
            "größe".encode(): b"PYRO:owned@h:1"
        }


def test_what_pyro4_has_replaced_belongs_to_nobody(path: Path) -> None:
    with closing(DbmStorage(path)) as storage:
        storage.put("replaced", OWNED)
        storage.put("removed", OWNED)
        storage.put("stays", OWNED)
    with dbm.open(str(path), "w") as file:
        file[b"replaced"] = b"PYRO:new@h:1"
        del file[b"removed"]
    with closing(DbmStorage(path)) as storage:
        found = storage.find()
        assert found["replaced"].says_the_same(Registration("PYRO:new@h:1"))
        assert found["stays"].says_the_same(OWNED)
        assert set(found) == {"replaced", "stays"}
        assert list(storage.find_by_metadata(frozenset("x"), every=True)) == ["stays"]


def test_what_was_written_is_in_the_file_before_it_is_closed(path: Path) -> None:
    with closing(DbmStorage(path)) as storage:
        storage.put("name", OWNED)
        storage.put("name", OWNED._replace(uri="PYRO:longer.than.before@h:1"))
        storage.put("gone", OWNED)
        storage.remove({"gone": None})
        with dbm.open(str(path), "r") as file:
            assert list(file.keys()) == [b"name"]
            assert file[b"name"] == b"PYRO:longer.than.before@h:1"


def test_a_file_of_another_kind_is_refused(path: Path) -> None:
    path.write_text("Dear diary, nothing happened today. " * 100)
    with pytest.raises(NamingError, match="names cannot be opened"):
        DbmStorage(path)
    assert path.read_text().startswith("Dear diary")


def test_a_folder_that_is_not_there_is_an_error_that_names_the_file(path: Path) -> None:
    with pytest.raises(NamingError, match=r"missing.names cannot be opened"):
        DbmStorage(path.parent / "missing" / "names")


def test_names_that_are_no_text_are_an_error(path: Path) -> None:
    with dbm.open(str(path), "c") as file:
        file[b"\xff"] = b"PYRO:a@h:1"
    with pytest.raises(NamingError, match="cannot be read"):
        DbmStorage(path)


def test_a_storage_without_file_is_refused() -> None:
    with pytest.raises(ValueError, match="path of a file"):
        DbmStorage("")


def test_a_closed_storage_says_so(path: Path) -> None:
    storage = DbmStorage(path)
    storage.close()
    with pytest.raises(NamingError, match="closed"):
        storage.put("name", OWNED)
