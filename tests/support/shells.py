"""Shells that complete what is typed, on terminals of their own."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final, Self

import pytest

from .hosting import DEADLINE
from .programs import clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Terminal", "commands_folder", "shell_path"]

_SHOW_LINE: Final = "\x14"  # Ctrl-T

# Each has Ctrl-T print the line that is being edited, in angle brackets.
_ARGUMENTS: Final = {"bash": ["--noprofile", "--norc", "-i"], "zsh": ["-f", "-i"]}
_STARTS: Final = {
    "bash": r"""
PS1=; bind 'set enable-bracketed-paste off'
bind -x '"\C-t": printf "\n<%s>\n" "$READLINE_LINE"'
""",
    "zsh": r"""
PROMPT=; unsetopt zle_bracketed_paste; autoload -U compinit; compinit -D -u
show() { print -r -- $'\n'"<$BUFFER>" }
zle -N show; bindkey '^T' show
""",
}


def shell_path(name: str) -> str:
    """Return where a shell is; the calling test is skipped if there is none.

    Under ``CI`` it fails: there a test that cannot run is a failure.
    """
    path = shutil.which(name)
    if path is not None:
        return path
    reason = f"{name} is not installed (apt install {name})"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def commands_folder(parent: Path, *names: str) -> Path:
    """Make a folder with commands that run ``pyro`` on this Python, and return it.

    Args:
        parent: the folder to make it in.
        names: single commands to have there, too. They do nothing.
    """
    folder = parent / "bin"
    folder.mkdir()
    program = f'exec {shlex.quote(sys.executable)} -m pyro_suite "$@"'
    for name, text in {"pyro": program, **dict.fromkeys(names, "exit")}.items():
        file = folder / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)
    return folder


class Terminal:
    """An interactive shell on a terminal, which is gone after the ``with`` block.

    Args:
        shell: ``bash`` or ``zsh``.
        script: a file that it reads first.
        folder: its working directory, and its user's home.
        settings: for its environment.
    """

    def __init__(
        self, shell: str, script: Path, folder: Path, settings: Mapping[str, str]
    ) -> None:
        start = folder / f"start.{shell}"
        start.write_text(f"{_STARTS[shell]}source {shlex.quote(str(script))}\n")
        own, other = pty.openpty()
        own_settings = {"TERM": "dumb", "HOME": str(folder)}
        self._process = subprocess.Popen(
            [shell_path(shell), *_ARGUMENTS[shell]],
            stdin=other,
            stdout=other,
            stderr=other,
            cwd=folder,
            env=clean_environment({**settings, **own_settings}),
            start_new_session=True,
        )
        os.close(other)
        self._terminal = own
        self._output = ""
        # What is echoed has quotes in the word, what is printed has none.
        os.write(own, f"source {shlex.quote(str(start))}; echo re''ady\n".encode())
        self._wait_for(r"ready")

    def completed(self, typed: str) -> str:
        """Return what is on the line when a text and the tabulator were typed."""
        # Ctrl-U empties the line.
        os.write(self._terminal, f"\x15{typed}\t{_SHOW_LINE}".encode())
        return self._wait_for(r"<([^<>]*)>")[1]

    def _wait_for(self, pattern: str) -> re.Match[str]:
        deadline = time.monotonic() + DEADLINE
        while True:
            if match := re.search(pattern, self._output):
                self._output = self._output[match.end() :]
                return match
            seconds = max(deadline - time.monotonic(), 0)
            readable, _, _ = select.select([self._terminal], [], [], seconds)
            assert readable, f"no {pattern!r} in {self._output!r}"
            self._output += os.read(self._terminal, 65536).decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        # Interactive shells take no notice of SIGTERM.
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(DEADLINE)
        os.close(self._terminal)
