"""The benchmark of web gateways, run for a moment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.peers import pyro5_python

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "gateway.py"


def test_both_gateways_are_measured(tmp_path: Path) -> None:
    if shutil.which("wrk") is None:
        reason = "wrk is missing; install the Debian package wrk"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    figures = tmp_path / "figures.json"
    command = [sys.executable, str(BENCHMARK), "--only=ours,pyro5", "--rounds=1"]
    command += ["--seconds=1", "--connections=1", f"--json={figures}"]
    command.append(f"--pyro5-python={pyro5_python()}")
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "| **ours**, uvicorn |" in result.stdout
    (samples,) = json.loads(figures.read_text()).values()
    for found in samples.values():
        (sample,) = found
        assert sample["requests"] > 0
        assert sample["failed"] == 0
