"""Name servers beside Pyro5's: look-ups, registrations, searches, and their growth.

    python benchmarks/naming.py [--sizes N,N,…] [--rounds N] [--seconds S]
                                [--only NAMES] [--json FILE] [--plot FILE]
                                [--pyro5-python FILE]

Client and server share one CPU. Prints Markdown; see the README beside this file.
"""

from __future__ import annotations

import json
import os
import sys
from collections import deque
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from environment import EnvironmentFailedError, interpreter
from naming_entries import IN_ROOM
from naming_servers import SERVERS, NameServerPair
from options import new_parser, numbers
from plots import Line, Panel, as_svg
from processes import PeerError
from report import describe_machine

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from sampling import Sample

__all__ = ["main"]

_OPERATIONS: Final = {
    "lookup": "Look-up of a name",
    "register": "Registration of a new name with two tags",
    "prefix": "List of the 10 names with a prefix",
    "metadata": "Search for the 10 names with two tags, one of which all have",
}

_SIZES: Final = (1_000, 10_000, 100_000)


@dataclass(frozen=True, slots=True)
class Result:
    """What was found with one number of names.

    Attributes:
        size: the number.
        samples: by operation and server, one for each round.
    """

    size: int
    samples: Mapping[str, Mapping[str, list[Sample]]]

    def microseconds(self, operation: str, server: str) -> float:
        """Return the median time of an operation."""
        return median(map(_microseconds, self.samples[operation][server]))

    def ratio(self, operation: str, server: str) -> float | None:
        """Return how many times as fast as its rival of Pyro5's a server is.

        The median of the rounds' own ratios.
        """
        samples = self.samples[operation]
        other = samples.get(SERVERS[server].against)
        if other is None:
            return None
        return median(
            _microseconds(theirs) / _microseconds(ours)
            for ours, theirs in zip(samples[server], other, strict=True)
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit code."""
    parser = new_parser(__doc__, names=list(SERVERS), rounds=5, seconds=0.5)
    parser.add_argument(
        "--sizes",
        type=numbers(least=IN_ROOM),
        default=_SIZES,
        metavar="N,N",
        help=f"names registered; default: {','.join(map(str, _SIZES))}",
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write an SVG")
    options = parser.parse_args(arguments)
    if not hasattr(os, "sched_setaffinity"):
        sys.stderr.write("The benchmark pins processes to CPUs: it needs Linux.\n")
        return 2
    _print(f"# Name servers\n\n{describe_machine()}; {options.rounds} rounds.")
    try:
        interpreters = {
            name: interpreter(
                "pyro5" if SERVERS[name].pyro5 else None, pyro5=options.pyro5_python
            )
            for name in options.only or SERVERS
        }
        results = [_measure(options, interpreters, size) for size in options.sizes]
    except (EnvironmentFailedError, PeerError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for operation, title in _OPERATIONS.items():
        _print(_table(operation, title, results))
    if options.plot:
        drawing = as_svg(_panels(results), "µs", "names registered")
        options.plot.write_text(drawing, encoding="utf-8")
    if options.json:
        content = [
            {
                "size": result.size,
                "samples": {
                    operation: {
                        name: [asdict(sample) for sample in samples]
                        for name, samples in by_server.items()
                    }
                    for operation, by_server in result.samples.items()
                },
            }
            for result in results
        ]
        options.json.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return 0


def _measure(
    options: argparse.Namespace, interpreters: Mapping[str, Path], size: int
) -> Result:
    """Go round the name servers in turn, for one operation after the other."""
    cpu = max(os.sched_getaffinity(0))
    samples: dict[str, dict[str, list[Sample]]] = {}
    with ExitStack() as running:
        folder = Path(running.enter_context(TemporaryDirectory()))
        pairs = {
            name: running.enter_context(
                NameServerPair(name, interpreter, cpu, folder, size)
            )
            for name, interpreter in interpreters.items()
        }
        # Registrations come last: they are what there is more of afterwards.
        for operation in sorted(_OPERATIONS, key="register".__eq__):
            order = deque(pairs)
            by_server: dict[str, list[Sample]] = {name: [] for name in pairs}
            for _ in range(options.rounds):
                for name in order:
                    sample = pairs[name].sample(operation, options.seconds)
                    by_server[name].append(sample)
                order.rotate(-1)
            samples[operation] = by_server
    return Result(size, samples)


def _table(operation: str, title: str, results: Sequence[Result]) -> str:
    sizes = [f"{result.size:,} names: µs | times Pyro5" for result in results]
    lines = [
        f"## {title}",
        "",
        f"| name server | {' | '.join(sizes)} | server CPU µs | client CPU µs |",
        "|---|" + "--:|--:|" * len(sizes) + "--:|--:|",
    ]
    for name in results[0].samples[operation]:
        cells = [SERVERS[name].title]
        for result in results:
            ratio = result.ratio(operation, name)
            cells.append(f"{result.microseconds(operation, name):,.0f}")
            cells.append("" if ratio is None else f"{ratio:.2f}")
        last = results[-1].samples[operation][name]
        cells += [
            f"{median(1e6 * one.server_cpu / one.operations for one in last):,.0f}",
            f"{median(1e6 * one.client_cpu / one.operations for one in last):,.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _panels(results: Sequence[Result]) -> list[Panel]:
    return [
        Panel(
            title,
            [
                Line(
                    SERVERS[name].title.replace("*", ""),
                    SERVERS[name].color,
                    {
                        result.size: result.microseconds(operation, name)
                        for result in results
                    },
                )
                for name in results[0].samples[operation]
            ],
        )
        for operation, title in _OPERATIONS.items()
    ]


def _microseconds(sample: Sample) -> float:
    return 1e6 * sample.seconds / sample.operations


def _print(text: str) -> None:
    print(f"{text}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
