"""The benchmark of name servers, run with few names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

NAMING = Path(__file__).parents[2] / "benchmarks" / "naming.py"

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="the benchmark needs Linux"
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(NAMING), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_both_storages_are_measured_with_every_size(tmp_path: Path) -> None:
    figures, plot = tmp_path / "figures.json", tmp_path / "growth.svg"
    result = run(
        *("--only=ours,ours-sql", "--sizes=20,40", "--rounds=2", "--seconds=0.01"),
        *(f"--json={figures}", f"--plot={plot}"),
    )
    assert result.returncode == 0, result.stdout + result.stderr
    rows = [line for line in result.stdout.splitlines() if line.startswith("| **ours")]
    assert len(rows) == 4 * 2
    results = json.loads(figures.read_text())
    assert [one["size"] for one in results] == [20, 40]
    for one in results:
        assert set(one["samples"]) == {"lookup", "register", "prefix", "metadata"}
        for samples in one["samples"].values():
            assert set(samples) == {"ours", "ours-sql"}
            for of_server in samples.values():
                assert len(of_server) == 2
                assert min(sample["operations"] for sample in of_server) > 0
    tags = [element.tag.rpartition("}")[2] for element in ET.parse(plot).iter()]
    # Four diagrams with two lines of two points.
    assert tags.count("polyline") == 4 * 2
    assert tags.count("circle") == 4 * 2 * 2


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("--only=nonsense", "'nonsense' is none of ours,"),
        ("--sizes=many", "--sizes: must be numbers"),
        ("--sizes=1", "--sizes: must be 10 at least"),
        ("--rounds=0", "--rounds"),
    ],
)
def test_wrong_options_are_explained(option: str, reason: str) -> None:
    result = run(option)
    assert result.returncode == 2
    assert reason in result.stderr
