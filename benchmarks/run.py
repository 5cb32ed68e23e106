"""The benchmark: this project beside its peers, in alternating rounds of one run.

    python benchmarks/run.py [--rounds N] [--seconds S] [--only NAMES] [--json FILE]
                             [--pyro5-python FILE]

Prints the report as Markdown; see the README beside this file for how to read it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from environment import EnvironmentFailedError, interpreter
from measures import MEASURES
from options import new_parser
from peers.registry import OURS, PEERS
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
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from sampling import Sample

__all__ = ["main"]

_DISTURBED: Final = 0.06
"""Share of a pinned round spent in neither process above which it is repeated: it
may then tell of other work on the machine rather than of the peer."""

_ATTEMPTS: Final = 3
"""How often a disturbed round is tried; the least disturbed attempt counts."""

_LONG_SAMPLE: Final = 3
"""How many times its length a sample may last, for the sake of its last operation, to
be repeated."""

_LONG_ROUND: Final = 3.0
"""Seconds, for connecting, warming up and measuring, after which a peer is slow."""

_LONG_ROUNDS: Final = 2
"""Rounds of a slow peer, whose operations are long and so vary little."""


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
    names = [*PEERS, *MEASURES, *PLACEMENTS]
    parser = new_parser(__doc__, names=names, rounds=5, seconds=0.5)
    options = parser.parse_args(arguments)
    if not hasattr(os, "sched_setaffinity"):
        sys.stderr.write("The benchmark pins processes to CPUs: it needs Linux.\n")
        return 2
    missing: dict[str, str] = {}
    plan = _plan(options, missing)
    machine = describe_machine()
    _print(f"# Calls\n\n{machine}; {plan.rounds} rounds of {plan.seconds:g} s.")
    for name, reason in missing.items():
        _print(f"{PEERS[name].title} is left out: {reason}")
    versions: dict[str, str] = {}
    measurements = []
    for placement in plan.placements:
        _print(f"## {PLACEMENTS[placement]}")
        for measure in plan.measures:
            measurement = _measure(plan, placement, measure, versions)
            _print(format_measurement(measurement))
            measurements.append(measurement)
            if options.json:  # after each, so that an interruption loses one only
                content = {
                    "machine": machine,
                    "rounds": plan.rounds,
                    "seconds": plan.seconds,
                    "missing": missing,
                    "versions": versions,
                    "results": as_json(measurements),
                }
                options.json.write_text(json.dumps(content, indent=1), "utf-8")
        _print(
            format_summary([one for one in measurements if one.placement == placement])
        )
    _print(format_versions(versions))
    return int(bool(missing) or any(one.failures for one in measurements))


def _plan(options: argparse.Namespace, missing: dict[str, str]) -> _Plan:
    def chosen(known: Sequence[str]) -> list[str]:
        return [name for name in known if name in options.only] or list(known)

    interpreters = {}
    for name in chosen(list(PEERS)):
        environment = PEERS[name].environment
        try:
            interpreters[name] = interpreter(environment, pyro5=options.pyro5_python)
        except EnvironmentFailedError as error:
            missing[name] = str(error)
    placements = chosen(list(PLACEMENTS))
    if len(os.sched_getaffinity(0)) == 1 and "split" in placements:
        sys.stderr.write("There is one CPU only: nothing is measured on two.\n")
        placements.remove("split")
    return _Plan(
        placements=placements,
        measures=chosen(list(MEASURES)),
        interpreters=interpreters,
        rounds=options.rounds,
        seconds=options.seconds,
    )


def _cpus(placement: str) -> tuple[int, int] | None:
    """Return where client and server shall stay."""
    allowed = sorted(os.sched_getaffinity(0))
    match placement:
        case "pinned":
            return allowed[-1], allowed[-1]
        case "split":
            return allowed[-2], allowed[-1]
    return None


def _measure(
    plan: _Plan, placement: str, measure: str, versions: dict[str, str]
) -> Measurement:
    """Go round the peers in turn, each in processes that did nothing else before."""
    result = Measurement(placement, measure)
    with ExitStack() as running:
        pairs = _start(plan, result, running)
        versions.update({name: pair.version for name, pair in pairs.items()})
        order = deque(pairs)
        slow: set[str] = set()
        for round_number in range(plan.rounds):
            for name in order:
                if name in slow and round_number >= _LONG_ROUNDS:
                    continue
                if name in result.failures:
                    continue
                began = time.perf_counter()
                try:
                    sample = _sample(pairs[name], measure, plan.seconds, placement)
                except PeerError as error:
                    result.failures[name] = str(error)
                    result.samples.pop(name, None)
                else:
                    result.samples.setdefault(name, []).append(sample)
                if time.perf_counter() - began > _LONG_ROUND:
                    slow.add(name)
            # Whoever comes after a heavy peer shall not always be the same.
            order.rotate(-1)
    return result


def _start(plan: _Plan, result: Measurement, running: ExitStack) -> dict[str, Pair]:
    """Start the peers that can do the work; note down which of them fail."""
    cpus, kind = _cpus(result.placement), MEASURES[result.measure]
    pairs = {}
    for name, python in plan.interpreters.items():
        if not kind.suits(PEERS[name].offers):
            continue
        # Pyro5 does not start with a setting that it does not know.
        settings = kind.settings if name.startswith(OURS) else {}
        try:
            pair = Pair(name, python, cpus, settings, unix=kind.unix)
        except PeerError as error:
            result.failures[name] = str(error)
        else:
            pairs[name] = running.enter_context(pair)
    return pairs


def _sample(pair: Pair, measure: str, seconds: float, placement: str) -> Sample:
    best = pair.sample(measure, seconds)
    # Only on one CPU does time that neither side used say anything.
    attempts = _ATTEMPTS if placement == "pinned" else 1
    for _ in range(attempts - 1):
        if best.elsewhere <= _DISTURBED or best.seconds > _LONG_SAMPLE * seconds:
            break
        best = min(best, pair.sample(measure, seconds), key=lambda one: one.elsewhere)
    return best


def _print(text: str) -> None:
    if text:
        print(f"{text}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
