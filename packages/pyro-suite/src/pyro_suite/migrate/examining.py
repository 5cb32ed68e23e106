"""Finding out what is to be done about a file."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from .bindings import bindings_of, uses_of
from .checks import Checks
from .commands import scan
from .findings import FileReport, Finding
from .importing import Rewriter
from .names import FAMILIES, OURS
from .source import EncodingError, Source

if TYPE_CHECKING:
    from pathlib import Path

    from .findings import Level

__all__ = ["examine_program", "examine_text"]

_FAMILY_BYTES: Final = {family: family.encode() for family in FAMILIES}


def examine_program(
    path: Path, data: bytes, *, was_rewritten: bool = False
) -> FileReport:
    """Return what is to be done about a Python program.

    Args:
        path: where it is, for the report.
        data: its bytes.
        was_rewritten: whether this was done before, so that what is left to do by
            hand is looked for under the names that things have here.
    """
    if not any(
        name in data
        for name in (*_FAMILY_BYTES.values(), b"PYRO_", b"pyro_suite", b"_pyro")
    ):
        return FileReport(path, (), Counter())
    try:
        source = Source(data)
    except SyntaxError as error:
        return _failed(path, data, _syntax_finding(error, data))
    except EncodingError as error:
        what = f"its encoding is not what it says, or UTF-8: {error}"
        do = "name the right one in its first line: # -*- coding: ... -*-"
        return _failed(path, data, Finding(0, 0, "change", "encoding", what, do))
    try:
        return _examined(path, source, was_rewritten=was_rewritten)
    except RecursionError:
        what, do = "it is nested too deeply", "look at it by hand"
        return _failed(path, data, Finding(0, 0, "change", "syntax", what, do))


def _examined(path: Path, source: Source, *, was_rewritten: bool) -> FileReport:
    bindings = bindings_of(source.tree)
    uses_of(source.tree, bindings)
    rewriter = Rewriter(source, bindings)
    known = bindings
    if was_rewritten:
        ours = bindings_of(source.tree, {OURS})
        uses_of(source.tree, ours)
        known = bindings + ours
    checks = Checks(source, known)
    findings = sorted(set(rewriter.findings + checks.findings))
    edits = rewriter.edits + checks.edits
    rewritten = None
    if edits:
        try:
            rewritten = source.edited(edits)
        except ValueError as error:
            findings = [_by_hand(finding, str(error)) for finding in findings]
    families = frozenset(binding.upstream[0] for binding in bindings)
    return FileReport(path, tuple(findings), rewriter.as_is, rewritten, families)


def examine_text(path: Path, data: bytes) -> FileReport:
    """Return what is to be said about a file of another kind, such as a script."""
    text = data.decode(errors="replace")
    return FileReport(path, tuple(sorted(set(scan(text, path.name)))), Counter())


def _failed(path: Path, data: bytes, finding: Finding) -> FileReport:
    families = frozenset(name for name, text in _FAMILY_BYTES.items() if text in data)
    if not families:
        return FileReport(path, (), Counter())
    return FileReport(path, (finding,), Counter(), None, families)


def _syntax_finding(error: SyntaxError, data: bytes) -> Finding:
    what = f"this is no Python 3: {error.msg}"
    line = error.lineno or 0
    lines = data.splitlines()
    here = lines[line - 1] if 0 < line <= len(lines) else b""
    if b"Pyro4.async" in here or b"async=" in here or b"import async" in here:
        do = "async is a keyword of Python 3.7: write asyncproxy, or asynchronous="
    else:
        do = "if it was written for Python 2, convert it first, for example with 2to3"
    return Finding(line, error.offset or 0, "change", "syntax", what, do)


def _by_hand(finding: Finding, reason: str) -> Finding:
    level: Level = "change" if finding.level == "rewrite" else finding.level
    message = f"{finding.message} ({reason})" if level == "change" else finding.message
    return Finding(
        finding.line, finding.column, level, finding.code, message, finding.advice
    )
