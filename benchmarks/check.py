"""Which peers work here: every measure of each, once and for a moment.

    python benchmarks/check.py [--only NAMES] [--pyro5-python FILE]

Prints Markdown; see the README beside this file. The figures of a moment mean nothing,
so there are none.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from environment import EnvironmentFailedError, interpreter
from measures import MEASURES
from options import new_parser
from peers.registry import PEERS
from processes import Pair, PeerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["main"]

_MOMENT: Final = 0.001
"""Seconds; an operation is done once at least."""

_DONE, _FAILED, _NONE = "yes", "failed", ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Check what the command line asks for; return 1 if something failed."""
    known = [*PEERS, *MEASURES]
    parser = new_parser(__doc__, names=known, rounds=1, json=False)
    options = parser.parse_args(arguments)
    peers = [name for name in PEERS if name in options.only] or list(PEERS)
    measures = [name for name in MEASURES if name in options.only] or list(MEASURES)
    print(f"| peer | {' | '.join(measures)} |")
    print("|---" * (len(measures) + 1) + "|")
    failed = False
    for peer in peers:
        try:
            python = interpreter(PEERS[peer].environment, pyro5=options.pyro5_python)
        except EnvironmentFailedError as error:
            sys.stderr.write(f"{error}\n")
            outcomes = dict.fromkeys(measures, _FAILED)
        else:
            outcomes = _check(peer, python, measures)
        print(f"| {peer} | {' | '.join(outcomes.values())} |", flush=True)
        failed = failed or _FAILED in outcomes.values()
    return int(failed)


def _check(peer: str, python: Path, measures: Sequence[str]) -> dict[str, str]:
    """Return what came of each measure, with one pair of processes for most."""
    outcomes = dict.fromkeys(measures, _NONE)
    can = [name for name in measures if MEASURES[name].suits(PEERS[peer].offers)]
    # Some libraries cannot be forked any more once they have been used.
    can.sort(key=lambda name: MEASURES[name].processes == 1)
    for unix in (False, True):
        chosen = [name for name in can if MEASURES[name].unix is unix]
        if chosen:
            outcomes |= _try_each(peer, python, chosen, unix=unix)
    return outcomes


def _try_each(
    peer: str, python: Path, measures: Iterable[str], *, unix: bool
) -> dict[str, str]:
    outcomes = {}
    try:
        with Pair(peer, python, unix=unix) as pair:
            for name in measures:
                try:
                    pair.sample(name, _MOMENT)
                except PeerError as error:
                    sys.stderr.write(f"{name}: {error}\n")
                    outcomes[name] = _FAILED
                else:
                    outcomes[name] = _DONE
    except PeerError as error:
        sys.stderr.write(f"{error}\n")
        return dict.fromkeys(measures, _FAILED)
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
