"""The benchmark of the serializers, run as short as it can be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "serializers.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_serializer_is_measured_with_every_value_that_it_can_write() -> None:
    result = run("--rounds=1", "--seconds=0.001", "--only=call,records,bytes")
    assert result.returncode == 0, result.stdout + result.stderr
    _, call, records, data = result.stdout.split("\n## ")
    for table in (call, records):
        assert table.count(" (ours) |") == 5
        assert table.count(" library |") == 5
    # Neither ours nor any other json has bytes.
    assert "json" not in data
    assert "json (ours) cannot do 1 MiB of bytes" in result.stderr
    native = next(line for line in records.splitlines() if "native (ours)" in line)
    assert native.endswith("| 1.00 |")


def test_an_unknown_value_is_answered_with_the_known_ones() -> None:
    result = run("--only=nonsense")
    assert result.returncode == 2
    assert "'nonsense' is none of call, records, bytes" in result.stderr
