"""Clients that are killed in the middle of their work: python killed.py WHERE KILLS.

It forks clients that connect and work without an end. Each is killed (with the
signal that cannot be caught) once it has had its first answer, while some others
are at work. Prints how many were killed; one that ends by itself is an error.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count, cycle, islice
from typing import Any, Final, NoReturn

from pyro_client import BatchProxy, Proxy

_AT_WORK: Final = 6
"""How many clients are at work while one is killed."""

_DATA: Final = bytes(2_000_000)


def calls(proxy: Proxy) -> Iterator[Any]:
    while True:
        yield proxy.work()


def uploads_and_downloads(proxy: Proxy) -> Iterator[Any]:
    while True:
        yield len(proxy.echo(_DATA))


def streams(proxy: Proxy) -> Iterator[Any]:
    while True:
        yield from islice(proxy.items(), 1000)


def many_streams(proxy: Proxy) -> Iterator[Any]:
    held = []
    for _ in range(900):
        stream = proxy.items()
        held.append(stream)
        yield next(stream)
    yield from calls(proxy)


def batches(proxy: Proxy) -> Iterator[Any]:
    while True:
        batch = BatchProxy(proxy)
        for _ in range(100):
            batch.work()
        yield from batch()


def oneway_calls(proxy: Proxy) -> Iterator[Any]:
    for number in count():
        proxy.note()
        if number % 100 == 0:
            yield proxy.work()


def coroutines(proxy: Proxy) -> Iterator[Any]:
    while True:
        yield proxy.work_later()


KINDS: Final[tuple[Callable[[Proxy], Iterator[Any]], ...]] = (
    *(calls, uploads_and_downloads, streams, many_streams),
    *(batches, oneway_calls, coroutines),
)


def work(kind: Callable[[Proxy], Iterator[Any]], location: str, ready: int) -> NoReturn:
    """Be a client until killed; the first answer is announced."""
    parent = os.getppid()
    try:
        with Proxy(f"PYRO:session@{location}") as proxy:
            for number, _ in enumerate(kind(proxy)):
                if number == 0:
                    os.write(ready, b"!")
                if os.getppid() != parent:
                    break
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def main(location: str, kills: int) -> None:
    # What a proxy imports when it is made, each of the clients would import again.
    Proxy(f"PYRO:session@{location}")
    at_work: deque[tuple[int, int]] = deque()
    kinds = islice(cycle(KINDS), kills)
    killed = 0
    while killed < kills:
        for kind in islice(kinds, _AT_WORK - len(at_work)):
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                work(kind, location, writing)
            os.close(writing)
            at_work.append((child, reading))
        child, reading = at_work.popleft()
        # Nothing is read where the client has failed, which its status tells.
        os.read(reading, 1)
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            raise SystemExit("a client has ended by itself")
        killed += 1
    print("KILLED", killed)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
