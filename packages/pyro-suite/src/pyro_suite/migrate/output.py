"""What was found, as people read it and as programs do."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .settings import changed_defaults

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .findings import FileReport, Finding

__all__ = ["as_json", "as_text", "counts"]


def counts(reports: Sequence[FileReport]) -> Counter[str]:
    """Return how many findings there are of each level."""
    return Counter(one.level for report in reports for one in report.findings)


def as_text(reports: Sequence[FileReport], *, verbose: bool = False) -> Iterator[str]:
    """Return the lines of a report for people, grouped by file.

    Args:
        reports: what was found.
        verbose: whether to list the names that stay as they are.
    """
    for report in reports:
        for finding in report.findings:
            yield _line(report, finding)
        if verbose and report.as_is:
            names = ", ".join(
                f"{name} ({count})" for name, count in sorted(report.as_is.items())
            )
            yield f"{report.path}: runs as is: {names}"
    for family in sorted({name for report in reports for name in report.families}):
        for item, (theirs, ours) in changed_defaults(family).items():
            yield (
                f"default of config.{item}: {theirs!r} in {family}, {ours!r} here; "
                "set it if it matters"
            )
    yield _summary(reports)


def as_json(reports: Sequence[FileReport]) -> str:
    """Return a report for programs, as one document of JSON."""
    families = sorted({name for report in reports for name in report.families})
    document: dict[str, Any] = {
        "version": 1,
        "files": [
            {
                "path": str(report.path),
                "findings": [asdict(finding) for finding in report.findings],
                "as_is": dict(sorted(report.as_is.items())),
                "families": sorted(report.families),
            }
            for report in reports
        ],
        "defaults": {
            family: {
                item: {"theirs": theirs, "ours": ours}
                for item, (theirs, ours) in changed_defaults(family).items()
            }
            for family in families
        },
        "counts": dict(sorted(counts(reports).items())),
    }
    return json.dumps(document, indent=2)


def _line(report: FileReport, finding: Finding) -> str:
    place = f"{report.path}:{finding.line}:{finding.column}"
    advice = f"; {finding.advice}" if finding.advice else ""
    return f"{place}: {finding.level} {finding.code}: {finding.message}{advice}"


def _summary(reports: Sequence[FileReport]) -> str:
    programs = sum(bool(report.families) for report in reports)
    found = counts(reports)
    uses = sum(sum(report.as_is.values()) for report in reports)
    parts = [
        f"{_number(programs, 'program')} of Pyro4 or Pyro5",
        f"{_number(uses, 'use')} of a name as it is",
        f"{found['change']} to change by hand",
    ]
    if found["rewritten"]:
        parts.append(f"{found['rewritten']} rewritten")
    if found["rewrite"]:
        parts.append(f"{found['rewrite']} that --apply rewrites")
    parts.extend(_number(found[level], level) for level in ("note", "hint"))
    if found["unread"]:
        parts.append(f"{_number(found['unread'], 'file')} not read")
    return ", ".join(parts)


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
