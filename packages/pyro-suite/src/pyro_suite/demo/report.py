"""What the demo prints: each step, each call with its time, and the summary."""

from __future__ import annotations

import sys
import textwrap
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Report", "Step", "StepError", "duration"]

_Result = TypeVar("_Result")

WIDTH = 88

# Below so many seconds, what they are multiplied with and how that is written.
_UNITS = ((0.01, 1000, "{:.2f} ms"), (1.0, 1000, "{:.0f} ms"))

_BOLD, _DIM, _GREEN, _RED = "1", "2", "32", "31"


class StepError(Exception):
    """A step did not do what it claims; the message says all there is to say."""


@dataclass(slots=True)
class _Line:
    title: str
    result: str = ""
    seconds: float = 0.0
    passed: bool = False


class Step:
    """One numbered step: what it calls, what came back, and how long that took.

    Attributes:
        last_call_seconds: The duration of the last `call`.
    """

    def __init__(self, report: Report, line: _Line) -> None:
        self._report = report
        self._line = line
        self.last_call_seconds: float = 0.0

    def call(
        self,
        text: str,
        action: Callable[[], _Result],
        show: Callable[[_Result], str] = repr,
    ) -> _Result:
        """Run an action, print it with its result and duration, and return the result.

        Args:
            text: The action as a reader would type it.
            action: What to do; only this is timed.
            show: Turns the result into text; empty text is not printed.
        """
        started = perf_counter()
        try:
            result = action()
        finally:
            self.last_call_seconds = perf_counter() - started
            self._line.seconds += self.last_call_seconds
            self._report.call_line(text, self.last_call_seconds)
        if shown := show(result):
            self.say(shown)
        return result

    def say(self, text: str) -> None:
        """Print a text below the calls, wrapped where it is long."""
        for line in text.splitlines():
            self._report.print(
                textwrap.fill(
                    line,
                    WIDTH,
                    initial_indent="      ",
                    subsequent_indent="      ",
                    break_long_words=False,
                    break_on_hyphens=False,
                )
            )

    def quote(self, text: str) -> None:
        """Print a text exactly as it is, such as a traceback."""
        self._report.print(textwrap.indent(text.rstrip(), "      | "), _DIM)

    def check(self, claim: str, *, holds: bool) -> None:
        """Print what has been shown.

        Raises:
            StepError: It does not hold.
        """
        if not holds:
            raise StepError(f"not so: {claim}")
        self._report.print(f"      ok: {claim}", _GREEN)

    def conclude(self, result: str) -> None:
        """Set what the summary says of this step."""
        self._line.result = result


class Report:
    """The printed account of a demo run, in colour on a terminal only."""

    def __init__(self) -> None:
        self._lines: list[_Line] = []
        self._coloured = sys.stdout.isatty()

    @property
    def passed(self) -> bool:
        """Whether there were steps and all of them passed."""
        return bool(self._lines) and all(line.passed for line in self._lines)

    def print(self, text: str = "", colour: str = "") -> None:
        """Print a line at once, even into a pipe."""
        if colour and self._coloured:
            text = f"\x1b[{colour}m{text}\x1b[0m"
        print(text, flush=True)  # noqa: T201 - a command

    def error(self, text: str) -> None:
        """Print what went wrong."""
        self.print(text, _RED)

    def heading(self, text: str) -> None:
        """Print the title of a part."""
        self.print(f"\n{text}", _BOLD)

    def call_line(self, text: str, seconds: float) -> None:
        """Print a call with its duration at the right margin."""
        line, time = f"    > {text}", duration(seconds)
        if len(line) + len(time) < WIDTH:
            self.print(line + time.rjust(WIDTH - len(line)))
        else:
            self.print(line)
            self.print(time.rjust(WIDTH))

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Open a step; an exception in it fails the step and is printed, not raised."""
        line = _Line(title)
        self._lines.append(line)
        self.heading(f"{len(self._lines):2}. {title}")
        try:
            yield Step(self, line)
            line.passed = True
        except StepError as error:
            line.result = str(error)
            self.error(f"      FAILED, {error}")
        except Exception as error:  # noqa: BLE001 - the summary comes all the same
            line.result = f"{type(error).__name__}: {error}"
            self.error(textwrap.indent(traceback.format_exc(), "      "))

    def summary(self) -> None:
        """Print one line for each step, and the verdict."""
        self.heading("Summary")
        titles = max(len(line.title) for line in self._lines)
        results = WIDTH - titles - 21
        for number, line in enumerate(self._lines, 1):
            verdict = "ok" if line.passed else "FAILED"
            result = textwrap.shorten(line.result, results, placeholder=" ...")
            self.print(
                f"{number:2}. {line.title:{titles}}  {verdict:6}  "
                f"{duration(line.seconds):>8}  {result}",
                "" if line.passed else _RED,
            )
        passed = sum(line.passed for line in self._lines)
        self.print(
            f"\n{passed} of {len(self._lines)} steps passed.",
            _GREEN if self.passed else _RED,
        )


def duration(seconds: float) -> str:
    """Return a duration in a unit that suits it, such as ``0.35 ms`` or ``1.24 s``."""
    for longest, scale, form in _UNITS:
        if seconds < longest:
            return form.format(seconds * scale)
    return f"{seconds:.2f} s"
