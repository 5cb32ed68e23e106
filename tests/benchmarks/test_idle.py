"""The benchmark of idle connections, run with a few."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

IDLE = Path(__file__).parents[2] / "benchmarks" / "idle.py"

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").is_file(), reason="the benchmark needs Linux"
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(IDLE), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_server_is_measured_with_its_idle_connections(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    result = run(
        *("--only=ours", "--connections=30", "--rounds=1", "--seconds=0.01"),
        f"--json={file}",
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "| **ours** (default: native) | 30 |" in result.stdout
    figures = json.loads(file.read_text())["ours"]
    assert figures["connections"] == 30
    # The loop, and some of 8 workers.
    assert 1 <= figures["threads"] <= 12
    assert min(*figures["connect"], *figures["call"]) > 0


def test_an_unknown_server_is_answered_with_the_known_ones() -> None:
    result = run("--only=nonsense")
    assert result.returncode == 2
    assert "'nonsense' is none of ours," in result.stderr
