"""What a call costs, in counts that are the same on a busy machine.

Time is measured in ``benchmarks/``, against other libraries. Here are the causes of
time: system calls, bytes, memory, and the bytecodes that Python executes. A bound is
about a tenth above what was counted when it was last changed.
"""

from __future__ import annotations

import contextlib
import gc
import json
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pyro_protocol.testing import FaultyLine
from pyro_suite import Daemon, Proxy, expose
from support.daemons import serving
from support.hosting import DEADLINE
from support.programs import clean_environment
from support.system_calls import calls_between_marks, tracing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAMS: Final = Path(__file__).parent / "programs"

# Bytecodes of an operation in the client and in the server: a whole call, a connection
# with one call, one call of a batch of 500, or one item of a stream of 5,000, or of one
# whose items are asked for one by one. The most of Python 3.11 to 3.13.
MOST: Final = {
    "call": (300, 480),
    "connection": (3_000, 3_900),
    "oneway call": (185, 260),
    "bytes": (315, 560),
    # A server that is slow shares the work with its loop.
    "large bytes": (590, 3_400),
    "large bytes, upload": (930, 3_400),
    "serpent call": (920, 1_080),
    "records": (840, 820),
    "batch": (71, 65),
    "stream": (125, 160),
    "asked item": (475, 620),
    # The event loop is half of the first in the client, and most of the last. A server
    # that is slow gives the connection back between the calls.
    "async call": (1_540, 900),
    "calls at once": (870, 900),
    "calls in tasks": (1_340, 900),
}


