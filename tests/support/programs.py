"""Programs that run as processes of their own, and are gone when a test is over."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from .hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NO_USER_DATA", "Program", "clean_environment", "name_server_of_pyro5"]

# In a file there can be no folder.
NO_USER_DATA = dict.fromkeys(("XDG_DATA_HOME", "LOCALAPPDATA"), str(Path(__file__)))
"""What keeps a program from the data of the user who runs the tests."""


def clean_environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment with no Pyro settings but the given ones.

    There is no folder for the data of the user: a test that wants some kept says where.
    What a Python program prints comes at once, as on a terminal.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYRO_")
    }
    own = {"PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"}
    return environment | NO_USER_DATA | own | dict(settings or {})


class Program:
    """A Python program whose output a test waits for.

    Leaving the ``with`` block kills it if it still runs.

    Args:
        arguments: what follows ``python`` on its command line.
        python: the interpreter; the one that runs the tests if left out.
        settings: Pyro settings for its environment.
        folder: its working directory.

    Attributes:
        lines: what it has printed and has been read by `wait_for` so far.
    """

    def __init__(
        self,
        *arguments: str | Path,
        python: str | Path = sys.executable,
        settings: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.lines: list[str] = []
        self._arriving: queue.Queue[str | None] = queue.Queue()
        self._process = subprocess.Popen(
            [python, "-u", *arguments],
            cwd=folder,
            env=clean_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        self._reader = threading.Thread(target=self._read, name="program output")
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self._arriving.put(line.rstrip("\n"))
        self._arriving.put(None)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait for a line that contains a pattern."""
        deadline = time.monotonic() + DEADLINE
        while True:
            line = self._arriving.get(timeout=max(deadline - time.monotonic(), 0))
            if line is None:
                raise AssertionError(f"no line has {pattern!r}: {self.lines}")
            self.lines.append(line)
            if match := re.search(pattern, line):
                return match

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait until it has ended, and return its exit status."""
        status = self._process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        while not self._arriving.empty():
            line = self._arriving.get()
            if line is not None:
                self.lines.append(line)
        return status

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, wait for that, and return its exit status."""
        self.send_signal(number)
        return self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.wait()


def name_server_of_pyro5(
    python: Path, *arguments: str, settings: Mapping[str, str] | None = None
) -> tuple[Program, str, int]:
    """Start Pyro5's own name server; return it with its host and port.

    The program has to be used in a ``with`` block.
    """
    program = Program(
        *("-m", "Pyro5.nameserver", "-n", "127.0.0.1", "-p", "0", "-x", *arguments),
        python=python,
        settings=settings,
    )
    try:
        ready = program.wait_for(r"^URI = PYRO:Pyro.NameServer@(\S+):(\d+)$")
    except BaseException:
        with program:
            raise
    return program, ready[1], int(ready[2])
