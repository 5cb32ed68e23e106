"""The benchmark command, run with the one peer that needs no library."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parents[2] / "benchmarks" / "run.py"
MEASURES = (
    *("sequential", "threads4", "threads", "processes"),
    *("connect", "upload", "download"),
)

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="the benchmark needs Linux"
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(RUN), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_measure_of_a_peer_is_in_both_tables_and_in_the_json(
    tmp_path: Path,
) -> None:
    file = tmp_path / "figures.json"
    result = run("--only=raw", "--rounds=1", "--seconds=0.01", f"--json={file}")
    assert result.returncode == 0, result.stderr
    rows = [line for line in result.stdout.splitlines() if "| raw Python" in line]
    assert len(rows) == 2 * len(MEASURES)
    assert "Table 1: client and server pinned to one CPU" in result.stdout
    assert "Table 2: unpinned" in result.stdout

    results = json.loads(file.read_text())["results"]
    assert [(one["placement"], one["measure"]) for one in results] == [
        (placement, measure)
        for placement in ("pinned", "unpinned")
        for measure in MEASURES
    ]
    for one in results:
        figures = one["peers"]["raw"]
        assert figures["ratio_to_raw"] == 1
        assert figures["ratio_to_pyro5"] is None
        assert figures["minimum"] <= figures["median"] <= figures["maximum"]
        assert figures["client_cpu_microseconds"] > 0
        assert figures["server_cpu_microseconds"] > 0
        assert len(figures["samples"]) == 1


def test_a_peer_whose_library_is_missing_is_reported_and_the_others_are_measured() -> (
    None
):
    result = run(
        "--only=raw,pyro5,sequential,unpinned",
        "--rounds=1",
        "--seconds=0.01",
        # This environment holds our distributions and not Pyro5.
        f"--pyro5-python={sys.executable}",
    )
    assert result.returncode == 1
    assert "pyro5 failed: the server of pyro5 has ended" in result.stdout
    assert "No module named 'Pyro5'" in result.stderr
    assert "| raw Python" in result.stdout


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    result = run("--only=nonsense")
    assert result.returncode == 2
    assert "'nonsense' is none of raw, ours," in result.stderr
