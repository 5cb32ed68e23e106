"""What programs are told when everything is served."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING

import pytest

from pyro_server.options import ServeOptions
from pyro_server.readiness import Readiness
from pyro_server.systemd import Notifier
from support.pyro_serve import PyroServe, python_script

if TYPE_CHECKING:
    from pathlib import Path

URIS = {"lamp": "PYRO:lamp@localhost:5"}

HOUSE = """
from pyro_server import expose

@expose
class House:
    def rooms(self):
        return 3
"""


def readiness(**options: object) -> Readiness:
    return Readiness(ServeOptions(objects={}, **options), Notifier({}))  # type: ignore[arg-type] # as the tests name them


def test_people_get_lines_and_nothing_before(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ready = readiness()
    ready.prepare()
    assert capsys.readouterr().out == ""
    ready.announce(URIS)
    assert (
        capsys.readouterr().out
        == "lamp -> PYRO:lamp@localhost:5\nPyro daemon running.\n"
    )
    ready.withdraw()


def test_a_file_is_there_while_it_serves(tmp_path: Path) -> None:
    file = tmp_path / "ready"
    file.write_text("of an earlier process")
    ready = readiness(ready_file=str(file))
    ready.prepare()
    assert not file.exists()
    ready.announce(URIS)
    assert json.loads(file.read_text()) == {"pid": os.getpid(), "uris": URIS}
    assert [one.name for one in tmp_path.iterdir()] == ["ready"]
    ready.withdraw()
    assert not file.exists()
    ready.withdraw()


def test_no_program_hears_of_it_after_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    ready = readiness(ready_file=str(tmp_path / "ready"), ready_fd=writer)
    notes: list[str] = []
    monkeypatch.setattr(ready._notifier, "_send", notes.append)

    class EndedByItsReader(io.StringIO):
        def flush(self) -> None:
            ready.withdraw()

    monkeypatch.setattr("sys.stdout", EndedByItsReader())
    ready.prepare()
    ready.announce(URIS)
    os.close(writer)
    with open(reader) as stream:  # noqa: PTH123 - a descriptor has no path
        assert stream.read() == ""
    assert list(tmp_path.iterdir()) == []
    assert notes == []


def test_a_descriptor_gets_one_line_and_is_closed() -> None:
    reader, writer = os.pipe()
    ready = readiness(ready_fd=writer)
    ready.prepare()
    ready.announce(URIS)
    with open(reader) as stream:  # noqa: PTH123 - a descriptor has no path
        assert json.loads(stream.readline())["uris"] == URIS
        assert stream.readline() == ""
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(writer)


def test_nobody_has_to_read_the_descriptor() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ready = readiness(ready_fd=writer)
    ready.prepare()
    ready.announce(URIS)


def test_a_descriptor_that_is_not_open_is_an_error_at_once() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    with pytest.raises(OSError, match="Bad file"):
        readiness(ready_fd=writer).prepare()


@pytest.mark.skipif(os.name != "posix", reason="descriptors are passed on POSIX only")
@pytest.mark.parametrize("workers", [[], ["--workers", "2"]])
def test_a_program_can_wait_for_the_command(tmp_path: Path, workers: list[str]) -> None:
    (tmp_path / "house.py").write_text(HOUSE)
    os.mkfifo(tmp_path / "fifo")
    wrapper = python_script(
        "os.dup2(os.open('fifo', os.O_WRONLY), 5)\ngo_on(*sys.argv[1:])\n",
        tmp_path / "wrapper.py",
    )
    arguments = ("house:House", "--no-ns", "--ready-fd", "5", "--ready-file", "ready")
    with PyroServe(*arguments, *workers, folder=tmp_path, wrapper=wrapper) as program:
        line = (tmp_path / "fifo").read_text()
        program.wait_until_ready()
        uris = {name: str(uri) for name, uri in program.uris.items()}
        assert json.loads(line) == {"pid": program.pid, "uris": uris}
        assert (tmp_path / "ready").read_text() == line
        assert program.end() == 0
    assert not (tmp_path / "ready").exists()
