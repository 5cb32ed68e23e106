"""The benchmark: this project beside its peers, in alternating rounds of one run.

    python benchmarks/run.py [--rounds N] [--seconds S] [--only NAMES] [--json FILE]

Prints the report as Markdown; see the README beside this file for how to read it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from environment import EnvironmentFailedError, pyro5_python
from measures import MEASURES
from peers.registry import PEERS
from processes import Pair, PeerError
from report import (
    PLACEMENTS,
    Measurement,
    as_json,
    describe_machine,
    format_measurement,
    format_summary,
    format_versions,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from measures import Sample

__all__ = ["main"]

_DISTURBED: Final = 0.06
"""Share of a pinned round spent in neither process above which it is repeated: it
may then tell of other work on the machine rather than of the peer."""

_ATTEMPTS: Final = 3
"""How often a disturbed round is tried; the least disturbed attempt counts."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one run does."""

    placements: list[str]
    measures: list[str]
    interpreters: dict[str, Path]  # by peer, in the order of the first round
    rounds: int
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit code: 1 if a peer failed."""
    options = _parse(arguments)
    if not hasattr(os, "sched_setaffinity"):
        sys.stderr.write("The benchmark pins processes to CPUs: it needs Linux.\n")
        return 2
    try:
        plan = _plan(options)
    except EnvironmentFailedError as error:
        sys.stderr.write(f"{error}\n")
        return 2

    machine = describe_machine()
    _print(f"# Benchmarks\n\n{machine}; {plan.rounds} rounds of {plan.seconds:g} s.")
    versions: dict[str, str] = {}
    measurements = []
    for placement in plan.placements:
        _print(f"## {PLACEMENTS[placement]}")
        for measure in plan.measures:
            measurement = _measure(plan, placement, measure, versions)
            _print(format_measurement(measurement))
            measurements.append(measurement)
    _print(format_summary(measurements))
    _print(format_versions(versions))

    if options.json:
        content = {
            "machine": machine,
            "rounds": plan.rounds,
            "seconds": plan.seconds,
            "versions": versions,
            "results": as_json(measurements),
        }
        options.json.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return int(any(measurement.failures for measurement in measurements))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [*PEERS, *MEASURES, *PLACEMENTS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument(
        "--seconds", type=float, default=0.5, help="of each round; default: 0.5"
    )
    parser.add_argument(
        "--only",
        metavar="NAMES",
        default="",
        help="comma-separated peers, measures and placements; of a kind without a"
        f" name here all are run; known: {', '.join(names)}",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples")
    parser.add_argument(
        "--pyro5-python",
        type=Path,
        metavar="FILE",
        help="an interpreter that has Pyro5 and msgpack; default: one is set up under"
        " .bench/",
    )
    options = parser.parse_args(arguments)
    options.only = [name for name in options.only.split(",") if name]
    for name in options.only:
        if name not in names:
            parser.error(f"--only: {name!r} is none of {', '.join(names)}")
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds and --seconds must be positive")
    return options


def _plan(options: argparse.Namespace) -> _Plan:
    def chosen(known: Sequence[str]) -> list[str]:
        return [name for name in known if name in options.only] or list(known)

    interpreters = {name: Path(sys.executable) for name in chosen(list(PEERS))}
    in_own_environment = [name for name in interpreters if PEERS[name].needs_pyro5]
    if in_own_environment:
        python = options.pyro5_python or pyro5_python()
        interpreters.update(dict.fromkeys(in_own_environment, python))
    return _Plan(
        placements=chosen(list(PLACEMENTS)),
        measures=chosen(list(MEASURES)),
        interpreters=interpreters,
        rounds=options.rounds,
        seconds=options.seconds,
    )


def _measure(
    plan: _Plan, placement: str, measure: str, versions: dict[str, str]
) -> Measurement:
    """Go round the peers in turn, each in processes that did nothing else before."""
    cpu = max(os.sched_getaffinity(0)) if placement == "pinned" else None
    result = Measurement(placement, measure)
    with ExitStack() as running:
        pairs = {}
        for name, interpreter in plan.interpreters.items():
            try:
                pairs[name] = running.enter_context(Pair(name, interpreter, cpu))
            except PeerError as error:
                result.failures[name] = str(error)
            else:
                versions[name] = pairs[name].version
        order = deque(pairs)
        for _ in range(plan.rounds):
            for name in order:
                if name in result.failures:
                    continue
                try:
                    sample = _sample(pairs[name], measure, plan.seconds, cpu)
                except PeerError as error:
                    result.failures[name] = str(error)
                    result.samples.pop(name, None)
                else:
                    result.samples.setdefault(name, []).append(sample)
            # Whoever comes after a heavy peer shall not always be the same.
            order.rotate(-1)
    return result


def _sample(pair: Pair, measure: str, seconds: float, cpu: int | None) -> Sample:
    best = pair.sample(measure, seconds)
    # Only on one CPU does time that neither side used say anything.
    attempts = 1 if cpu is None else _ATTEMPTS
    for _ in range(attempts - 1):
        if best.elsewhere <= _DISTURBED:
            break
        best = min(best, pair.sample(measure, seconds), key=lambda one: one.elsewhere)
    return best


def _print(text: str) -> None:
    if text:
        print(f"{text}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
