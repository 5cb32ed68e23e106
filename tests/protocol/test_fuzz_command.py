"""The fuzzing command, as far as it goes without the fuzzer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pyro_protocol.serializers import serializers

PROGRAM = Path(__file__).parents[1] / "fuzz" / "run.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_an_input_can_be_tried_again(tmp_path: Path) -> None:
    file = tmp_path / "input"
    file.write_bytes(b"\0" + serializers["native"].dumps([1, {2}, ValueError(3)]))
    result = run("native", "--try", str(file))
    assert result.returncode == 0, result.stderr


def test_an_unknown_target_is_answered_with_the_known_ones() -> None:
    result = run("nonsense")
    assert result.returncode == 2
    assert "'nonsense' is none of decoder, server," in result.stderr


def test_an_input_is_tried_with_one_target(tmp_path: Path) -> None:
    result = run("--try", str(tmp_path / "input"))
    assert result.returncode == 2
    assert "--try needs one target" in result.stderr
