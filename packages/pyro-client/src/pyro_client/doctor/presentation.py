"""A report for people: a line for each step, and what to do."""

from __future__ import annotations

import itertools
import textwrap
from typing import TYPE_CHECKING, Final

from ..command_line import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .report import Report, Step

__all__ = ["Table", "conclusion"]

_SHOWN: Final = {
    "ok": "ok",
    "warning": "warning",
    "failed": "FAILED",
    "tried": "--",
}
_WIDTH: Final = 80
# In characters: a server may say anything, at any length.
_LONGEST_DETAIL: Final = 500


class Table:
    """Makes lines of the steps, as they come, with a heading for each part."""

    def __init__(self) -> None:
        self._part = ""

    def lines(self, step: Step) -> Iterator[str]:
        """Return the lines of a step; one that was not taken has none of its own."""
        if step.status == "skipped":
            return
        if step.part != self._part:
            self._part = step.part
            yield f"{printable(step.part)}:"
        took = "" if step.milliseconds is None else f"{step.milliseconds:.1f} ms"
        status, detail = _SHOWN[step.status], _shortened(step.detail)
        yield f"{status:<8} {step.name:<13} {took:>10}  {detail}".rstrip()


def conclusion(report: Report) -> Iterator[str]:
    """Return the lines after the table: what is wrong, why, and what to do."""
    skipped = [one for one in report.steps if one.status == "skipped"]
    for part, steps in itertools.groupby(skipped, key=lambda one: one.part):
        names = ", ".join(one.name for one in steps)
        yield f"skipped  {part}: {names}" if part else f"skipped  {names}"
    for warning in report.warnings:
        yield ""
        yield from _explained(f"Note: {_place(warning)}", warning)
    failure = report.failure
    yield ""
    if failure is not None:
        yield from _explained(_place(failure), failure)
    else:
        yield "All is well." if not report.warnings else "It works."


def _place(step: Step) -> str:
    return f"{step.part}, {step.name}" if step.part else step.name


def _shortened(text: str) -> str:
    shown = printable(text[:_LONGEST_DETAIL])
    return shown if len(text) <= _LONGEST_DETAIL else f"{shown}..."


def _explained(label: str, step: Step) -> Iterator[str]:
    yield f"{printable(label)}: {_shortened(step.detail)}"
    advice = step.advice
    if advice is None:
        return
    yield from textwrap.wrap(f"Why: {advice.why}", _WIDTH, break_on_hyphens=False)
    yield "What to do:"
    for one in advice.steps:
        yield from textwrap.wrap(
            one,
            _WIDTH,
            initial_indent="  - ",
            subsequent_indent="    ",
            break_on_hyphens=False,
        )
