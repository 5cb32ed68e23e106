"""Counts what a call makes this process execute, in the client and in the server.

Prints one JSON object: for each kind of work, how many bytecodes and how many calls of
Python functions one operation takes in each of them. Both are the same each time, and
on every machine with the same Python. The work can be done beside idle connections,
other objects and registered classes:

    counting.py [IDLE OBJECTS CLASSES]
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import struct
import sys
import threading
from typing import TYPE_CHECKING, Any

from pyro_server import byte_streams
from pyro_server.hosts import thread
from pyro_suite import (
    AsyncProxy,
    BatchProxy,
    Configuration,
    Daemon,
    Proxy,
    expose,
    oneway,
    register_class_to_dict,
    register_dict_to_class,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

ROUNDS = 10
MOST_ROUNDS = 30
WARM_UP = 60
# So few that a server that is slow does not share them among its workers.
FEW = 30
LARGE = bytes(1 << 20)
BYTES = random.Random(1).randbytes(48 * 1024)
RECORDS = [
    {"id": n, "name": f"probe {n}", "value": n / 7, "tags": ["a", "b"], "on": True}
    for n in range(100)
]


class Count:
    """Bytecodes and calls of functions, counted by a trace function."""

    def __init__(self) -> None:
        # Threads add to them at the same time, which these do without a lock.
        self._bytecodes = itertools.count()
        self._functions = itertools.count()

    def trace(self, frame: FrameType, _event: str, _argument: object) -> Any:
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        next(self._functions)
        return self._trace_inside

    def _trace_inside(self, _frame: FrameType, event: str, _argument: object) -> Any:
        if event == "opcode":
            next(self._bytecodes)
        return self._trace_inside

    def read(self) -> tuple[int, int]:
        return _value(self._bytecodes), _value(self._functions)


def _value(counter: itertools.count[int]) -> int:
    return int(repr(counter).removeprefix("count(").removesuffix(")"))


class Thing:
    """What is called."""

    @expose
    def add(self, one: int, other: int) -> int:
        return one + other

    @expose
    def echo(self, value: object) -> object:
        return value

    @expose
    @oneway
    def note(self, number: int) -> None:
        pass

    @expose
    def count(self, last: int) -> Iterator[int]:
        yield from range(last)

    @expose
    def large(self) -> bytes:
        return LARGE

    @expose
    def size(self, data: bytes) -> int:
        return len(data)


def _make(_name: str, members: dict[str, Any]) -> dict[str, Any]:
    return members


def call(proxy: Proxy) -> int:
    for _ in range(20):
        proxy.add(2, 3)
    return 20


def echo_bytes(proxy: Proxy) -> int:
    for _ in range(10):
        proxy.echo(BYTES)
    return 10


def echo_records(proxy: Proxy) -> int:
    proxy.echo(RECORDS)
    return 1


def batch(proxy: Proxy) -> int:
    together = BatchProxy(proxy)
    for _ in range(500):
        together.add(2, 3)
    return sum(1 for _ in together())


def connect(proxy: Proxy) -> int:
    for _ in range(10):
        with Proxy(proxy._pyroUri) as other:
            other.add(2, 3)
    return 10


def send_oneway(proxy: Proxy) -> int:
    for number in range(100):
        proxy.note(number)
    proxy.add(2, 3)
    return 100


def read_stream(proxy: Proxy) -> int:
    return sum(1 for _ in proxy.count(5_000))


def ask_for_items(proxy: Proxy) -> int:
    return sum(1 for _ in proxy.count(100))


def download(proxy: Proxy) -> int:
    for _ in range(10):
        proxy.large()
    return 10


def upload(proxy: Proxy) -> int:
    for _ in range(10):
        proxy.size(LARGE)
    return 10


class Looping:
    """An async proxy and its event loop, for one kind of work."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._proxy: AsyncProxy | None = None

    def call(self, proxy: Proxy) -> int:
        return self._run(proxy, self._one_by_one)

    def call_together(self, proxy: Proxy) -> int:
        return self._run(proxy, self._together)

    def call_in_tasks(self, proxy: Proxy) -> int:
        return self._run(proxy, self._in_tasks)

    def close(self) -> None:
        if self._loop is not None and self._proxy is not None:
            self._loop.run_until_complete(self._proxy._pyroRelease())
            self._loop.close()

    def _run(self, proxy: Proxy, work: Callable[[AsyncProxy], Any]) -> int:
        if self._loop is None or self._proxy is None:
            self._loop = asyncio.new_event_loop()
            self._proxy = AsyncProxy(proxy._pyroUri)
        done: int = self._loop.run_until_complete(work(self._proxy))
        return done

    async def _one_by_one(self, proxy: AsyncProxy) -> int:
        for _ in range(20):
            await proxy.add(2, 3)
        return 20

    async def _together(self, proxy: AsyncProxy) -> int:
        return len(await asyncio.gather(*[proxy.add(2, 3) for _ in range(FEW)]))

    async def _in_tasks(self, proxy: AsyncProxy) -> int:
        async with asyncio.TaskGroup() as group:
            for _ in range(FEW):
                group.create_task(proxy.add(2, 3))
        return FEW


