"""How long a program takes to start that imports one library or another.

    python benchmarks/imports.py [--rounds N] [--only NAMES] [--json FILE]
                                 [--pyro5-python FILE]

Starts new interpreters in turns and takes their processor time, beside one that
imports nothing. Prints Markdown; see the README beside this file.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from statistics import median
from typing import TYPE_CHECKING, Final

from environment import EnvironmentFailedError, interpreter
from options import new_parser
from report import describe_machine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["main"]

_STATEMENTS: Final = {
    "nothing": "pass",
    "proxy": "from pyro_client import Proxy",
    "client": "import pyro_client",
    "daemon": "from pyro_server import Daemon",
    "pyro5": "import Pyro5.client",
    "pyro5-daemon": "import Pyro5.server",
    "asyncio": "import asyncio",
    "managers": "import multiprocessing.managers",
}

_BASE: Final = "nothing"
_PEER: Final = "pyro5"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for; returns the exit code."""
    parser = new_parser(__doc__, names=list(_STATEMENTS), rounds=30)
    options = parser.parse_args(arguments)
    names = options.only or list(_STATEMENTS)
    if _BASE not in names:
        names.insert(0, _BASE)
    try:
        pythons = _interpreters(names, options.pyro5_python)
    except EnvironmentFailedError as error:
        print(error, file=sys.stderr)
        return 1
    samples = _measured(names, pythons, options.rounds)
    if options.json:
        options.json.write_text(json.dumps(samples), encoding="utf-8")
    print(f"{describe_machine()}\n\n{_table(samples)}", flush=True)
    return 0


def _interpreters(names: Sequence[str], pyro5: Path | None) -> dict[str, str]:
    """Return what runs each of the statements."""
    return {
        name: str(interpreter("pyro5" if name.startswith(_PEER) else None, pyro5=pyro5))
        for name in names
    }


def _measured(
    names: Sequence[str], pythons: dict[str, str], rounds: int
) -> dict[str, list[float]]:
    """Return the milliseconds of processor time that each took in each round."""
    samples: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        # Byte code is written once, as by an installer, and read each time.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for round_number in range(-1, rounds):
            turn = round_number % len(names)
            for name in (*names[turn:], *names[:turn]):
                taken = _start(pythons[name], _STATEMENTS[name], environment)
                if round_number >= 0:
                    samples[name].append(taken)
    return samples


def _start(python: str, statement: str, environment: dict[str, str]) -> float:
    """Run a new interpreter; returns milliseconds of processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([python, "-c", statement], env=environment, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return taken * 1000


def _table(samples: dict[str, list[float]]) -> str:
    """Return the medians, and the medians of the rounds' own ratios."""
    lines = [
        "| statement | start ms | import ms | start, as a multiple of Pyro5's client |",
        "|---|--:|--:|--:|",
    ]
    for name, taken in samples.items():
        own = [a - b for a, b in zip(taken, samples[_BASE], strict=True)]
        ratio = "-"
        if _PEER in samples:
            pairs = zip(taken, samples[_PEER], strict=True)
            ratio = f"{median(a / b for a, b in pairs):.2f}"
        lines.append(
            f"| `{_STATEMENTS[name]}` | {median(taken):.1f} | {median(own):.1f}"
            f" | {ratio} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
