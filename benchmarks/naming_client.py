"""A client process of the benchmark of name servers.

    python naming_client.py MODULE HOST PORT CPU

The module is that of the library. Commands and answers are lines of JSON on standard
input and output; the process ends when its standard input does.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
import traceback
from dataclasses import asdict
from importlib import import_module
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

from naming_entries import IN_ROOM, entries, entry, prefix_of, tags_of
from sampling import Sample, Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["main"]

_WARM_UP_CALLS: Final = 20
_OPERATIONS: Final = ("lookup", "register", "prefix", "metadata")


class _Client:
    """Uses one name server.

    Args:
        names: the library's client of it.
    """

    def __init__(self, names: Any) -> None:
        self._names = names
        # Made before the clock starts, in an order that is the same in every run.
        self._wanted: Iterator[str] = iter(())
        self._rooms: Iterator[tuple[str, list[str]]] = iter(())
        self._registered = 0

    def fill(self, size: int) -> None:
        """Register so many names, unless they are there."""
        chance = random.Random(1)  # noqa: S311 - reproducible
        numbers = chance.sample(range(size), size)
        self._wanted = cycle([entry(number).name for number in numbers])
        rooms = chance.sample(range(size // IN_ROOM), size // IN_ROOM)
        self._rooms = cycle([(prefix_of(room), tags_of(room)) for room in rooms])
        if self._names.count() <= size:
            for name, uri, tags in entries(size):
                self._names.register(name, uri, metadata=tags)

    def sample(self, operation: str, server_process: int, seconds: float) -> Sample:
        """Repeat an operation for some time and return what it took."""
        if operation not in _OPERATIONS:
            raise ValueError(f"{operation!r} is none of {', '.join(_OPERATIONS)}")
        work: Callable[[], None] = getattr(self, f"_{operation}")
        for _ in range(_WARM_UP_CALLS):
            work()
        stopwatch = Stopwatch(seconds, server_process)
        clock = time.perf_counter
        count = 0
        stopwatch.start()
        while clock() < stopwatch.deadline:
            work()
            count += 1
        stopwatch.stop()
        return Sample(count, *stopwatch.elapsed)

    def _lookup(self) -> None:
        self._names.lookup(next(self._wanted))

    def _register(self) -> None:
        self._registered += 1
        self._names.register(
            f"new.{self._registered}",
            "PYRO:obj_5a1f4f02c5a14d1a8b5b3ea9f0e2d1ab@host.example.org:4444",
            metadata=["class:lab.New", f"number:{self._registered}"],
        )

    def _prefix(self) -> None:
        prefix, _ = next(self._rooms)
        _check(self._names.list(prefix=prefix))

    def _metadata(self) -> None:
        _, tags = next(self._rooms)
        _check(self._names.yplookup(meta_all=tags))


def _check(found: dict[str, object]) -> None:
    if len(found) != IN_ROOM:
        raise ValueError(f"{len(found)} names were found, not {IN_ROOM}")


def main(module: str, host: str, port: str, cpu: str) -> None:
    """Answer commands until there are no more."""
    os.sched_setaffinity(0, {int(cpu)})
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # What the library prints must not come between the answers.
    os.dup2(2, 1)
    client = _Client(import_module(module).locate_ns(host, int(port)))
    for line in sys.stdin:
        answer: dict[str, Any] = {}
        try:
            match json.loads(line):
                case {"fill": size}:
                    client.fill(size)
                case {"operation": operation, "server": server, "seconds": seconds}:
                    answer = asdict(client.sample(operation, server, seconds))
        except Exception as error:  # noqa: BLE001 - any failure belongs in the report
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
