"""Programs for Pyro5 print the same with it and with what stands in for it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.hosting import DEADLINE
from support.programs import clean_environment

if TYPE_CHECKING:
    from pathlib import Path

_LAYER = [sys.executable, "-W", "error", "-m", "pyro_suite.compat.pyro5"]
_PROGRAMS = (
    "calls",
    "context",
    "exposing",
    "failing",
    "instances",
    "loops",
    "names",
    "references",
    "settings",
    "sockets",
    "threads",
    "tools",
    "values",
)


def _output(command: list[str]) -> list[str]:
    ran = subprocess.run(
        command,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=2 * DEADLINE,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


@pytest.mark.parametrize("name", _PROGRAMS)
def test_a_program_prints_line_by_line_what_it_prints_with_pyro5(
    name: str, pyro5: Path, pyro5_programs: Path
) -> None:
    program = str(pyro5_programs / f"{name}.py")
    expected = _output([str(pyro5), program])
    assert len(expected) > 3
    assert _output([*_LAYER, program]) == expected


def test_no_program_is_forgotten(pyro5_programs: Path) -> None:
    found = {path.stem for path in pyro5_programs.glob("*.py")}
    assert found - set(_PROGRAMS) == {"asking", "encrypted", "offering"}
