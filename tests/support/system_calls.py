"""System calls that a program makes, as strace sees them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MARK", "calls_between_marks", "tracing"]

MARK: Final = "getsid"
"""What a program calls, by ``os.getsid(0)``, where a section of its log ends."""

# What a thread has begun; "<... recvfrom resumed>" is the end of a line that was
# counted before.
_BEGUN: Final = re.compile(r"^(\d+) +(\w+)\(")


def tracing(log: Path) -> list[str]:
    """Return what to put before ``python`` so that its system calls are logged.

    Where strace is missing, or may not trace, the calling test is skipped; a machine
    that runs the tests as ``CI`` has to have it.
    """
    strace = shutil.which("strace")
    if strace is None:
        if os.environ.get("CI"):
            pytest.fail("strace is missing: apt install strace")
        pytest.skip("needs strace")
    arguments = [strace, "-f", "-qq", "-o", str(log)]
    trial = subprocess.run(
        [*arguments, sys.executable, "-c", ""],
        capture_output=True,
        text=True,
        check=False,
    )
    if trial.returncode:
        pytest.skip(f"strace may not trace here: {trial.stderr.strip()}")
    return arguments


def calls_between_marks(log: Path) -> list[Counter[str]]:
    """Return how often which system call is in each section of a log.

    Of each section, those of the thread that makes the most: others wake up now and
    then to look after idle connections, however many calls there are. What is before
    the first mark, and after the last, is in none.
    """
    sections: list[dict[str, Counter[str]]] = []
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        found = _BEGUN.match(line)
        if not found:
            continue
        thread, name = found.groups()
        if name == MARK:
            sections.append({})
        elif sections:
            sections[-1].setdefault(thread, Counter())[name] += 1
    return [max(one.values(), key=Counter.total) for one in sections[:-1] if one]
