"""What the doctor has found: one entry for each step, and what they amount to."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from .advice import Advice, advice_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Finding", "Note", "Recorder", "Report", "Status", "Step"]

Status = Literal["ok", "warning", "failed", "skipped", "tried"]
"""How a step went; ``tried`` is a place where a name server was looked for in vain,
which is no failure as long as there is one elsewhere."""


class Finding(Exception):  # noqa: N818 - it says what is wrong with something else
    """A step has found what is wrong.

    Args:
        cause: a word for programs; `advice_for` knows them.
        detail: what was found, for people.
        step: the step that it belongs to, if that is an earlier one.
    """

    def __init__(self, cause: str, detail: str, step: str | None = None) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail
        self.step = step
        self.recorded = False


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an examination.

    Attributes:
        part: what is examined, such as ``name server``; empty for what comes first.
        name: what was done, such as ``tcp``.
        status: how it went.
        detail: what was found.
        milliseconds: how long it took; None if it did not run.
        cause: a word for what is wrong; None if nothing is.
    """

    part: str
    name: str
    status: Status
    detail: str = ""
    milliseconds: float | None = None
    cause: str | None = None

    @property
    def advice(self) -> Advice | None:
        """Why that happens and what to do about it; None if nothing is wrong."""
        return None if self.cause is None else advice_for(self.cause, self.part)


@dataclass
class Note:
    """What a step that runs has to tell.

    Attributes:
        detail: what was found.
        cause: a word for what could be better; None if nothing could.
    """

    detail: str = ""
    cause: str | None = None


@dataclass
class Report:
    """The outcome of an examination.

    Attributes:
        uri: what was examined.
        steps: the steps, in their order.
        summary: what is known about the server, by keywords.
    """

    uri: str
    steps: list[Step] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)

    @property
    def failure(self) -> Step | None:
        """The first step that failed, or None."""
        return next((one for one in self.steps if one.status == "failed"), None)

    @property
    def warnings(self) -> list[Step]:
        """The steps that went well and found something that could be better."""
        return [one for one in self.steps if one.status == "warning"]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, as ``pyro-doctor --json`` prints it."""
        failure = self.failure
        return {
            "uri": self.uri,
            "ok": failure is None,
            "failed": None if failure is None else _plain(failure),
            "warnings": [_plain(one) for one in self.warnings],
            "steps": [_plain(one) for one in self.steps],
            "summary": self.summary,
        }


class Recorder:
    """Takes down the steps of an examination.

    Args:
        report: where to.
        notify: is told of each step when it is over.

    Attributes:
        part: what is examined now.
    """

    def __init__(
        self, report: Report, notify: Callable[[Step], object] | None = None
    ) -> None:
        self.report: Report = report
        self.part: str = ""
        self._notify = notify

    @contextmanager
    def step(self, name: str) -> Iterator[Note]:
        """Take down what the ``with`` block does; a `Finding` goes on from here."""
        note = Note()
        began = time.perf_counter()
        try:
            yield note
        except Finding as finding:
            if not finding.recorded:
                where = finding.step or name
                self.add(where, "failed", finding.detail, began, finding.cause)
                finding.recorded = True
            raise
        status: Status = "warning" if note.cause else "ok"
        self.add(name, status, note.detail, began, note.cause)

    def add(
        self,
        name: str,
        status: Status,
        detail: str = "",
        began: float | None = None,
        cause: str | None = None,
    ) -> None:
        """Take down a step.

        Args:
            name: what was done.
            status: how it went.
            detail: what was found.
            began: when, by ``time.perf_counter``; None if it did not run.
            cause: a word for what is wrong.
        """
        took = None if began is None else (time.perf_counter() - began) * 1000
        step = Step(self.part, name, status, detail, took, cause)
        self.report.steps.append(step)
        if self._notify is not None:
            self._notify(step)


def _plain(step: Step) -> dict[str, Any]:
    took = step.milliseconds
    advice = step.advice
    return {
        "part": step.part or None,
        "step": step.name,
        "status": step.status,
        "detail": step.detail,
        "milliseconds": None if took is None else round(took, 3),
        "cause": step.cause,
        "why": None if advice is None else advice.why,
        "advice": None if advice is None else list(advice.steps),
    }
