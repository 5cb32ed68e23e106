"""Pages of the documentation, done as a reader would do them.

Files are written, programs run, and what they print is compared with what the page
shows. Ports of a page stand for ports that the system chooses: a number that the page
shows in an address is whatever the program has printed there.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import pytest

from .hosting import DEADLINE
from .pages import OUTPUT, Block, read_blocks
from .programs import clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PageRun", "expected_pattern", "split_commands"]

_REST: Final = "…"
_NAME_SERVER: Final = "9090"
# What a reader's own machine has, and not necessarily the one that runs the tests.
_TOOLS: Final = frozenset({"curl", "openssl"})

_PORT_SHOWN: Final = re.compile(r"(?<=[\w\]]):(\d{4,5})\b")
_PORT_GIVEN: Final = re.compile(r"(--port |-p |port=)(\d{4,5})\b")

_RUNNER: Final = Path(__file__).with_name("page_runner.py")


def split_commands(text: str) -> list[tuple[str, str]]:
    """Return the commands of a console block, each with the output that is shown.

    A command begins with ``$ ``; while it ends in a backslash, the next line belongs
    to it.
    """
    commands: list[tuple[str, str]] = []
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("$ "):
            command = line[2:]
            while command.endswith("\\"):
                command = f"{command}\n{next(lines)}"
            commands.append((command, ""))
        elif commands:
            command, output = commands[-1]
            commands[-1] = (command, f"{output}{line}\n")
        elif line.strip():
            raise AssertionError(f"a console block begins with output: {line!r}")
    return commands


def expected_pattern(shown: str, ports: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return a regular expression for shown output, and the ports it captures.

    ``…`` stands for any text of a line, and alone in a line for any lines. A port that
    is not known yet is captured.
    """
    captured: list[str] = []

    def port(match: re.Match[str]) -> str:
        number = match[1]
        if number in ports:
            return f":{ports[number]}"
        if number in captured:
            return f":(?P=port{number})"
        captured.append(number)
        return f":(?P<port{number}>[0-9]+)"

    lines = []
    for line in shown.rstrip().splitlines():
        if line.strip() == _REST:
            lines.append(r"(?:.*\n)*?")
            continue
        escaped = re.escape(line.rstrip()).replace(re.escape(_REST), ".*?")
        # In an escaped text colons and digits are as they were.
        lines.append(_PORT_SHOWN.sub(port, escaped) + r"[ \t]*\n")
    return "".join(lines), captured


