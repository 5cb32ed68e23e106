"""Programs written for Pyro4 do the same with the real one and with these packages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.hosting import DEADLINE
from support.peers import pyro5_python
from support.programs import clean_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

_PROGRAMS = Path(__file__).parent.parent / "programs" / "pyro4"
_NAMES = sorted(program.stem for program in _PROGRAMS.glob("*.py"))


def _start(*command: str | Path, ours: bool) -> subprocess.Popen[str]:
    environment = clean_environment()
    if not ours:
        # The other interpreter has packages of its own.
        environment.pop("PYTHONPATH", None)
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=os.fspath(_PROGRAMS),
    )


def _ended(program: subprocess.Popen[str]) -> tuple[Sequence[str], str, int]:
    try:
        output, errors = program.communicate(timeout=DEADLINE)
    finally:
        program.kill()
    return output.splitlines(), errors, program.returncode


def test_there_are_enough_programs() -> None:
    assert len(_NAMES) >= 8


@pytest.mark.parametrize("name", _NAMES)
def test_the_same_file_prints_the_same(name: str) -> None:
    file = _PROGRAMS / f"{name}.py"
    # The real one does not know this Python, and warns of what it misses.
    theirs = _start(pyro5_python(), "-W", "ignore", file, ours=False)
    runner = "pyro_suite.compat.pyro4"
    ours = _start(sys.executable, "-W", "error", "-m", runner, file, ours=True)
    expected, complaints, status = _ended(theirs)
    printed, errors, our_status = _ended(ours)
    assert status == 0, complaints
    assert our_status == 0, errors
    assert len(expected) > 5
    assert printed == expected
