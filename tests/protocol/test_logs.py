from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pyro_protocol.logs import log_exception

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import logging
{before}
import pyro_protocol
logging.getLogger("pyro.test").debug("a detail")
logging.getLogger("pyro.test").warning("a warning")
"""
LOGGER = logging.getLogger("pyro.test")
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


class SpeechlessError(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


class BrokenHandler(logging.Handler):
    """A handler of the program that fails, always or with tracebacks."""

    def __init__(self, *, always: bool) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._always = always

    def emit(self, record: logging.LogRecord) -> None:
        if self._always or record.exc_info:
            raise RuntimeError("this handler is broken")
        self.texts.append(record.getMessage())


def test_an_exception_is_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    try:
        int("boom")
    except ValueError:
        log_exception(LOGGER, "%s failed", "it")
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("ERROR", "it failed")
    assert "ValueError: invalid literal" in caplog.text


def test_another_exception_than_the_one_being_handled_can_be_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    try:
        int("boom")
    except ValueError:
        log_exception(LOGGER, "it failed", error=KeyError("key"))
    assert "KeyError: 'key'" in caplog.text
    assert "boom" not in caplog.text


def test_an_exception_that_fails_to_show_itself_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log_exception(LOGGER, "it failed", error=SpeechlessError())
    assert "it failed" in caplog.text
    assert "SpeechlessError" in caplog.text


@pytest.mark.parametrize("always", [False, True])
def test_a_handler_that_fails_does_no_harm(always: bool) -> None:
    handler = BrokenHandler(always=always)
    logger = logging.getLogger("pyro.test.own")
    logger.propagate = False
    logger.addHandler(handler)
    try:
        log_exception(logger, "%s failed", "it", error=ValueError("boom"))
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
    wanted = "ValueError, whose traceback cannot be shown, was raised: it failed"
    assert handler.texts == ([] if always else [wanted])
