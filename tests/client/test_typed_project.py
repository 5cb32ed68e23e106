"""A small program with stubs, as type checkers see it."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pyro_client import connect, connect_async, register_class, unregister_class
from pyro_client.stubs import main
from support.programs import Program

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.hosting import HostThread

PROJECT = Path(__file__).with_name("typed_project")
PROGRAMS = ["use_sync.py", "use_async.py", "interfaces.py"]


class Finding(NamedTuple):
    """What a checker says of a line."""

    file: str
    line: int
    is_error: bool
    text: str


def need(module: str) -> None:
    """Skip the test where a checker is missing; in CI that is a failure."""
    if importlib.util.find_spec(module) is None:
        reason = f"{module} is not installed; run the tests with tox, or install it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def run(arguments: list[str], folder: Path) -> str:
    result = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={
            **os.environ,
            # It would ask for its newest version.
            "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",
            "MYPY_CACHE_DIR": str(folder / "cache"),
        },
        check=False,
        capture_output=True,
        encoding="utf-8",
        timeout=100,
    )
    assert result.returncode in (0, 1), result.stdout + result.stderr
    return result.stdout


def mypy(folder: Path, names: list[str]) -> list[Finding]:
    need("mypy")
    output = run(["mypy", "--strict", "--config-file=", "-O", "json", *names], folder)
    return [
        Finding(
            one["file"],
            one["line"],
            one["severity"] == "error",
            # It says of everything where it is.
            re.sub(r"\b(?:\w+\.)+(?=\w)", "", one["message"]),
        )
        for one in map(json.loads, output.splitlines())
    ]


def pyright(folder: Path, names: list[str]) -> list[Finding]:
    need("pyright")
    settings = {
        "include": names,
        "typeCheckingMode": "strict",
        "reportPrivateUsage": False,
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), "utf-8")
    arguments = ["pyright", "--outputjson", "--pythonpath", sys.executable]
    return [
        Finding(
            Path(one["file"]).name,
            one["range"]["start"]["line"] + 1,
            one["severity"] in ("error", "warning"),
            one["message"],
        )
        for one in json.loads(run(arguments, folder))["generalDiagnostics"]
    ]


CHECKERS = pytest.mark.parametrize("check", [mypy, pyright])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the program."""
    folder = tmp_path / "project"
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def expected(path: Path) -> dict[int, str]:
    """Return by line what the comments of a program say that is revealed."""
    lines = enumerate(path.read_text("utf-8").splitlines(), 1)
    return {
        number: line.rpartition("  # ")[2]
        for number, line in lines
        if "reveal_" in line
    }


@CHECKERS
def test_everything_has_the_type_that_it_should_have(
    project: Path, check: Callable[[Path, list[str]], list[Finding]]
) -> None:
    findings = check(project, [*PROGRAMS, "camera.py"])
    assert [one for one in findings if one.is_error] == []
    for name in PROGRAMS:
        revealed = {
            one.line: re.sub(
                r'^(?:Type of ".*" is|Revealed type is) "(.*)"$', r"\1", one.text
            )
            for one in findings
            if one.file == name
        }
        assert revealed == expected(project / name)


@CHECKERS
def test_mistakes_are_found_and_nothing_else(
    project: Path, check: Callable[[Path, list[str]], list[Finding]]
) -> None:
    lines = (project / "mistakes.py").read_text("utf-8").splitlines()
    mistakes = {number for number, line in enumerate(lines, 1) if "# mistake" in line}
    findings = check(project, ["mistakes.py"])
    assert {one.line for one in findings if one.is_error} == mistakes
    assert {one.file for one in findings} == {"mistakes.py"}


@CHECKERS
def test_the_stubs_are_a_stub_file_as_well(
    project: Path,
    host: HostThread,
    monkeypatch: pytest.MonkeyPatch,
    check: Callable[[Path, list[str]], list[Finding]],
) -> None:
    (project / "camera.py").write_text("", "utf-8")
    write_stubs(project / "camera.pyi", host, monkeypatch)
    findings = check(project, ["use_async.py", "camera.pyi"])
    assert [one for one in findings if one.is_error] == []
    assert len(findings) == len(expected(project / "use_async.py"))


def test_the_stubs_of_the_project_are_what_is_written_today(
    tmp_path: Path, host: HostThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = tmp_path / "camera.py"
    write_stubs(written, host, monkeypatch)
    text = written.read_text("utf-8").replace(host.location, "127.0.0.1:9090")
    assert text == (PROJECT / "camera.py").read_text("utf-8")


@pytest.mark.parametrize("name", ["camera.py", "camera.pyi"])
def test_a_formatter_changes_nothing_in_the_stubs(
    tmp_path: Path, host: HostThread, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    need("ruff")
    write_stubs(tmp_path / name, host, monkeypatch)
    assert "1 file already" in run(
        ["ruff", "format", "--isolated", "--check", name], tmp_path
    )


SERVER = """
import threading
import lab
from support.hosting import HostThread

with HostThread() as host:
    print("ready at", host.register(lab.Camera(), "camera"), flush=True)
    threading.Event().wait()
"""


def test_the_stubs_do_what_they_say_with_a_server_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(PROJECT)
    camera = importlib.import_module("camera")
    paths = os.pathsep.join(map(str, (PROJECT, PROJECT.parents[1])))
    received = [camera.Frame, camera.Mode, camera.Size]

    async def main(uri: str) -> None:
        bench = await connect_async(camera.AsyncCamera, uri)
        assert await bench.snap(1) == bench_frame
        assert [one.size async for one in bench.frames(1)] == [bench_frame.size]
        await bench._pyro_set("gain", 3.0)
        assert await bench.gain == 3.0
        twin = await bench.twin()
        assert [one async for one in twin.temperatures()] == [20.0, 21.0]

    with Program("-c", SERVER, settings={"PYTHONPATH": paths}) as server:
        uri = server.wait_for(r"^ready at (\S+)$")[1]
        for one in received:
            register_class(one, f"lab.{one.__name__}")
        try:
            bench = connect(camera.Camera, uri)
            bench_frame = bench.snap(1)
            assert type(bench_frame) is camera.Frame
            assert bench_frame.size == camera.Size(2, 2)
            other = bench.snap(1, camera.Mode.MANUAL, size=camera.Size(3))
            assert (other.mode, other.size.height) == (camera.Mode.MANUAL, 480)
            assert [*bench.temperatures()] == [20.0, 21.0]
            assert bench.focus(1, near=2.5) == {"distances": [1], "settings": [2]}
            assert (len(bench), bench[1], bench.list()) == (3, "1", ["all"])
            asyncio.run(main(uri))
        finally:
            for one in received:
                unregister_class(one)


def write_stubs(path: Path, host: HostThread, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PROJECT)
    lab = importlib.import_module("lab")
    uri = host.register(lab.Camera(), "camera")
    assert main([str(uri), "--output", str(path)]) == 0
