"""A README that is followed: its commands are run, and print what it says."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from .browsing import missing
from .hosting import DEADLINE
from .programs import Program, clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EXAMPLES", "MODULES", "Step", "Walk", "steps_of", "walk"]

EXAMPLES: Final = Path(__file__).parents[2] / "examples"

MODULES: Final[dict[str, tuple[str, ...]]] = {
    "python": (),
    "pyro-call": ("-m", "pyro_client"),
    "pyro-doctor": ("-m", "pyro_client.doctor"),
    "pyro-httpgw": ("-m", "pyro_httpgw"),
    "pyro-ns": ("-m", "pyro_naming"),
    "pyro-nsc": ("-m", "pyro_naming.nsc"),
    "pyro-serve": ("-m", "pyro_server"),
    "pyro-stubs": ("-m", "pyro_client.stubs"),
}
"""What ``python`` is given to run a command of ours, which may not be on the path."""

# A reader's machine has a port of its own for these; here the system chooses.
_CHOSEN_PORT: Final = {
    "pyro-ns": ("--port", "0", "--nobc"),
    "pyro-httpgw": ("--port", "0"),
}
_SYSTEM_PORT: Final = re.compile(r"\b41\d{3}\b")


class Step(NamedTuple):
    """A command of a README, and what it prints.

    Attributes:
        command: the words of it, without settings of the environment.
        settings: these.
        output: the lines below it. In them ``…`` stands for any text, and a line with
            nothing else for any number of lines.
    """

    command: list[str]
    settings: dict[str, str]
    output: list[str]

    @property
    def program(self) -> str:
        """The file that Python is to run, or else the command."""
        if self.command[0] == "python" and len(self.command) > 1:
            rest = self.command[1:]
            return rest[1] if rest[0] == "-m" else rest[0]
        return self.command[0]


def steps_of(readme: Path) -> list[Step]:
    """Return what stands in the ``console`` blocks of a README, in order."""
    text = readme.read_text("utf-8")
    steps: list[Step] = []
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, *output = re.sub(r"\\\n\s*", "", part).rstrip("\n").split("\n")
            words = shlex.split(line)
            settings: dict[str, str] = {}
            while "=" in words[0]:
                name, _, value = words.pop(0).partition("=")
                settings[name] = value
            steps.append(Step(words, settings, output))
    return steps


class Walk:
    """The steps of the README in a folder, as a reader takes them.

    Programs that stay are ended, as by Ctrl-C, when the ``with`` block is left; none of
    them may be taken by surprise.

    Ports from 41000 to 41999 in a README are those that the system has chosen there:
    the ones that it has chosen here take their place.

    Args:
        folder: where the README is, and the programs run.
        staying: the programs that do not end by themselves.
        settings: settings for the environment of all of them.
        replacing: texts of the README, and what stands for them here.
    """

    def __init__(
        self,
        folder: Path,
        *,
        staying: tuple[str, ...] = ("server.py",),
        settings: Mapping[str, str] | None = None,
        replacing: Mapping[str, str] | None = None,
    ) -> None:
        self.readme = folder / "README.md"
        self._folder = folder
        self.programs: list[Program] = []
        self._names: list[str] = []
        self._staying = {*staying, "pyro-ns", "pyro-httpgw", "pyro-serve"}
        self._settings = dict(settings or {})
        self._replacing = dict(replacing or {})
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        with self._stack:
            for program in reversed(self.programs):
                program.end(signal.SIGINT)
        if kind is None:
            for name, program in zip(self._names, self.programs, strict=True):
                text = "\n".join(program.lines)
                assert "KeyboardInterrupt" not in text, f"{name} printed:\n{text}"

    def program(self, name: str) -> Program:
        """Return one that stays."""
        return self.programs[self._names.index(name)]

    def follow(self) -> Self:
        """Take all the steps."""
        for step in steps_of(self.readme):
            self.take(step)
        return self

    def take(self, step: Step) -> None:
        """Run a command until it has printed what it is to print."""
        if step.command[0] == "cd":
            self._folder = EXAMPLES.parent / step.command[1]
            return
        words = [self.here(word) for word in step.command]
        settings = self._settings | {
            name: self.here(value) for name, value in step.settings.items()
        }
        if step.program in self._staying:
            self._start(step, words, settings)
        else:
            self._run(step, words, settings)

    def _start(self, step: Step, words: list[str], settings: dict[str, str]) -> None:
        arguments = [*MODULES[words[0]], *words[1:], *_CHOSEN_PORT.get(words[0], ())]
        program = self._stack.enter_context(
            Program(*arguments, settings=settings, folder=self._folder)
        )
        self.programs.append(program)
        self._names.append(step.program)
        if words[0] == "pyro-ns":
            ready = program.wait_for(r"PYRO:Pyro.NameServer@\S+:(\d+)")
            self._settings["PYRO_NS_PORT"] = ready[1]
        elif words[0] == "pyro-httpgw":
            ready = program.wait_for(r"http://[^/:]+:(\d+)")
            self._replacing["localhost:8080"] = f"localhost:{ready[1]}"
        else:
            for line in step.output:
                self._learn(line, program.wait_for(self._pattern(line)))

    def _run(self, step: Step, words: list[str], settings: dict[str, str]) -> None:
        if words[0] in MODULES:
            command = [sys.executable, *MODULES[words[0]], *words[1:]]
        elif shutil.which(words[0]) is None:
            missing(f"there is no command {words[0]}")
        else:
            command = words
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=clean_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=2 * DEADLINE,
            check=False,
        )
        # What replaces itself on a terminal, as a progress bar, is there as it ends.
        lines = done.stdout.decode().replace("\r\n", "\n").split("\n")
        printed = "\n".join(line.split("\r")[-1] for line in lines)
        wanted = "\n".join(
            "(?:.*\n)*.*" if line == "…" else self._pattern(line)
            for line in step.output
        )
        match = re.fullmatch(wanted, printed.rstrip("\n"))
        assert match, (
            f"$ {shlex.join(step.command)}\n{printed}\ninstead of\n"
            + "\n".join(step.output)
        )
        for name, port in match.groupdict().items():
            self._replacing[name.removeprefix("port")] = port

    def here(self, text: str) -> str:
        """Return a text of the README as it is here."""
        if not self._replacing:
            return text
        # All at once: what stands for one may look like another.
        known = "|".join(map(re.escape, self._replacing))
        return re.sub(known, lambda match: self._replacing[match[0]], text)

    def _pattern(self, line: str) -> str:
        pattern = re.escape(self.here(line)).replace("…", ".*")
        return _SYSTEM_PORT.sub(self._any_port, pattern)

    def _any_port(self, match: re.Match[str]) -> str:
        # The system may as well choose a port of that range here.
        known = match[0] in self._replacing.values()
        return match[0] if known else f"(?P<port{match[0]}>\\d+)"

    def _learn(self, line: str, match: re.Match[str]) -> None:
        for name, port in match.groupdict().items():
            self._replacing[name.removeprefix("port")] = port


def walk(
    folder: str,
    *,
    staying: tuple[str, ...] = ("server.py",),
    settings: Mapping[str, str] | None = None,
    replacing: Mapping[str, str] | None = None,
) -> Walk:
    """Return a walk through the README of an example; see `Walk`."""
    return Walk(
        EXAMPLES / folder, staying=staying, settings=settings, replacing=replacing
    )
