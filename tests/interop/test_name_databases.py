"""Files with registrations that several versions of Pyro use in turn."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pyro_naming import DbmStorage, Registration, SqlStorage, locate_ns
from pyro_naming.storages import HistoryLostError
from support.peers import pyro5_python
from support.programs import Program, name_server_of_pyro5

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyro_naming import NameServerClient, Storage

OWNED = Registration("PYRO:owned@h:1", frozenset({"x"}), "alice", 60.0, 10.0, 20.0)
TAGGED = Registration("PYRO:tagged@h:1", frozenset({"y", "z"}))


def name_server_of_pyro4(path: Path) -> tuple[Program, str, int]:
    program = Program(
        *("-m", "Pyro4.naming", "-n", "127.0.0.1", "-p", "0", "-x"),
        *("-s", f"dbm:{path}"),
        python=pyro5_python(),
    )
    try:
        ready = program.wait_for(r"^URI = PYRO:Pyro.NameServer@(\S+):(\d+)$")
    except BaseException:
        with program:
            raise
    return program, ready[1], int(ready[2])


def says(storage: Storage, name: str, expected: Registration) -> bool:
    found = storage.get(name)
    return found is not None and found.says_the_same(expected)


def test_pyro5_uses_our_file_and_we_use_it_again(tmp_path: Path) -> None:
    path = tmp_path / "names.sqlite"
    with closing(SqlStorage(path)) as storage:
        for name in ("kept", "replaced", "retagged", "removed", "cleared", "größe"):
            storage.put(name, OWNED)
        position = storage.position()
    program, host, port = name_server_of_pyro5(pyro5_python(), "-s", f"sql:{path}")
    with program, locate_ns(host, port) as names:
        listed = names.list(return_metadata=True)
        assert listed.pop("Pyro.NameServer")
        assert set(listed) == {
            *("kept", "replaced", "retagged", "removed", "cleared", "größe")
        }
        assert listed["kept"] == (OWNED.uri, {"x"})
        assert set(names.yplookup(meta_all={"x"})) == set(listed)
        names.register("added", TAGGED.uri, metadata=TAGGED.metadata)
        names.register("replaced", TAGGED.uri, metadata=TAGGED.metadata)
        names.set_metadata("retagged", TAGGED.metadata)
        names.set_metadata("cleared", None)
        assert names.remove("removed") == 1
        assert names.count() == 7
    with closing(SqlStorage(path)) as storage:
        assert storage.get("removed") is None
        assert says(storage, "kept", OWNED)
        assert says(storage, "größe", OWNED)
        assert says(storage, "added", TAGGED)
        # Pyro5 puts a new one in the place of the old, which belongs to nobody.
        assert says(storage, "replaced", TAGGED)
        assert says(storage, "retagged", Registration(OWNED.uri, TAGGED.metadata))
        assert says(storage, "cleared", Registration(OWNED.uri))
        with pytest.raises(HistoryLostError, match="history lost"):
            storage.changes(position, wait=0)


def test_pyro5_and_we_use_a_file_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "names.sqlite"
    program, host, port = name_server_of_pyro5(pyro5_python(), "-s", f"sql:{path}")
    with program, locate_ns(host, port) as names, closing(SqlStorage(path)) as storage:
        position = storage.position()
        names.register("theirs", TAGGED.uri, metadata=TAGGED.metadata)
        assert says(storage, "theirs", TAGGED)
        storage.put("ours", OWNED)
        assert str(names.lookup("ours")) == OWNED.uri
        assert set(names.yplookup(meta_any={"x", "y"})) == {"ours", "theirs"}
        names.remove("ours")
        assert storage.get("ours") is None
        storage.remove({"theirs": None})
        assert set(names.list()) == {"Pyro.NameServer"}
        assert [change[:2] for change in storage.changes(position, wait=0)] == [
            ("added", "theirs"),
            ("added", "ours"),
            ("removed", "ours"),
            ("removed", "theirs"),
        ]


@pytest.fixture
def names_of_pyro5(tmp_path: Path) -> Iterator[NameServerClient]:
    program, host, port = name_server_of_pyro5(
        pyro5_python(), "-s", f"sql:{tmp_path}/names.sqlite"
    )
    with program, locate_ns(host, port) as names:
        yield names


def test_a_file_that_pyro5_made_is_read(
    names_of_pyro5: NameServerClient, tmp_path: Path
) -> None:
    names_of_pyro5.register("name", TAGGED.uri, metadata=TAGGED.metadata)
    with closing(SqlStorage(tmp_path / "names.sqlite")) as storage:
        assert says(storage, "name", TAGGED)
        assert list(storage.find_by_metadata(TAGGED.metadata, every=True)) == ["name"]


def test_pyro4_and_we_use_a_dbm_file_in_turn(tmp_path: Path) -> None:
    path = tmp_path / "names"
    with Program("-c", "import Pyro4.naming", python=pyro5_python()) as trial:
        if trial.wait() != 0:
            pytest.skip(f"Pyro4 does not run there: {trial.lines[-1]}")

    def at_pyro4(statement: str) -> str:
        program, host, port = name_server_of_pyro4(path)
        with program:
            script = f"import Pyro4; ns = Pyro4.locateNS({host!r}, {port})\n{statement}"
            with Program("-c", script, python=pyro5_python()) as client:
                assert client.wait() == 0, client.lines
                return client.lines[-1] if client.lines else ""

    at_pyro4(f"ns.register('größe', {TAGGED.uri!r}); ns.register('gone', 'PYRO:g@h:1')")
    with closing(DbmStorage(path)) as storage:
        assert says(storage, "größe", Registration(TAGGED.uri))
        assert storage.get("Pyro.NameServer") is not None
        assert storage.remove({"gone": None}) == ["gone"]
        for name in ("kept", "replaced", "removed"):
            storage.put(name, OWNED)
    listed = at_pyro4("print(sorted(set(ns.list()) - {'Pyro.NameServer'}))")
    assert listed == str(sorted(["größe", "kept", "removed", "replaced"]))
    at_pyro4(f"ns.register('replaced', {TAGGED.uri!r}); ns.remove('removed')")
    with closing(DbmStorage(path)) as storage:
        assert says(storage, "kept", OWNED)
        assert says(storage, "replaced", Registration(TAGGED.uri))
        assert storage.get("removed") is None
