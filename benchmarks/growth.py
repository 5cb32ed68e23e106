"""How the time of a call grows: with its payload, and with what else a server has.

    python benchmarks/growth.py [--rounds N] [--seconds S] [--only NAMES]
                                [--json FILE] [--plot FILE] [--pyro5-python FILE]

Client and server share one CPU. Prints Markdown, and what a connection and an open
stream take of memory; see the README beside this file.
"""

from __future__ import annotations

import json
import os
import sys
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from crowd import Crowd, raise_descriptor_limit
from environment import EnvironmentFailedError, interpreter
from memory import own_memory
from options import new_parser
from peers.registry import PEERS
from peers.scale import CLASSES, OBJECTS
from plots import Line, Panel, as_svg
from processes import Pair, PeerError
from report import describe_machine

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

__all__ = ["main"]

_PEERS: Final = {
    "raw": "#999999",
    "ours": "#1b7837",
    "ours-multiplex": "#7fbf7b",
    "pyro5": "#762a83",
    "pyro5-msgpack-multiplex": "#c2a5cf",
}
"""Colors of what is measured. Pyro5's multiplex server takes any number of
connections."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """Something that there can be more or less of.

    Attributes:
        title: in the report.
        sizes: how much of it; the first is what the others are compared with.
        measure: what is timed, a key of ``MEASURES``.
        variable: of the environment, by which both processes learn of the size.
        peers: that it can be done with.
    """

    title: str
    sizes: tuple[int, ...]
    measure: str
    variable: str = ""
    peers: tuple[str, ...] = ("ours", "ours-multiplex", "pyro5")


_PAYLOAD, _CONNECTIONS = "payload", "connections"

_KINDS: Final = {
    _PAYLOAD: _Kind(
        "bytes of the argument",
        *((64, 1024, 16 * 1024, 256 * 1024, 4 << 20), "upload"),
        peers=("raw", "ours", "pyro5", "pyro5-msgpack-multiplex"),
    ),
    _CONNECTIONS: _Kind(
        "idle connections",
        *((1, 100, 1000, 4000), "sequential"),
        peers=("ours", "ours-multiplex", "pyro5-msgpack-multiplex"),
    ),
    "objects": _Kind("further objects", (1, 100, 10_000), "sequential", OBJECTS),
    "classes": _Kind("classes with converters", (1, 100, 1000), "records", CLASSES),
}

_MEMORY: Final = "memory"
_CROWD: Final = 500
"""Connections, and streams, by which memory is divided."""

_CROWD_WARM_UP: Final = 100
"""Of each, opened before memory is looked at: pools and caches have grown."""

_SPARE: Final = 200
"""Descriptors that a process needs for other things than connections."""

_WITHOUT_CROWD: Final = frozenset({"raw", "pyro5"})
"""Has no streams; takes 80 connections."""

_Times = dict[str, dict[int, list[float]]]
"""Microseconds of each round, by peer and size."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit code: 1 if a peer failed."""
    parser = new_parser(
        __doc__, names=[*_KINDS, _MEMORY, *_PEERS], rounds=5, seconds=0.3
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write an SVG")
    options = parser.parse_args(arguments)
    if not hasattr(os, "sched_setaffinity"):
        sys.stderr.write("The benchmark pins processes to CPUs: it needs Linux.\n")
        return 2
    _print(f"# Growth\n\n{describe_machine()}; {options.rounds} rounds.")
    kinds = [name for name in (*_KINDS, _MEMORY) if name in options.only]
    pythons, failed = _interpreters(options)
    found: dict[str, _Times] = {}
    for name in kinds or (*_KINDS, _MEMORY):
        try:
            if name == _MEMORY:
                _print(_memory_table(pythons))
                continue
            found[name] = _measure(name, pythons, options)
        except PeerError as error:
            _print(f"{name} failed: {error}")
            failed = True
            continue
        _print(_table(name, found[name]))
        if options.json:
            options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
        if options.plot:
            drawing = as_svg(_panels(found), "µs", "")
            options.plot.write_text(drawing, encoding="utf-8")
    return int(failed)


def _interpreters(options: argparse.Namespace) -> tuple[dict[str, Path], bool]:
    """Return those of the peers, and whether one is missing."""
    chosen = [name for name in _PEERS if name in options.only] or list(_PEERS)
    pythons, missing = {}, False
    for name in chosen:
        environment = PEERS[name].environment
        try:
            pythons[name] = interpreter(environment, pyro5=options.pyro5_python)
        except EnvironmentFailedError as error:
            _print(f"{PEERS[name].title} is left out: {error}")
            missing = True
    return pythons, missing


def _measure(
    name: str, pythons: Mapping[str, Path], options: argparse.Namespace
) -> _Times:
    """Measure with one size after the other."""
    kind = _KINDS[name]
    peers = [peer for peer in kind.peers if peer in pythons]
    times: _Times = {peer: {} for peer in peers}
    sizes = list(kind.sizes)
    if name == _CONNECTIONS:
        most = raise_descriptor_limit() - _SPARE
        while sum(sizes) * len(peers) > most:  # they are all this process's
            sizes.pop()
    cpu = max(os.sched_getaffinity(0))
    with ExitStack() as running:
        # Servers of every size run beside each other, so that each round has all.
        pairs: dict[tuple[str, int], Pair] = {}
        for peer in peers:
            for size in sizes:
                settings = {kind.variable: str(size)} if kind.variable else {}
                pair = Pair(peer, pythons[peer], (cpu, cpu), settings)
                pairs[peer, size] = running.enter_context(pair)
                if name == _CONNECTIONS:
                    crowd = running.enter_context(Crowd(pair.address))
                    crowd.grow(size)
                    if len(crowd) < size:
                        raise PeerError(f"{peer} took {len(crowd)} of {size}")
                times[peer][size] = []
        order = deque(pairs)
        for _ in range(options.rounds):
            for peer, size in order:
                moved = size if name == _PAYLOAD else 0
                sample = pairs[peer, size].sample(kind.measure, options.seconds, moved)
                taken = 1e6 * sample.seconds / sample.operations
                times[peer][size].append(taken)
            order.rotate(-1)
    return times


def _table(name: str, times: _Times) -> str:
    sizes = list(next(iter(times.values()))) if times else []
    lines = [
        f"## Growth with {_KINDS[name].title}: µs of an operation, and times the first",
        "",
        f"| peer | {' | '.join(f'{size:,}' for size in sizes)} |",
        "|---" + "|--:" * len(sizes) + "|",
    ]
    for peer, by_size in times.items():
        first = by_size[sizes[0]]
        cells = []
        for rounds in by_size.values():
            ratio = median(one / base for one, base in zip(rounds, first, strict=True))
            cells.append(f"{median(rounds):,.1f} ({ratio:.2f})")
        lines.append(f"| {PEERS[peer].title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _memory_table(pythons: Mapping[str, Path]) -> str:
    lines = [
        "## Memory for each, KiB",
        "",
        "| peer | connection, server | stream, server | stream, client |",
        "|---|--:|--:|--:|",
    ]
    for name, python in pythons.items():
        if name in _WITHOUT_CROWD:
            continue
        figures = (*_connection_memory(name, python), *_stream_memory(name, python))
        cells = (f"{figure / 1024:.2f}" for figure in figures)
        lines.append(f"| {PEERS[name].title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _connection_memory(name: str, python: Path) -> tuple[float]:
    """Return the server's bytes for an idle connection."""
    with Pair(name, python) as pair:
        with Crowd(pair.address) as first:
            first.grow(_CROWD_WARM_UP)
        with Crowd(pair.address) as crowd:
            crowd.grow(_CROWD_WARM_UP)
            before = own_memory(pair.server_process_id)
            crowd.grow(_CROWD_WARM_UP + _CROWD)
            grown = own_memory(pair.server_process_id) - before
            if len(crowd) < _CROWD_WARM_UP + _CROWD:
                raise PeerError(f"{name} took {len(crowd)} connections")
    return (grown / _CROWD,)


def _stream_memory(name: str, python: Path) -> tuple[float, float]:
    """Return the bytes for a stream that is open and was begun: server's, client's."""
    with Pair(name, python) as pair:
        processes = (pair.server_process_id, pair.client_process_id)
        pair.hold_streams(_CROWD_WARM_UP)
        before = [own_memory(process) for process in processes]
        pair.hold_streams(_CROWD)
        server, client = (
            (own_memory(process) - one) / _CROWD
            for process, one in zip(processes, before, strict=True)
        )
    return server, client


def _panels(found: Mapping[str, _Times]) -> list[Panel]:
    return [
        Panel(
            f"Time of {'a list of records' if name == 'classes' else 'a call'}",
            [
                Line(
                    PEERS[peer].title.replace("*", ""),
                    _PEERS[peer],
                    {size: median(rounds) for size, rounds in by_size.items()},
                )
                for peer, by_size in times.items()
            ],
            _KINDS[name].title,
        )
        for name, times in found.items()
        if times
    ]


def _print(text: str) -> None:
    print(f"{text}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
