"""``pyro migrate``: what to change in a program written for Pyro4 or Pyro5."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import TYPE_CHECKING, Final

from .applying import apply
from .output import as_json, as_text, counts
from .walking import examine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .findings import FileReport, Finding

__all__ = ["main", "migrate_parser"]

_NOTHING_TO_DO: Final = 0
_SOMETHING_TO_DO: Final = 1
_FAILED: Final = 2

_EPILOG: Final = """\
levels:
  change     to be changed by hand
  rewrite    changed by --apply (then: rewritten)
  note       runs, and behaves differently
  hint       text, such as a command line, that may need a change
  unread     a file that was left out

exit status:
  0  nothing has to be changed (notes and hints do not count)
  1  something has to be changed, by hand or with --apply
  2  wrong usage, a path that cannot be read, a backup in the way
"""


def main(arguments: Sequence[str] | None = None, prog: str = "pyro migrate") -> int:
    """Examine programs, and rewrite them if told to.

    Args:
        arguments: the command line; None means ``sys.argv``.
        prog: what the command is called in its messages.

    Returns:
        The exit status; ``--help`` lists them.
    """
    options = migrate_parser(prog).parse_args(arguments)
    # A name in a program may have any character, and the output may not know it.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # a text file
    reports: list[FileReport] = []
    try:
        for path in options.paths:
            reports.extend(examine(path))
        if options.apply:
            apply(reports)
            reports = list(map(_applied, reports))
    except OSError as error:
        sys.stderr.write(f"{prog}: {_reason(error)}\n")
        return _FAILED
    if options.format == "json":
        sys.stdout.write(as_json(reports) + "\n")
    else:
        for line in as_text(reports, verbose=options.verbose):
            sys.stdout.write(line + "\n")
    found = counts(reports)
    return _SOMETHING_TO_DO if found["change"] or found["rewrite"] else _NOTHING_TO_DO


def migrate_parser(prog: str = "pyro migrate") -> argparse.ArgumentParser:
    """Return what reads the command line, and explains it."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Read programs written for Pyro4 or Pyro5, without running them, "
        "and say what runs as it is, and what to change.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="a program, or a folder of programs"
    )
    parser.add_argument(
        "--apply",
        action="store_true",
        help="rewrite imports and renamed calls; what a file was is kept in FILE.orig",
    )
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="of the output"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="also list what runs as it is"
    )
    return parser


def _applied(report: FileReport) -> FileReport:
    if report.rewritten is None:
        return report
    findings = tuple(map(_done, report.findings))
    return dataclasses.replace(report, findings=findings)


def _done(finding: Finding) -> Finding:
    if finding.level != "rewrite":
        return finding
    return dataclasses.replace(finding, level="rewritten")


def _reason(error: OSError) -> str:
    if isinstance(error, FileExistsError) and error.filename is None:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)
