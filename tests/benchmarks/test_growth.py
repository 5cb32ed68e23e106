"""The benchmark of growth, run for a moment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

GROWTH = Path(__file__).parents[2] / "benchmarks" / "growth.py"

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").is_file(), reason="the benchmark needs Linux"
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(GROWTH), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_time_is_measured_for_every_size_and_drawn(tmp_path: Path) -> None:
    figures, plot = tmp_path / "growth.json", tmp_path / "growth.svg"
    result = run(
        *("--only=ours,payload,objects,classes", "--rounds=1", "--seconds=0.01"),
        *(f"--json={figures}", f"--plot={plot}"),
    )
    assert result.returncode == 0, result.stdout + result.stderr
    found = json.loads(figures.read_text())
    assert set(found) == {"payload", "objects", "classes"}
    for times in found.values():
        assert all(min(rounds) > 0 for rounds in times["ours"].values())
    drawn = plot.read_text()
    for title in (
        "bytes of the argument",
        "further objects",
        "classes with converters",
    ):
        assert f">{title}</text>" in drawn
    tags = [element.tag.rpartition("}")[2] for element in ET.parse(plot).iter()]
    assert tags.count("polyline") == 3
    points = sum(len(times["ours"]) for times in found.values())
    assert tags.count("circle") == points


def test_memory_of_connections_and_streams_is_printed() -> None:
    result = run("--only=ours,memory", "--rounds=1", "--seconds=0.01")
    assert result.returncode == 0, result.stdout + result.stderr
    (row,) = [
        line for line in result.stdout.splitlines() if line.startswith("| **ours")
    ]
    assert len(row.split("|")) == 6
