"""What this project aims at, and whether a report shows it.

    python benchmarks/aims.py [FOLDER]

Reads what `all.py` has written and prints Markdown; see the README beside this file.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from measures import MEASURES
from peers.registry import LIMIT, OURS, PEERS, REFERENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["AIMS", "Aim", "format_aims", "main"]

_RESULTS: Final = Path(__file__).with_name("results")
_PYRO5: Final = tuple(name for name in PEERS if name.startswith("pyro5"))
_NOT_RIVALS: Final = frozenset({LIMIT, *(name for name in PEERS if name[:4] == OURS)})

_IMPORT_AIM: Final = 0.5
"""Share of the processor time of importing Pyro5's client."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What our client and server shall reach in a measure, on one CPU.

    Attributes:
        measure: a key of ``MEASURES``.
        default: multiple of Pyro5 with its defaults; None stands for no aim.
        best: multiple of the best that Pyro5 can do.
        limit: share of what raw sockets do.
        ours: which of our configurations.
    """

    measure: str
    default: float | None
    best: float | None = None
    limit: float | None = None
    ours: str = OURS


AIMS: Final = (
    Aim("sequential", 4.3, 2.2, 0.48),
    Aim("unix", 5, 2.5, 0.43),
    Aim("threads", 4, 2, 0.5),
    Aim("processes", 3.3, 1.8, 0.42),
    Aim("records", 25, 1.3),
    Aim("batch", 25, 2.3),
    Aim("stream", 60, 25),
    Aim("oneway", 6, 4.5, 0.15),
    Aim("sequential", 2.5, ours="ours-serpent"),
    Aim("records", 5, ours="ours-serpent"),
    Aim("upload1", 30, 1, 0.6),
    Aim("download1", 30, 2.5, 0.6),
    Aim("upload", 22, 2.5, 0.8),
    Aim("download", 22, 2.5, 0.8),
    Aim("connect", 1.8, 1.2, 0.6),
    Aim("together", 4.5, 2.4),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table for the results in a folder; return 1 if an aim was missed."""
    given = sys.argv[1:] if arguments is None else arguments
    folder = Path(given[0]) if given else _RESULTS
    table, missed = format_aims(folder)
    print(table)
    return int(missed > 0)


def format_aims(folder: Path) -> tuple[str, int]:
    """Return a Markdown table, and how many rows are not reached.

    Args:
        folder: with ``calls-pinned.json`` and ``imports.json``; a row whose figures are
            not there says so and counts as not reached.
    """
    rates = _rates(folder / "calls-pinned.json")
    rows = [_row_of(aim, rates) for aim in AIMS]
    rows += [_rivals_only(name, rates) for name in MEASURES if not _has_aim(name)]
    rows.append(_import_row(folder / "imports.json"))
    missed = sum(not row[-1].startswith("reached") for row in rows)
    head = ("measure", "Pyro5 default", "best of Pyro5", "raw", "best other", "outcome")
    lines = [head, ("---", *("--:",) * 3, "---", "---"), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines), missed


_Rates = dict[str, dict[str, list[float]]]
"""Operations per second by measure and peer, one for each round."""


def _rates(file: Path) -> _Rates:
    if not file.exists():
        return {}
    results: list[dict[str, Any]] = json.loads(file.read_text("utf-8"))["results"]
    return {
        one["measure"]: {
            peer: [
                sample["operations"] / sample["seconds"] for sample in found["samples"]
            ]
            for peer, found in one["peers"].items()
        }
        for one in results
        if one["placement"] == "pinned"
    }


def _has_aim(measure: str) -> bool:
    return any(aim.measure == measure and aim.ours == OURS for aim in AIMS)


def _ratio(rates: dict[str, list[float]], ours: str, other: str) -> float | None:
    """Return the median of the rounds' own ratios."""
    pairs = list(zip(rates.get(ours, []), rates.get(other, []), strict=False))
    return median(one / base for one, base in pairs) if pairs else None


def _least(
    rates: dict[str, list[float]], ours: str, others: Sequence[str]
) -> tuple[float, str] | None:
    """Return the ratio to the best of the others, and its name."""
    ratios = [
        (ratio, name)
        for name in others
        if (ratio := _ratio(rates, ours, name)) is not None
    ]
    return min(ratios) if ratios else None


def _row_of(aim: Aim, by_measure: _Rates) -> tuple[str, ...]:
    rates = by_measure.get(aim.measure, {})
    best = _least(rates, aim.ours, _PYRO5)
    compared = (
        (_ratio(rates, aim.ours, REFERENCE), aim.default),
        (best[0] if best else None, aim.best),
        (_ratio(rates, aim.ours, LIMIT), aim.limit),
    )
    title = MEASURES[aim.measure].title
    if aim.ours != OURS:
        title += f" ({PEERS[aim.ours].title})"
        rival = None
    else:
        rival = _rival(rates)
    wanted = [(found, aimed) for found, aimed in compared if aimed is not None]
    measured = all(found is not None for found, _ in wanted)
    outcomes = [found is not None and found >= aimed for found, aimed in wanted]
    if rival:
        outcomes.append(rival[0] >= 1)
    return (
        title,
        *(_cell(found, aimed) for found, aimed in compared),
        _rival_cell(rival),
        _outcome(all(outcomes)) if measured else "not measured",
    )


def _rival(rates: dict[str, list[float]]) -> tuple[float, str] | None:
    return _least(rates, OURS, [name for name in PEERS if name not in _NOT_RIVALS])


def _rivals_only(measure: str, by_measure: _Rates) -> tuple[str, ...]:
    """Return the row of a measure in which no peer shall be ahead of ours."""
    rival = _rival(by_measure.get(measure, {}))
    outcome = _outcome(rival[0] >= 1) if rival else "not measured"
    return (MEASURES[measure].title, "", "", "", _rival_cell(rival), outcome)


def _import_row(file: Path) -> tuple[str, ...]:
    title = "Import of the client, of Pyro5's processor time"
    samples = json.loads(file.read_text("utf-8")) if file.exists() else {}
    if not {"nothing", "proxy", "pyro5"} <= set(samples):
        return (title, "", "", "", "", "not measured")
    rounds = zip(
        *(samples[name] for name in ("nothing", "proxy", "pyro5")), strict=True
    )
    found = median((ours - base) / (theirs - base) for base, ours, theirs in rounds)
    cell = f"{found:.2f} of {_IMPORT_AIM:g}"
    return (title, cell, "", "", "", _outcome(found <= _IMPORT_AIM))


def _cell(found: float | None, aimed: float | None) -> str:
    shown = "-" if found is None else f"{found:.2f}"
    return f"{shown} of {aimed:g}" if aimed else shown


def _rival_cell(rival: tuple[float, str] | None) -> str:
    return f"{rival[0]:.2f} times {PEERS[rival[1]].title}" if rival else ""


def _outcome(reached: bool) -> str:
    return "reached" if reached else "**missed**"


if __name__ == "__main__":
    sys.exit(main())
