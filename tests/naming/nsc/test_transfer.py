from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest

from pyro_naming import start_ns
from support.nsc import Nsc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyro_naming import NameServer


@pytest.fixture
def other() -> Iterator[NameServer]:
    """Another name server, which has no names yet."""
    with start_ns("127.0.0.1", 0).daemon as daemon:
        yield daemon.nameserver


@pytest.fixture
def to_other(other: NameServer, capsys: pytest.CaptureFixture[str]) -> Nsc:
    """The command that asks the other name server."""
    uri = other.lookup("Pyro.NameServer")
    return Nsc(int(uri.port or 0), capsys)  # type: ignore[union-attr] # a URI


def test_names_go_to_another_name_server_by_a_file(
    nsc: Nsc, names: NameServer, to_other: Nsc, other: NameServer, tmp_path: Path
) -> None:
    file = str(tmp_path / "names.json")
    assert nsc("export", file) == (0, f"Exported 2 names to {file}\n")
    assert to_other("import", file) == (0, "Imported 2 names\n")
    for name in ("demo.a", "demo.b"):
        there, here = other.describe(name), names.describe(name)
        for changing in ("age", "expires_in"):
            del there[changing], here[changing]
        assert there == here


def test_names_go_to_another_name_server_by_a_pipe(
    nsc: Nsc,
    names: NameServer,
    to_other: Nsc,
    other: NameServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Neither what is being done nor anything else gets into the document.
    status, document = nsc("-v", "export")
    assert status == 0
    assert json.loads(document)["format"] == "pyro-names"
    monkeypatch.setattr("sys.stdin", io.StringIO(document))
    assert to_other("import", "-") == (0, "Imported 2 names\n")
    assert str(other.lookup("demo.a")) == "PYRO:a@h:1"


def test_names_that_are_there_stay_unless_told_otherwise(
    nsc: Nsc, names: NameServer, tmp_path: Path
) -> None:
    file = str(tmp_path / "names.json")
    nsc("export", file)
    names.register("demo.a", "PYRO:new@h:1")
    assert nsc("import", file) == (
        1,
        (
            "Imported 0 names\n"
            "1 names were there already\n"
            "Not imported: demo.a: name already registered: demo.a\n"
        ),
    )
    assert str(names.lookup("demo.a")) == "PYRO:new@h:1"
    assert nsc.json("import", file, "--replace") == {
        "imported": ["demo.a", "demo.b"],
        "present": [],
        "failed": {},
    }
    assert str(names.lookup("demo.a")) == "PYRO:a@h:1"


def test_names_that_others_own_are_imported_by_force_only(
    nsc: Nsc, names: NameServer, tmp_path: Path
) -> None:
    file = str(tmp_path / "names.json")
    nsc("export", file)
    names.register("demo.b", "PYRO:b@h:1", owner="carol", force=True)
    status, output = nsc("import", file, "--replace")
    assert status == 1
    assert "Not imported: demo.b: name 'demo.b' is held by carol" in output
    assert nsc("import", file, "--force")[0] == 0
    assert names.describe("demo.b")["owner"] == "alice"


def test_owners_and_leases_can_be_left_behind(
    nsc: Nsc, names: NameServer, to_other: Nsc, other: NameServer, tmp_path: Path
) -> None:
    file = str(tmp_path / "names.json")
    nsc("export", file)
    assert to_other("import", file, "--plain")[0] == 0
    entry = other.describe("demo.b")
    assert (entry["owner"], entry["ttl"]) == ("", 0)


def test_a_file_that_cannot_be_used_is_one_line_and_changes_nothing(
    nsc: Nsc, names: NameServer, tmp_path: Path
) -> None:
    missing, wrong = tmp_path / "missing.json", tmp_path / "wrong.json"
    wrong.write_text('{"format": "pyro-names", "version": 1, "names": [3]}')
    before = names.list()
    for file, complaint in (
        (missing, "FileNotFoundError"),
        (wrong, f"{wrong}: names[0] must be an object"),
        (tmp_path, "IsADirectoryError"),
    ):
        status, output = nsc("import", str(file))
        assert status == 1
        assert complaint in output
        assert len(output.splitlines()) == 1
    status, output = nsc("export", str(tmp_path / "no" / "folder.json"))
    assert (status, len(output.splitlines())) == (1, 1)
    assert names.list() == before