looping = Looping()

WORK: dict[str, tuple[str, Callable[[Proxy], int]]] = {
    "call": ("", call),
    "connection": ("", connect),
    "oneway call": ("", send_oneway),
    "bytes": ("", echo_bytes),
    "large bytes": ("", download),
    "large bytes, upload": ("", upload),
    "serpent call": ("serpent", call),
    "records": ("", echo_records),
    "batch": ("", batch),
    "stream": ("", read_stream),
    "asked item": ("", ask_for_items),
    "async call": ("", looping.call),
    "calls at once": ("", looping.call_together),
    "calls in tasks": ("", looping.call_in_tasks),
}
# How many items servers may be ahead, where that is not as many as by default.
READ_AHEAD = {"asked item": 0}


def main(idle: int = 0, objects: int = 0, classes: int = 0) -> None:
    client, server = Count(), Count()
    settings = Configuration(use_environment=False)
    found = {}
    with Daemon(host="127.0.0.1", config=settings) as daemon:
        uri = daemon.register(Thing(), "thing")
        for number in range(objects):
            daemon.register(Thing(), f"other{number}")
        for number in range(classes):
            made = type(f"Made{number}", (), {})
            register_class_to_dict(made, vars)
            register_dict_to_class(f"made.Made{number}", _make)
        threading.settrace(server.trace)
        serving = threading.Thread(target=daemon.requestLoop)
        serving.start()
        connections = [Proxy(uri) for _ in range(idle)]
        for one in connections:
            one._pyroBind()
        _take_nothing_for_long(daemon)
        for name, (serializer, work) in WORK.items():
            ahead = READ_AHEAD.get(name, settings.STREAM_READ_AHEAD)
            chosen = Configuration(use_environment=False, STREAM_READ_AHEAD=ahead)
            with Proxy(uri, config=chosen) as proxy:
                if serializer:
                    proxy._pyroSerializer = serializer
                for _ in range(WARM_UP):
                    proxy.add(2, 3)
                work(proxy)
                found[name] = _least(proxy, work, client, server)
        looping.close()
        threading.settrace(None)
        for one in connections:
            one._pyroRelease()
        daemon.shutdown()
        serving.join()
    print(json.dumps(found))


def _take_nothing_for_long(daemon: Daemon) -> None:
    """Have the server stay with a client, however slow the machine is."""
    byte_streams._LINGER = struct.pack("ll", 60, 0)  # type: ignore[misc] # of this process
    byte_streams.set_linger(daemon.transportServer.listener.sock)  # type: ignore[union-attr] # not the host of one socket
    thread._LONG_CALL = thread._LONGEST_BURST = 60.0  # type: ignore[misc]


def _least(
    proxy: Proxy, work: Callable[[Proxy], int], client: Count, server: Count
) -> dict[str, float]:
    """Return the least of some rounds: now and then a thread does other things.

    On a busy machine it does so in most rounds; then there are more of them, until
    some agree.
    """
    rounds: list[list[float]] = []
    while len(rounds) < ROUNDS or (len(rounds) < MOST_ROUNDS and _differ(rounds)):
        before = client.read() + server.read()
        sys.settrace(client.trace)
        done = work(proxy)
        sys.settrace(None)
        after = client.read() + server.read()
        rounds.append([(b - a) / done for a, b in zip(before, after, strict=True)])
    names = ("client", "client functions", "server", "server functions")
    return dict(zip(names, map(min, zip(*rounds, strict=True)), strict=True))


def _differ(rounds: list[list[float]]) -> bool:
    """Tell whether less than three rounds of the server were as good as the best."""
    least, _second, third, *_others = sorted(server for _, _, server, _ in rounds)
    return third > least * 1.05


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
