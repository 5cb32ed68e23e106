"""The table of aims, for figures that were made up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

AIMS = Path(__file__).parents[2] / "benchmarks" / "aims.py"


def table(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(AIMS), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def row(output: str, title: str) -> list[str]:
    (line,) = [one for one in output.splitlines() if one.startswith(f"| {title} |")]
    return [cell.strip() for cell in line.strip("| ").split("|")]


def write(folder: Path, measure: str, operations: dict[str, list[int]]) -> None:
    peers = {
        peer: {"samples": [{"operations": one, "seconds": 1.0} for one in rounds]}
        for peer, rounds in operations.items()
    }
    results = [{"placement": "pinned", "measure": measure, "peers": peers}]
    (folder / "calls-pinned.json").write_text(json.dumps({"results": results}))


def test_an_aim_is_reached_if_every_ratio_is_large_enough(tmp_path: Path) -> None:
    # The second round was disturbed for all of them: its ratios count, not its figures.
    write(
        tmp_path,
        "sequential",
        {
            "raw": [200, 20],
            "ours": [100, 10],
            "pyro5": [20, 2],
            "pyro5-msgpack": [40, 4],
            "rpyc": [50, 5],
        },
    )
    result = table(tmp_path)
    assert row(result.stdout, "Sequential calls") == [
        *("Sequential calls", "5.00 of 4.3", "2.50 of 2.2", "0.50 of 0.48"),
        *("2.00 times RPyC", "reached"),
    ]
    assert result.returncode == 1  # the other rows were not measured


def test_an_aim_is_missed_if_another_library_is_ahead(tmp_path: Path) -> None:
    write(
        tmp_path,
        "sequential",
        {"raw": [200], "ours": [100], "pyro5": [20], "zeromq": [101]},
    )
    cells = row(table(tmp_path).stdout, "Sequential calls")
    assert cells[-2:] == ["0.99 times ZeroMQ, msgpack", "**missed**"]


def test_what_was_not_measured_is_not_reached(tmp_path: Path) -> None:
    result = table(tmp_path)
    assert result.returncode == 1
    assert "reached" not in result.stdout.replace("not reached", "")
    assert row(result.stdout, "Connecting, one call, closing")[-1] == "not measured"


def test_an_import_is_compared_without_the_start_of_the_interpreter(
    tmp_path: Path,
) -> None:
    samples = {"nothing": [10, 10], "proxy": [18, 18], "pyro5": [30, 30]}
    (tmp_path / "imports.json").write_text(json.dumps(samples))
    cells = row(
        table(tmp_path).stdout, "Import of the client, of Pyro5's processor time"
    )
    assert cells[1] == "0.40 of 0.5"
    assert cells[-1] == "reached"
