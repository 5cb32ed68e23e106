from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import logging
{before}
import pyro_protocol
logging.getLogger("pyro.test").debug("a detail")
logging.getLogger("pyro.test").warning("a warning")
"""
LINE = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3},pyro\.test,(\w+)\] (.*)"


def run(before: str = "", **settings: str) -> str:
    """Run a program that logs, and return what it wrote to standard error."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYRO_")
    }
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(before=before)],
        env=inherited | {f"PYRO_{name}": value for name, value in settings.items()},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stderr


def test_the_environment_asks_for_a_log_file(tmp_path: Path) -> None:
    file = tmp_path / "pyro.log"

    assert run(LOGLEVEL="debug", LOGFILE=str(file)) == ""

    assert re.findall(LINE, file.read_text(encoding="utf-8")) == [
        ("DEBUG", "a detail"),
        ("WARNING", "a warning"),
    ]


def test_the_log_can_go_to_standard_error() -> None:
    written = run(LOGLEVEL="WARNING", LOGFILE="{stderr}")

    assert re.findall(LINE, written) == [("WARNING", "a warning")]


def test_without_a_level_logging_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "pyro.log"

    # The logging module shows warnings where nobody has set it up.
    assert run(LOGFILE=str(file)) == "a warning\n"
    assert not file.exists()


def test_a_program_that_has_set_up_logging_keeps_its_ways(tmp_path: Path) -> None:
    file = tmp_path / "pyro.log"
    own = 'logging.basicConfig(level=logging.DEBUG, format="own: %(message)s")'

    written = run(own, LOGLEVEL="ERROR", LOGFILE=str(file))

    assert written == "own: a detail\nown: a warning\n"
    assert not file.exists()


def test_an_unknown_level_is_ignored_with_a_warning() -> None:
    written = run(LOGLEVEL="LOUD")

    assert "PYRO_LOGLEVEL=LOUD is not a level" in written
    assert written.endswith("a warning\n")
