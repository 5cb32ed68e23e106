"""The benchmark command, mostly with the one peer that needs no library."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.peers import pyro5_python

RUN = Path(__file__).parents[2] / "benchmarks" / "run.py"
OF_RAW = (
    *("sequential", "unix", "threads4", "threads", "processes", "connect", "oneway"),
    *("upload1", "download1", "upload", "download", "array"),
)
OF_OTHERS = ("records", "batch", "stream", "items", "together")

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="the benchmark needs Linux"
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(RUN), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_measure_of_a_peer_is_in_a_table_and_in_the_json(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    result = run("--only=raw,pinned", "--rounds=1", "--seconds=0.01", f"--json={file}")
    assert result.returncode == 0, result.stdout + result.stderr
    rows = [line for line in result.stdout.splitlines() if "| raw Python" in line]
    assert len(rows) == len(OF_RAW)
    assert "Table 1: client and server pinned to one CPU" in result.stdout

    results = {
        one["measure"]: one["peers"] for one in json.loads(file.read_text())["results"]
    }
    assert set(results) == {*OF_RAW, *OF_OTHERS}
    # Batches and streams are for libraries that have them.
    assert not any(results[measure] for measure in OF_OTHERS)
    for measure in OF_RAW:
        figures = results[measure]["raw"]
        assert figures["ratio_to_raw"] == 1
        assert figures["ratio_to_pyro5"] is None
        assert figures["minimum"] <= figures["median"] <= figures["maximum"]
        assert figures["client_cpu_microseconds"] > 0
        assert figures["server_cpu_microseconds"] > 0
        assert len(figures["samples"]) == 1


def test_each_placement_has_a_table_of_its_own() -> None:
    result = run("--only=raw,sequential", "--rounds=1", "--seconds=0.01")
    assert result.returncode == 0, result.stdout + result.stderr
    tables = result.stdout.count("\n## Table")
    # On a machine with a single CPU there are no two to be on.
    assert tables == (3 if len(os.sched_getaffinity(0)) > 1 else 2)


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


def test_what_a_measure_sets_for_us_does_not_keep_pyro5_from_starting() -> None:
    result = run(
        *("--only=ours,pyro5,items,unpinned", "--rounds=1", "--seconds=0.01"),
        f"--pyro5-python={pyro5_python()}",
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "| Pyro5 (default" in result.stdout


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    result = run("--only=nonsense")
    assert result.returncode == 2
    assert "'nonsense' is none of raw, ours," in result.stderr
