"""The server that is to stand everything: python served.py [DESCRIPTORS].

Prints where it serves; with a number, it lowers its limit of open files to that.
It offers ``service``, whose methods misbehave on demand, ``session``, whose
instances hold resources, and ``census``, which counts what the process holds.
"""

from __future__ import annotations

import asyncio
import gc
import io
import itertools
import os
import resource
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from pyro_protocol import behavior, current_context, expose, oneway
from pyro_server import Daemon

_EXITS: dict[str, type[BaseException]] = {
    one.__name__: one
    for one in (
        *(SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError),
        *(BaseException, MemoryError, RecursionError, StopIteration),
    )
}
_COUNTED = (io.FileIO, threading.Thread, asyncio.Task, asyncio.Future)


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise ValueError("this error has no text")

    __repr__ = __str__


class UnsendableError(Exception):
    def __init__(self) -> None:
        super().__init__("it holds a lock")
        self.lock = threading.Lock()

    def __reduce__(self) -> Any:
        raise TypeError("this error cannot be written")


class UnhelpfulError(Exception):
    """An error whose attributes cannot even be looked at."""

    def __getattribute__(self, name: str) -> Any:
        if name in {"args", "__dict__", "__traceback__", "__cause__", "__notes__"}:
            raise RuntimeError(f"no {name} for you")
        return super().__getattribute__(name)


@expose
class Service:
    def __init__(self) -> None:
        self.noted = 0

    def add(self, a: int, b: int) -> int:
        return a + b

    def make(self, size: int) -> bytes:
        return bytes(size)

    def size(self, data: bytes) -> int:
        return len(data)

    @oneway
    def note(self) -> None:
        self.noted += 1

    def count_notes(self) -> int:
        return self.noted

    def leave(self, name: str) -> None:
        raise _EXITS[name]("the method wants to leave")

    async def leave_later(self, name: str) -> None:
        await asyncio.sleep(0)
        raise _EXITS[name]("the coroutine wants to leave")

    def items_then_leave(self, name: str) -> Iterator[int]:
        yield 1
        raise _EXITS[name]("the generator wants to leave")

    def lock(self) -> Any:
        return threading.Lock()

    def deep(self) -> Any:
        value: list[Any] = []
        for _ in range(100_000):
            value = [value]
        return value

    def endless(self) -> Any:
        value: list[Any] = []
        value.append(value)
        return value

    def annotate(self, name: str) -> int:
        current_context.response_annotations = {name: b"x"}
        return 1

    def annotate_with(self, kind: str) -> int:
        values: dict[str, Any] = {"text": "text", "nothing": None, "number": 5}
        current_context.response_annotations = {"NOTE": values[kind]}
        return 1

    def fail(self, name: str) -> None:
        errors: dict[str, type[Exception]] = {
            "unspeakable": UnspeakableError,
            "unsendable": UnsendableError,
            "unhelpful": UnhelpfulError,
        }
        raise errors[name]

    def fail_with_itself(self) -> None:
        error = ValueError("it is its own argument")
        error.args = (error,)
        raise error

    def fail_deeply(self) -> None:
        self.fail_deeply()


class Resource:
    """Something that has to be closed when its client has gone."""

    def __init__(self) -> None:
        self.file = os.open(os.devnull, os.O_RDONLY)

    def close(self) -> None:
        os.close(self.file)


@expose
@behavior(instance_mode="session")
class Session:
    """Holds a resource of its client, and answers in every way there is."""

    def __init__(self) -> None:
        self.resource = Resource()
        current_context.track_resource(self.resource)

    def work(self) -> int:
        return sum(range(300))

    def echo(self, data: bytes) -> bytes:
        return data

    def items(self) -> Iterator[int]:
        yield from itertools.count()

    @oneway
    def note(self) -> None:
        self.work()

    async def work_later(self) -> int:
        for _ in range(20):
            await asyncio.sleep(0)
        return 1

    async def items_later(self) -> AsyncIterator[int]:
        for number in itertools.count():
            await asyncio.sleep(0)
            yield number


class Census:
    """Counts what the process holds.

    Args:
        daemon: the server.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    @expose
    def count(self) -> dict[str, int]:
        """Return how many there are of everything that could be left behind."""
        gc.collect()
        counts = Counter(
            type(one).__name__ for one in gc.get_objects() if _is_counted(one)
        )
        counts["descriptors"] = len([*Path("/proc/self/fd").iterdir()])
        counts["streams"] = len(self._daemon.streaming_responses)
        counts["threads"] = threading.active_count()
        return dict(counts)


def _is_counted(one: object) -> bool:
    kind = type(one)
    if str(kind.__module__).partition(".")[0] in {"pyro_server", "pyro_protocol"}:
        return True
    names = {"generator", "async_generator", "coroutine", "socket", "SSLSocket"}
    return kind.__name__ in names or kind in {Session, Resource, *_COUNTED}


class AnnotatingDaemon(Daemon):
    """A daemon whose hook for annotations fails once it is told to."""

    failing = False

    def annotations(self) -> dict[str, bytes]:
        if self.failing:
            raise ValueError("the hook for annotations fails")
        return {}


@expose
class Switch:
    """Makes the hook of the daemon fail.

    Args:
        daemon: the server.
    """

    def __init__(self, daemon: AnnotatingDaemon) -> None:
        self._daemon = daemon

    def fail(self, failing: bool) -> None:
        self._daemon.failing = failing


def main(descriptors: int | None) -> None:
    if descriptors is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    # The hook for annotations has handshakes run by workers: only where it is used.
    hooked = bool(os.environ.get("HOOKED"))
    host = os.environ.get("SERVED_HOST", "127.0.0.1")
    with (AnnotatingDaemon if hooked else Daemon)(host=host) as daemon:
        daemon.register(Service(), "service")
        daemon.register(Session, "session")
        daemon.register(Census(daemon), "census")
        if isinstance(daemon, AnnotatingDaemon):
            daemon.register(Switch(daemon), "switch")
        print("SERVING", daemon.locationStr)
        daemon.requestLoop()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None)
