"""The demo, run as the README says, and disturbed in every way a user can."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"

STEPS = [
    "Start the processes",
    "Lookup by name",
    "Read properties",
    "Write a property",
    "Keyword arguments",
    "Stream the recording",
    "Raw bytes",
    "Remote exception",
    "Oneway call",
    "Batch",
    "Lookup by metadata",
    "Call through HTTP",
    "Stop the processes",
]

# The demo takes some 2 s; two at once on a busy machine may need many times that.
TIMEOUT = 60.0


class DemoRun:
    """A demo under way; ``output`` is what it has printed so far."""

    def __init__(self, *options: str, **environment: str) -> None:
        self._mark = uuid.uuid4().hex
        self.output = ""
        self.process = subprocess.Popen(
            [sys.executable, DEMO, *options],
            env=os.environ | environment | {"DEMO_RUN": self._mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def read_until(self, pattern: str) -> re.Match[str]:
        """Read on until the pattern is in the output."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if match := re.search(pattern, self.output, re.MULTILINE):
                return match
        pytest.fail(f"no {pattern!r} in:\n{self.output}")

    def finish(self) -> int:
        """Read the rest and return the exit status."""
        rest, _ = self.process.communicate(timeout=TIMEOUT)
        self.output += rest
        return self.process.returncode

    def left_behind(self) -> list[str]:
        """Return the command lines of processes that this run has left running."""
        mark = f"DEMO_RUN={self._mark}".encode()
        return [
            folder.joinpath("cmdline").read_text("utf-8").replace("\0", " ")
            for folder in Path("/proc").glob("[0-9]*")
            if mark in _environment(folder)
        ]


def _environment(folder: Path) -> bytes:
    try:
        return folder.joinpath("environ").read_bytes()
    except OSError:
        # It has ended since, or belongs to somebody else.
        return b""


@contextmanager
def demo(*options: str, **environment: str) -> Iterator[DemoRun]:
    run = DemoRun(*options, **environment)
    with run.process:
        try:
            yield run
        finally:
            # A demo that is well has ended here; another must not outlive the test.
            run.process.terminate()


def test_every_step_passes_and_nothing_is_left_running() -> None:
    with demo() as run:
        assert run.finish() == 0, run.output
    headings = re.findall(r"^ ?\d+\. (.*?)$", run.output, re.MULTILINE)
    assert headings[: len(STEPS)] == STEPS
    summary = re.findall(r"^ ?\d+\. (.*?) +ok +[\d.]+ m?s  ", run.output, re.MULTILINE)
    assert summary == STEPS
    assert f"{len(STEPS)} of {len(STEPS)} steps passed." in run.output
    assert run.left_behind() == []


def test_the_output_is_plain_text_where_there_is_no_terminal() -> None:
    with demo() as run:
        run.finish()
    assert run.output.isascii()
    assert "\x1b" not in run.output


def test_the_processes_are_four() -> None:
    with demo() as run:
        run.finish()
    pids = re.findall(r"process (\d+), ", run.output)
    assert len(pids) == len(set(pids)) == 4


def test_two_demos_at_the_same_time_do_not_disturb_each_other() -> None:
    with demo() as one, demo() as other:
        assert one.finish() == 0, one.output
        assert other.finish() == 0, other.output


def test_settings_for_other_pyro_programs_do_not_reach_it() -> None:
    with demo(PYRO_NS_PORT="1", PYRO_SERIALIZER="json") as run:
        assert run.finish() == 0, run.output


def test_keep_leaves_all_up_until_ctrl_c() -> None:
    with demo("--keep") as run:
        url = run.read_until(r"^in a browser:\n +(http://\S+)\n")[1]
        run.read_until("Keep the processes up")
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.status == 200
        assert len(run.left_behind()) == 4
        run.process.send_signal(signal.SIGINT)
        assert run.finish() == 0, run.output
    assert run.left_behind() == []


def test_the_commands_that_keep_prints_can_be_pasted() -> None:
    with demo("--keep") as run:
        run.read_until("Keep the processes up")
        commands = re.findall(
            r"^    (export .*\n    .* list)$", run.output, re.MULTILINE
        )
        listing = subprocess.run(
            ["sh", "-c", commands[0]],
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert "example.weatherstation --> PYRO:" in listing.stdout
        run.process.send_signal(signal.SIGINT)
        run.finish()


def test_keep_ends_with_an_error_when_a_process_dies() -> None:
    with demo("--keep") as run:
        gateway = run.read_until(r"HTTP gateway +process (\d+)")[1]
        run.read_until("Keep the processes up")
        os.kill(int(gateway), signal.SIGKILL)
        assert run.finish() == 1
    assert "not so: all were up until now" in run.output
    assert "Output of the HTTP gateway" in run.output
    assert run.left_behind() == []


def test_sigterm_while_it_starts_leaves_nothing_running() -> None:
    with demo() as run:
        run.read_until("Start the processes")
        run.process.terminate()
        assert run.finish() == 128 + signal.SIGTERM
    assert run.left_behind() == []


def test_a_process_that_cannot_start_is_shown_with_what_it_said(
    tmp_path: Path,
) -> None:
    broken = tmp_path / "pyro_httpgw"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise SystemExit('broken on purpose')\n")
    search_path = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    with demo(PYTHONPATH=os.pathsep.join(search_path)) as run:
        assert run.finish() == 1
    assert re.search(
        r"HTTP gateway \(process \d+\) ended with exit status 1", run.output
    )
    assert "broken on purpose" in run.output
    assert run.left_behind() == []