def counted(*beside: int) -> dict[str, dict[str, float]]:
    """Return what each kind of work takes, in a process of its own."""
    done = subprocess.run(
        [sys.executable, PROGRAMS / "counting.py", *map(str, beside)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        # It is busy all the time, and everything in it is traced.
        timeout=2 * DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def costs() -> dict[str, dict[str, float]]:
    return counted()


@pytest.mark.parametrize("work", MOST)
def test_client_and_server_execute_few_bytecodes(
    costs: dict[str, dict[str, float]], work: str
) -> None:
    most_in_client, most_in_server = MOST[work]
    assert costs[work]["client"] <= most_in_client
    assert costs[work]["server"] <= most_in_server


def test_a_small_call_goes_through_few_functions(
    costs: dict[str, dict[str, float]],
) -> None:
    assert costs["call"]["client functions"] < 3
    assert costs["call"]["server functions"] < 3


def test_a_call_does_not_grow_with_what_else_there_is(
    costs: dict[str, dict[str, float]],
) -> None:
    idle_connections, registered_objects, registered_classes = 200, 2_000, 300
    grown = counted(idle_connections, registered_objects, registered_classes)
    for work in ("call", "serpent call", "records"):
        for side in ("client", "server"):
            # Looking at each of the fewest of them would take several times as many.
            most = costs[work][side] + idle_connections
            assert grown[work][side] <= most, f"{work}, {side}"


@contextlib.contextmanager
def serving_adder(prefix: list[str], *server_socket: str) -> Iterator[str]:
    """Serve from a process of its own, and yield the URI."""
    server = subprocess.Popen(
        [*prefix, sys.executable, PROGRAMS / "adding.py", "serve", *server_socket],
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.stdin.close()
            assert server.wait(DEADLINE) == 0


@pytest.fixture(params=["tcp", "unix"])
def server_socket(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    return [str(tmp_path / "adder")] if request.param == "unix" else []


def test_a_call_is_one_send_and_one_receive_on_each_side(
    tmp_path: Path, server_socket: list[str]
) -> None:
    calls = 100
    logs = {side: tmp_path / f"{side}.log" for side in ("server", "client")}
    program = str(PROGRAMS / "adding.py")
    with serving_adder(tracing(logs["server"]), *server_socket) as uri:
        client = [sys.executable, program, "call", uri, "10", str(calls)]
        subprocess.run(
            [*tracing(logs["client"]), *client],
            env=clean_environment(),
            timeout=DEADLINE,
            check=True,
        )
    for side, log in logs.items():
        rounds = calls_between_marks(log)
        # A side that had to wait long has handed over its connection meanwhile.
        least = min(rounds, key=lambda one: one.total())
        # The call that makes the server mark is one of them, or parts of two are.
        assert least.pop("sendto") <= calls + 1, f"{side}: {rounds}"
        assert least.pop("recvfrom") <= calls + 1, f"{side}: {rounds}"
        # For all calls together: memory for Python, and a turn for another thread.
        assert least.total() < calls / 10, f"{side}: {rounds}"


def instructions(log: Path, *arguments: str) -> int:
    """Return how many instructions a Python program executes in user mode."""
    perf = shutil.which("perf")
    if perf is None:
        pytest.skip("needs perf")
    command = [perf, "stat", "-x,", "-e", "instructions:u", "-o", str(log)]
    subprocess.run(
        [*command, sys.executable, *arguments],
        env=clean_environment(),
        timeout=DEADLINE,
        check=True,
    )
    count = log.read_text(encoding="utf-8").splitlines()[-1].partition(",")[0]
    if not count.isdigit():
        pytest.skip(f"perf may not count instructions here: {count}")
    return int(count)


def test_a_call_takes_the_client_few_instructions(tmp_path: Path) -> None:
    log, program = tmp_path / "perf", str(PROGRAMS / "adding.py")
    few, many = 200, 2_200
    # What a function call takes depends on how Python was built.
    local = "for _ in range({}): divmod(7, 2)"
    per_local = (
        instructions(log, "-c", local.format(many * 100))
        - instructions(log, "-c", local.format(few * 100))
    ) / ((many - few) * 100)
    with serving_adder([]) as uri:
        per_call = (
            instructions(log, program, "call", uri, "1", str(many))
            - instructions(log, program, "call", uri, "1", str(few))
        ) / (many - few)
    assert per_call <= 25 * per_local


@expose
class Adder:
    """Adds."""

    def add(self, one: int, other: int) -> int:
        return one + other

    def count(self, last: int) -> Iterator[int]:
        yield from range(last)


@pytest.fixture
def adder() -> Iterator[Daemon]:
    with Daemon(host="127.0.0.1") as daemon, serving(daemon):
        daemon.register(Adder(), "adder")
        yield daemon


def test_a_small_call_takes_few_bytes(adder: Daemon) -> None:
    with (
        FaultyLine(adder.locationStr) as line,
        Proxy(f"PYRO:adder@{line.location}") as proxy,
    ):
        assert proxy.add(1, 2) == 3
        line.measure()
        assert proxy.add(2, 3) == 5
        assert line.to_server <= 80
        assert line.to_client <= 60


def test_calls_need_little_memory_and_leave_none_behind(adder: Daemon) -> None:
    with Proxy(adder.uriFor("adder")) as proxy:

        def call(times: int) -> None:
            for _ in range(times):
                proxy.add(2, 3)

        def grown_by(work: Callable[[int], None], times: int) -> tuple[int, int]:
            gc.collect()
            tracemalloc.reset_peak()
            before, _peak = tracemalloc.get_traced_memory()
            work(times)
            gc.collect()
            after, peak = tracemalloc.get_traced_memory()
            return after - before, peak - before

        tracemalloc.start()
        try:
            call(100)
            left, at_once = grown_by(call, 10_000)
            least_at_once = min(grown_by(call, 20)[1] for _ in range(20))
        finally:
            tracemalloc.stop()
    # Of both sides, which are one process here. One of them may be receiving, and have
    # its buffer; ten bytes a call would be a leak.
    assert left < 100_000
    assert at_once < 200_000
    # Unless one of them had to wait long, what is received goes into small ones.
    assert least_at_once < 30_000


def test_a_connection_and_an_open_stream_take_little_memory() -> None:
    def traced() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    count = 25
    settings: dict[str, Any] = {"host": "127.0.0.1"}
    tracemalloc.start()
    try:
        with Daemon(**settings) as daemon, serving(daemon):
            uri = daemon.register(Adder(), "adder")
            with Proxy(uri) as first:
                assert first.add(2, 3) == 5
                before = traced()
                proxies = [Proxy(uri) for _ in range(count)]
                for proxy in proxies:
                    proxy._pyroBind()
                connected = traced()
                for proxy in proxies:
                    assert proxy.add(2, 3) == 5
                calling = traced()
                streams = [iter(first.count(1_000)) for _ in range(count)]
                for stream in streams:
                    assert next(stream) == 0
                streaming = traced()
                for proxy in proxies:
                    proxy._pyroRelease()
                del streams
    finally:
        tracemalloc.stop()
    # Client and server together, without what the kernel keeps.
    assert (connected - before) / count < 30_000, "a connection"
    assert (calling - connected) / count < 20_000, "what calls need"
    assert (streaming - calling) / count < 60_000, "a stream"