class _Process:
    """A process and what it prints."""

    def __init__(
        self,
        *command: str,
        folder: Path,
        environment: Mapping[str, str],
        errors: int = subprocess.STDOUT,
    ) -> None:
        self.command = command
        self.output = ""
        self._arriving: queue.Queue[str | None] = queue.Queue()
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name="output of a page")
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self._arriving.put(line)
        self._arriving.put(None)

    def write(self, line: str) -> None:
        """Send it a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def lines_until_end(self) -> None:
        """Read all that it prints."""
        while self.next_line() is not None:
            pass

    def next_line(self) -> str | None:
        """Return the next line that it prints, or None at the end."""
        try:
            line = self._arriving.get(timeout=DEADLINE)
        except queue.Empty:
            raise AssertionError(
                f"{self.command} prints nothing more after:\n{self.output}"
            ) from None
        self.output += line or ""
        return line

    def wait(self) -> int:
        """Wait until it has ended, and return its exit status."""
        return self._process.wait(DEADLINE)

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def end(self) -> None:
        """Ask it to end, and see to it."""
        deadline = time.monotonic() + DEADLINE
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(deadline - time.monotonic())
        finally:
            self._signal(signal.SIGKILL)
            self._process.wait(DEADLINE)
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._reader.join(DEADLINE)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


class PageRun:
    """A reader who follows one page or several in a folder of his own.

    Args:
        folder: where files are written and commands run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports: dict[str, str] = {}
        self._staying: list[_Process] = []
        self._interpreter: _Process | None = None
        tools = Path(sys.executable).parent
        self._environment = clean_environment(
            {
                "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
                "PYTHONUNBUFFERED": "1",
                "PYTHONPATH": os.pathsep.join([*map(str, _sources()), str(folder)]),
                # Until the page has shown where its name server is.
                "PYRO_NS_PORT": "0",
                "PYRO_NS_OWNER": "ann@lab1",
                "NO_COLOR": "1",
                "COLUMNS": "88",
                "HOME": str(folder),
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        for process in reversed(self._staying):
            process.end()
        if self._interpreter is not None:
            self._interpreter.end()

    def follow(self, page: Path) -> None:
        """Do all that a page shows, and compare."""
        blocks = read_blocks(page)
        position = 0
        while position < len(blocks):
            block = blocks[position]
            position += 1
            shown = ""
            if block.language == "python" and not block.file and position < len(blocks):
                following = blocks[position]
                if following.language == OUTPUT and not following.file:
                    shown = following.text
                    position += 1
            try:
                self._do(page, block, shown)
            except AssertionError as error:
                raise AssertionError(f"{page}:{block.line}: {error}") from error
        for process in self._staying:
            assert process.running, f"{process.command} has ended:\n{process.output}"

    def _do(self, page: Path, block: Block, shown: str) -> None:
        if block.mark.startswith("not run"):
            assert block.mark.startswith("not run, "), "say why it is not run"
        elif block.file:
            path = self._folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._at_real_ports(block.text), "utf-8")
        elif block.language == "console":
            for command, output in split_commands(block.text):
                self._run_command(command, output, block.mark)
        elif block.language == "python":
            self._run_python(page, block, shown)
        else:
            raise AssertionError(
                f"a block of {block.language or 'no language'} is neither run nor a"
                " file nor output; name it, or say why with <!-- test: not run, … -->"
            )

    def _run_command(self, command: str, shown: str, mark: str) -> None:
        command = self._at_real_ports(command)
        if command.startswith("export "):
            for setting in command.removeprefix("export ").split():
                name, _, value = setting.partition("=")
                self._environment[name] = value
            return
        for tool in _TOOLS.intersection(command.split()):
            if shutil.which(tool) is None:
                reason = f"{tool} is missing; install it"
                if os.environ.get("CI"):
                    pytest.fail(reason)
                pytest.skip(reason)
        process = _Process(
            *("bash", "-c", command), folder=self._folder, environment=self._environment
        )
        if mark == "stays":
            self._staying.append(process)
            assert shown, f"{command} stays: the page has to show when it is ready"
            self._wait_for(process, shown)
            return
        try:
            process.lines_until_end()
            status = process.wait()
        finally:
            process.end()
        failed = f"{command}: exit status {status}\n{process.output}"
        assert (status != 0) == (mark == "fails"), failed
        if shown.strip():
            self._compare(process.output, shown)

    def _wait_for(self, process: _Process, shown: str) -> None:
        pattern, ports = expected_pattern(shown, self._ports)
        while True:
            line = process.next_line()
            assert line is not None, (
                f"it has ended with\n{process.output}\ninstead of\n{shown}"
            )
            if found := re.fullmatch(pattern, process.output):
                self._learn(found, ports)
                return

    def _run_python(self, page: Path, block: Block, shown: str) -> None:
        if block.mark == "new program" and self._interpreter is not None:
            self._interpreter.end()
            self._interpreter = None
        if self._interpreter is None:
            self._interpreter = _Process(
                *(sys.executable, "-u", str(_RUNNER)),
                folder=self._folder,
                environment=self._environment,
                # What is logged is no part of what the page shows.
                errors=subprocess.DEVNULL,
            )
        text = self._at_real_ports(block.text)
        job = {"file": str(page), "line": block.line, "text": text}
        self._interpreter.output = ""
        self._interpreter.write(json.dumps(job))
        while (line := self._interpreter.next_line()) is not None:
            if line in {"<done>\n", "<failed>\n"}:
                break
        output = self._interpreter.output
        assert line == "<done>\n", f"the program fails:\n{output}"
        if shown:
            self._compare(output.removesuffix("<done>\n"), shown)

    def _compare(self, printed: str, shown: str) -> None:
        pattern, ports = expected_pattern(shown, self._ports)
        found = re.fullmatch(pattern, f"{printed.rstrip()}\n")
        assert found, f"printed\n{printed}\ninstead of\n{shown}"
        self._learn(found, ports)

    def _learn(self, found: re.Match[str], ports: list[str]) -> None:
        for number in ports:
            self._ports[number] = found[f"port{number}"]
        if _NAME_SERVER in self._ports:
            self._environment["PYRO_NS_PORT"] = self._ports[_NAME_SERVER]

    def _at_real_ports(self, text: str) -> str:
        text = _PORT_GIVEN.sub(lambda m: m[1] + self._ports.get(m[2], "0"), text)
        return _PORT_SHOWN.sub(lambda m: ":" + self._ports.get(m[1], m[1]), text)


def _sources() -> list[Path]:
    """Return the folders from which this process imports our packages."""
    import pyro_suite

    packages = Path(pyro_suite.__file__).parents[3]
    return sorted(packages.glob("pyro-*/src"))
