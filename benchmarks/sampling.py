"""The loop with the clocks, inside a client process."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Barrier, BrokenBarrierError
from typing import TYPE_CHECKING, Final

from forks import Forks
from peers.service import payload

if TYPE_CHECKING:
    from collections.abc import Callable

    from measures import Measure
    from peers.interface import Connection, Peer

__all__ = ["Sample", "Stopwatch", "take_sample"]

_WARM_UP_CALLS: Final = 200
"""Calls before the clock starts: adaptive bytecode and caches have settled."""

_WARM_UP_SECONDS: Final = 0.3
"""For that there need not be as many calls: some libraries take 40 ms to connect."""

_WARM_UP_REPEATS: Final = 2
"""The same for operations that are many calls themselves, after one that is checked."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The outcome of one round of one peer.

    Attributes:
        operations: how many were completed.
        seconds: wall-clock time they took.
        client_cpu: seconds of processor time used by the client process.
        server_cpu: the same for the server process.
    """

    operations: int
    seconds: float
    client_cpu: float
    server_cpu: float

    @property
    def elsewhere(self) -> float:
        """Share of the time, 0 to 1, that neither side spent on its processor.

        With both pinned to one CPU, which always has work, that is what other
        processes took, and what the kernel did for the sockets on its own account.
        """
        return max(0.0, 1 - (self.client_cpu + self.server_cpu) / self.seconds)


class Stopwatch:
    """Wall clock and the processor clocks of both sides.

    Args:
        seconds: how long operations shall be started.
        server_process: process id of the server.

    Attributes:
        deadline: when no more operations are started, by ``time.perf_counter``.
        elapsed: seconds by the wall clock, of the client's processor time and of the
            server's.
    """

    def __init__(self, seconds: float, server_process: int) -> None:
        self._seconds = seconds
        # The kernel's number for the processor clock of any process, which
        # clock_getcpuclockid(3) computes; Python has no function for it.
        self._server_clock = (~server_process << 3) | 2
        self.deadline = 0.0
        self._started = (0.0, 0.0, 0.0)
        self.elapsed = (0.0, 0.0, 0.0)

    def _read(self) -> tuple[float, float, float]:
        server = time.clock_gettime(self._server_clock)
        return time.perf_counter(), time.process_time(), server

    def start(self) -> None:
        """Begin to measure."""
        self._started = self._read()
        self.deadline = self._started[0] + self._seconds

    def stop(self) -> None:
        """End the measuring."""
        wall, client, server = self._read()
        started = self._started
        self.elapsed = (wall - started[0], client - started[1], server - started[2])


def take_sample(
    measure: Measure, peer: Peer, address: str, server_process: int, seconds: float
) -> Sample:
    """Repeat an operation for some time and return what it took.

    Args:
        measure: what to do.
        peer: the library to do it with.
        address: announced by the library's server.
        server_process: process id of that server.
        seconds: how long operations are started, of which there is one at least; the
            last one is completed.

    Raises:
        Exception: whatever the library raises, from the first thread that failed.
    """
    stopwatch = Stopwatch(seconds, server_process)
    if measure.processes > 1:
        return _in_processes(measure, peer, address, stopwatch)
    start = Barrier(measure.threads, action=stopwatch.start)
    stop = Barrier(measure.threads, action=stopwatch.stop)

    def work() -> int:
        try:
            connection = peer.connect(address)
            operation = _prepare(measure, peer, address, connection)
            start.wait()
            count = _repeat(operation, stopwatch.deadline)
            stop.wait()
            connection.close()
        except BaseException:
            start.abort()
            stop.abort()
            raise
        return count

    # A single client is measured as programs mostly run it: in the main thread.
    operations = work() if measure.threads == 1 else _in_threads(measure.threads, work)
    return Sample(operations, *stopwatch.elapsed)


def _prepare(
    measure: Measure, peer: Peer, address: str, connection: Connection
) -> Callable[[], object]:
    """Warm the operation up, check that it does its work, and return it."""
    operation: Callable[[], object] = connection.call
    if measure.operation in {"call", "connect"}:
        if measure.operation == "connect":
            operation = partial(_connect_once, peer, address)
        _warm_up(operation, _WARM_UP_CALLS)
        return operation
    if measure.operation == "upload":
        operation = partial(connection.upload, payload(measure.size))
        size = connection.upload(payload(measure.size))
    elif measure.operation == "download":
        operation = partial(connection.download, measure.size)
        size = len(connection.download(measure.size))
    else:
        operation = getattr(connection, measure.operation)
        began = time.perf_counter()
        if operation() != measure.answer:
            raise ValueError(f"{measure.operation} returned something else")
        if time.perf_counter() - began < _WARM_UP_SECONDS:
            _warm_up(operation, _WARM_UP_REPEATS)
        return operation
    if size != measure.size:
        raise ValueError(f"{measure.operation} moved {size} bytes, not {measure.size}")
    return operation


def _warm_up(operation: Callable[[], object], repeats: int) -> None:
    deadline = time.perf_counter() + _WARM_UP_SECONDS
    for _ in range(repeats):
        operation()
        if time.perf_counter() > deadline:
            break


def _connect_once(peer: Peer, address: str) -> None:
    connection = peer.connect(address)
    connection.call()
    connection.close()


def _repeat(operation: Callable[[], object], deadline: float) -> int:
    clock = time.perf_counter
    count = 0
    while True:
        operation()
        count += 1
        if clock() >= deadline:
            return count


def _in_threads(threads: int, work: Callable[[], int]) -> int:
    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(work) for _ in range(threads)]
    errors = [error for future in futures if (error := future.exception())]
    for error in errors:
        # The others only stopped waiting for the one that failed.
        if not isinstance(error, BrokenBarrierError):
            raise error
    return sum(future.result() for future in futures)


def _in_processes(
    measure: Measure, peer: Peer, address: str, stopwatch: Stopwatch
) -> Sample:
    """Have several processes do the work, beginning at the same time."""

    def prepare() -> Callable[[float], int]:
        connection = peer.connect(address)
        return partial(_repeat, _prepare(measure, peer, address, connection))

    with Forks(measure.processes, prepare) as forks:
        stopwatch.start()
        outcomes = forks.run_until(stopwatch.deadline)
        stopwatch.stop()
    seconds, _own_cpu, server_cpu = stopwatch.elapsed
    return Sample(
        operations=sum(count for count, _ in outcomes),
        seconds=seconds,
        client_cpu=sum(cpu for _, cpu in outcomes),
        server_cpu=server_cpu,
    )
