"""The benchmark of imports, run once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

IMPORTS = Path(__file__).parents[2] / "benchmarks" / "imports.py"

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the benchmark needs the module resource"
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(IMPORTS), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_imports_are_measured_beside_an_interpreter_that_imports_nothing(
    tmp_path: Path,
) -> None:
    file = tmp_path / "samples.json"
    result = run("--only=proxy,asyncio", "--rounds=2", f"--json={file}")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "| `from pyro_client import Proxy` |" in result.stdout
    samples = json.loads(file.read_text())
    assert set(samples) == {"nothing", "proxy", "asyncio"}
    assert all(len(taken) == 2 for taken in samples.values())


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    result = run("--only=nonsense")
    assert result.returncode == 2
    assert "'nonsense' is none of nothing," in result.stderr
