"""What idle connections cost a server: memory, threads, and everybody's time.

    python benchmarks/idle.py [--connections N] [--rounds N] [--seconds S]
                              [--only NAMES] [--json FILE] [--pyro5-python FILE]

Opens connections that have shaken hands and say nothing more, and measures a new
client beside a server without them. Prints Markdown; see the README beside this file.
"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from crowd import Crowd, raise_descriptor_limit
from environment import EnvironmentFailedError, interpreter
from memory import own_memory
from options import new_parser, positive_int
from peers.registry import PEERS
from processes import Pair, PeerError
from report import describe_machine

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

__all__ = ["main"]

_SERVERS: Final = (
    *("ours", "ours-multiplex", "ours-asyncio"),
    *("pyro5", "pyro5-multiplex"),
)

_WORKERS: Final = "8"
"""Of our servers, at most. Pyro5's thread server keeps its default: there it is the
number of connections."""

_SPARE: Final = 200
"""Descriptors that a process needs for other things than connections."""

_WARM_UP: Final = 100
"""Connections that are opened and closed before memory is looked at."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was found about one server.

    Attributes:
        connections: idle ones that it took.
        memory: bytes of its own for each of them.
        threads: of the server with them.
        connect: microseconds for connecting, a call and closing, without and with
            them; medians of the rounds.
        call: the same for a call.
        connect_ratio: with them, as a multiple of without; median of the rounds' own.
        call_ratio: the same for a call.
    """

    connections: int
    memory: float
    threads: int
    connect: tuple[float, float]
    call: tuple[float, float]
    connect_ratio: float
    call_ratio: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit code: 1 if a server failed."""
    parser = new_parser(__doc__, names=_SERVERS, rounds=5, seconds=0.5)
    parser.add_argument("--connections", type=positive_int, default=10_000, metavar="N")
    options = parser.parse_args(arguments)
    most = raise_descriptor_limit() - _SPARE
    wanted = min(options.connections, most)
    _print(f"# Idle connections\n\n{describe_machine()}; {options.rounds} rounds.")
    if wanted < options.connections:
        _print(f"The limit of open files allows {wanted} connections only.")
    _print(_HEAD)
    found: dict[str, Figures] = {}
    failed = False
    for name in options.only or _SERVERS:
        try:
            found[name] = _measure(name, wanted, options)
        except (PeerError, EnvironmentFailedError, OSError) as error:
            _print(f"| {PEERS[name].title} | failed |")
            sys.stderr.write(f"{name} failed: {error}\n")
            failed = True
        else:
            _print(_row(name, found[name]))
    if options.json:
        content = {name: asdict(figures) for name, figures in found.items()}
        options.json.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return int(failed)


def _measure(name: str, wanted: int, options: argparse.Namespace) -> Figures:
    """Measure a server with the crowd beside the same server without it."""
    environment = PEERS[name].environment
    python = interpreter(environment, pyro5=options.pyro5_python)
    settings = {} if environment else {"PYRO_THREADPOOL_SIZE": _WORKERS}
    with ExitStack() as running:
        empty, full = (
            running.enter_context(Pair(name, python, None, settings)) for _ in range(2)
        )
        # Neither caches nor pools of memory shall grow on account of the crowd.
        full.sample("connect", options.seconds)
        with Crowd(full.address) as first:
            first.grow(min(wanted, _WARM_UP))
        full.sample("connect", options.seconds)
        before = own_memory(full.server_process_id)
        crowd = running.enter_context(closing(Crowd(full.address)))
        crowd.grow(wanted)
        memory = (own_memory(full.server_process_id) - before) / max(len(crowd), 1)
        size, threads = len(crowd), _thread_count(full)
        if size < wanted:
            # Where a connection is a thread there would be none for a new client.
            crowd.shrink(4)
        connect = _alternate(empty, full, "connect", options)
        call = _alternate(empty, full, "sequential", options)
    return Figures(
        connections=size,
        memory=memory,
        threads=threads,
        connect=_medians(connect),
        call=_medians(call),
        connect_ratio=median(with_them / without for without, with_them in connect),
        call_ratio=median(with_them / without for without, with_them in call),
    )


def _alternate(
    empty: Pair, full: Pair, measure: str, options: argparse.Namespace
) -> list[tuple[float, float]]:
    """Return microseconds for an operation at both servers, round by round."""
    return [
        (
            _microseconds(empty, measure, options.seconds),
            _microseconds(full, measure, options.seconds),
        )
        for _ in range(options.rounds)
    ]


def _microseconds(pair: Pair, measure: str, seconds: float) -> float:
    sample = pair.sample(measure, seconds)
    return 1e6 * sample.seconds / sample.operations


def _medians(rounds: Sequence[tuple[float, float]]) -> tuple[float, float]:
    without, with_them = zip(*rounds, strict=True)
    return median(without), median(with_them)


def _thread_count(pair: Pair) -> int:
    return len(list(Path(f"/proc/{pair.server_process_id}/task").iterdir()))


_HEAD: Final = (
    "| server | idle connections | KiB for each | threads"
    " | connect+call+close µs, without / with | ratio | call µs, without / with"
    " | ratio |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|"
)


def _row(name: str, figures: Figures) -> str:
    cells = (
        PEERS[name].title,
        f"{figures.connections:,}",
        f"{figures.memory / 1024:.2f}",
        f"{figures.threads}",
        f"{figures.connect[0]:,.0f} / {figures.connect[1]:,.0f}",
        f"{figures.connect_ratio:.2f}",
        f"{figures.call[0]:,.0f} / {figures.call[1]:,.0f}",
        f"{figures.call_ratio:.2f}",
    )
    return f"| {' | '.join(cells)} |"


def _print(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
