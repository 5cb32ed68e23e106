"""A program that is run in the place of this one is run as Python runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_RUN = (
    "import sys\n"
    "from pyro_suite.compat.running import run\n"
    "run(sys.argv[1:], 'compat.module')\n"
)

_SHOWING = """\
import sys, pickle
class Thing: pass
print(__name__, sys.argv, __package__, __spec__ and __spec__.name)
print(sys.path[0] or '.', __file__, sys.modules['__main__'].Thing is Thing)
print(type(pickle.loads(pickle.dumps(Thing()))).__name__)
import beside
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    programs = tmp_path / "programs"
    programs.mkdir()
    (tmp_path / "programs" / "showing.py").write_text(_SHOWING)
    (programs / "beside.py").write_text("print('beside')\n")
    (programs / "package").mkdir()
    (programs / "package" / "__init__.py").write_text("")
    (programs / "package" / "part.py").write_text("print('part', __name__)\n")
    (programs / "package" / "__main__.py").write_text(
        "from . import part\nimport sys\nprint(__package__, sys.argv[1:])\n"
    )
    return programs


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # A file, so that sys.path has a first entry as it has under python -m.
    runner = folder / "runner.py"
    runner.write_text(_RUN)
    return _python(folder, str(runner), *arguments)


def _python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_file_sees_what_it_sees_under_python(folder: Path) -> None:
    arguments = ["programs/showing.py", "-x", "two words"]
    ran = _run(folder, *arguments)
    assert (ran.returncode, ran.stdout) == (0, _python(folder, *arguments).stdout)
    assert ran.stdout.splitlines()[-1] == "beside"


def test_a_package_and_a_folder_are_run_by_their_main(folder: Path) -> None:
    folder.joinpath("runner.py").write_text(_RUN)
    for arguments in (["-m", "programs.package", "a"], ["programs/package", "b"]):
        ran = _run(folder, *arguments)
        real = _python(folder, *arguments)
        assert (ran.returncode, ran.stdout) == (real.returncode, real.stdout)
    assert "part programs.package.part" in _run(
        folder, "-m", "programs.package.part"
    ).stdout.replace("__main__", "programs.package.part")


@pytest.mark.parametrize(
    ("text", "status"),
    [("raise SystemExit(7)", 7), ("import sys; sys.exit('no')", 1), ("1/0", 1)],
)
def test_the_exit_status_and_what_is_shown_are_those_of_python(
    folder: Path, text: str, status: int
) -> None:
    program = folder / "ending.py"
    program.write_text(f"def end():\n    {text}\n\nend()\n")
    ran, real = _run(folder, str(program)), _python(folder, str(program))
    assert (ran.returncode, ran.stderr) == (status, real.stderr)


def test_an_interrupted_program_ends_as_one_that_is_interrupted(folder: Path) -> None:
    program = folder / "interrupted.py"
    program.write_text("raise KeyboardInterrupt\n")
    assert _run(folder, str(program)).returncode == (
        _python(folder, str(program)).returncode
    )


def test_a_hook_of_the_program_shows_its_exceptions(folder: Path) -> None:
    program = folder / "hooked.py"
    program.write_text(
        "import sys\n"
        "sys.excepthook = lambda kind, error, trace: print(kind.__name__, error)\n"
        "raise ValueError('shown by the hook')\n"
    )
    ran = _run(folder, str(program))
    assert (ran.returncode, ran.stdout) == (1, "ValueError shown by the hook\n")


def test_what_cannot_be_run_is_named(folder: Path) -> None:
    absent = _run(folder, "absent.py")
    assert absent.returncode == 1
    assert f"can't open file {str(folder.parent / 'absent.py')!r}" in absent.stderr
    module = _run(folder, "-m", "no.such.module")
    assert (module.returncode, module.stderr.strip()) == (
        1,
        f"{Path(sys.executable)}: No module named no.such.module",
    )
    nothing = _run(folder)
    assert nothing.returncode == 2
    assert nothing.stderr.startswith("usage: python -m compat.module program.py")
    assert _run(folder, "--help").returncode == 0
