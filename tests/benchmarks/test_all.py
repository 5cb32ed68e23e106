"""The command that runs the others, with the shortest of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ALL = Path(__file__).parents[2] / "benchmarks" / "all.py"

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="the benchmark needs Linux"
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ALL), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_command_that_fails_leaves_a_report_and_what_others_have_found(
    tmp_path: Path,
) -> None:
    # This environment holds our distributions and not Pyro5.
    result = run(
        *("--quick", "--only=imports,serializers", f"--to={tmp_path}"),
        f"--pyro5-python={sys.executable}",
    )
    assert result.returncode == 1
    assert "# Serializers" in (tmp_path / "serializers.md").read_text()
    report = (tmp_path / "README.md").read_text()
    assert "exit code 1" in report
    assert "* [Serializers](serializers.md): " in report
    assert "| not measured |" in report


def test_an_unknown_part_is_answered_with_the_known_ones() -> None:
    result = run("--only=nonsense")
    assert result.returncode == 2
    assert "'nonsense' is none of calls-pinned," in result.stderr
