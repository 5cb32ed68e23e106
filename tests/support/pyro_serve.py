"""The command ``pyro-serve`` as a process, or as several."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from pyro_protocol import URI

from .hosting import DEADLINE
from .programs import Program

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PyroServe", "python_script"]


class PyroServe(Program):
    """The command, begun in a folder with the modules that it serves.

    Args:
        arguments: those of the command, or after ``wrapper`` those of the wrapper.
        folder: the folder.
        wrapper: a script that goes on as the command, if it is not started directly.
        settings: variables of its environment.
    """

    def __init__(
        self,
        *arguments: str,
        folder: Path,
        wrapper: str | None = None,
        **settings: str,
    ) -> None:
        command = ["-m", "pyro_server"] if wrapper is None else [wrapper]
        super().__init__(*command, *arguments, settings=settings, folder=folder)

    @property
    def pid(self) -> int:
        """The process that was started."""
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Wait for the line that says that everything is served."""
        self.wait_for("^Pyro daemon running.$")

    @property
    def uris(self) -> dict[str, URI]:
        """What it has said that it serves."""
        pairs = (line.split(" -> ") for line in self.lines if " -> PYRO:" in line)
        return {name: URI(uri) for name, uri in pairs}

    @property
    def uri(self) -> URI:
        """The one object that it serves."""
        (uri,) = self.uris.values()
        return uri

    @property
    def workers(self) -> dict[int, int]:
        """The process ids of the workers that have become ready last, by number."""
        found = (
            re.search(r"worker (\d+) \(pid (\d+)\) is ready", one) for one in self.lines
        )
        return {int(match[1]): int(match[2]) for match in found if match}

    def wait_for_worker(self, number: int) -> int:
        """Wait until a worker has become ready anew, and return its process id."""
        return int(self.wait_for(rf"worker {number} \(pid (\d+)\) is ready")[1])

    def wait_until_silent(self) -> None:
        """Wait until none of its processes is left to write to its output."""
        self._reader.join(DEADLINE)
        assert not self._reader.is_alive(), "a process is left"

    def __exit__(self, *exc_info: object) -> None:
        super().__exit__(*exc_info)
        self.wait_until_silent()


def python_script(text: str, path: Path) -> str:
    """Write a script that can go on as the command with ``go_on()``."""
    start = (
        f"import os, sys\n\ndef go_on(*arguments):\n    os.execv({sys.executable!r}, "
    )
    start += f"[{sys.executable!r}, '-u', '-m', 'pyro_server', *arguments])\n\n"
    path.write_text(start + text)
    return os.fspath(path)
