"""What was found in files, and what it asks of the reader."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path

__all__ = ["FileReport", "Finding", "Level"]

Level = Literal["change", "rewrite", "rewritten", "note", "hint", "unread"]
"""What a finding asks for.

``change``: something to be changed by hand. ``rewrite``: something that ``--apply``
changes, ``rewritten`` what it has changed. ``note``: it runs, and behaves differently.
``hint``: a guess about text that is no Python syntax, such as a command line.
``unread``: a file that was left out.
"""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something at a place in a file.

    Attributes:
        line: from 1; 0 if it is about the whole file.
        column: from 1; 0 if it is about the whole line.
        level: what it asks for.
        code: what kind of thing it is, in a word that stays the same.
        message: what is there.
        advice: what to do; empty if that is nothing.
    """

    line: int
    column: int
    level: Level
    code: str
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class FileReport:
    """All that was found in a file.

    Attributes:
        path: the file.
        findings: in the order of the file.
        as_is: the names of Pyro that it uses and that mean the same here, and how
            often.
        rewritten: what the file is to be; None if it can stay as it is.
        families: Pyro4, Pyro5, both or none.
    """

    path: Path
    findings: tuple[Finding, ...]
    as_is: Counter[str]
    rewritten: bytes | None = field(default=None, repr=False)
    families: frozenset[str] = frozenset()
