"""Very many callers, of threads and tasks, on one connection."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyro_suite import AsyncProxy, Configuration, Daemon, Proxy, expose
from support.hosting import DEADLINE
from support.programs import clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
THREADS = 64
CALLS = 20_000
TASKS = 1000


@expose
class Work:
    """Work of different length, some of it endless until it is let go."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._released: asyncio.Event | None = None
        self._begun = threading.Event()

    def count_to(self, number: int, last: int) -> tuple[int, int]:
        return number, sum(range(last))

    def echo(self, number: int, value: object) -> tuple[int, object]:
        return number, value

    def double(self, number: int) -> int:
        return number * 2

    def fail(self, number: int) -> None:
        raise ValueError(f"failure {number}")

    async def wait_for_release(self) -> str:
        self._loop = asyncio.get_running_loop()
        self._released = asyncio.Event()
        self._begun.set()
        await self._released.wait()
        return "released"

    def has_begun(self) -> bool:
        return self._begun.is_set()

    def release(self) -> None:
        assert self._loop is not None
        assert self._released is not None
        self._loop.call_soon_threadsafe(self._released.set)


def call(work: Proxy, number: int) -> None:
    """Make one of several kinds of calls, and check that the answer is its own."""
    kind = number % 20
    if kind == 0:
        assert work.count_to(number, 3000) == (number, sum(range(3000)))
    elif kind == 1:
        assert work.echo(number, [number] * 50) == (number, [number] * 50)
    elif kind == 2:
        with pytest.raises(ValueError, match=rf"^failure {number}\b"):
            work.fail(number)
    elif kind == 3:
        assert work.echo(number, value="x" * (number % 5000)) == (
            number,
            "x" * (number % 5000),
        )
    else:
        assert work.double(number) == 2 * number


def call_all(work: Proxy, calls: int) -> None:
    """Make many calls from many threads, while another call waits all the time."""
    with ThreadPoolExecutor(THREADS + 1) as pool:
        long = pool.submit(work.wait_for_release)
        while not work.has_begun():
            pass

        def call_some(first: int) -> None:
            for number in range(first, calls, THREADS):
                call(work, number)

        try:
            for _ in pool.map(call_some, range(THREADS), timeout=3 * DEADLINE):
                pass
            assert not long.done()
        finally:
            work.release()
        assert long.result(DEADLINE) == "released"


def test_threads_share_one_connection_and_none_holds_up_another(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    server_settings: Configuration,
    servertype: str,
) -> None:
    server_settings.SERVERTYPE = servertype
    daemon = start(Work())
    with connect(daemon, timeout=None) as work:
        call_all(work, CALLS)
        assert len(daemon.connections()) == 1


def test_threads_share_one_connection_that_has_no_heartbeat(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    client_settings: Configuration,
) -> None:
    # With nobody who looks after it, a forgotten thread would sleep for ever.
    client_settings.HEARTBEAT_INTERVAL = 0
    daemon = start(Work())
    with connect(daemon) as work:
        call_all(work, CALLS // 4)
        assert len(daemon.connections()) == 1


SWITCHING = """
import sys
from pyro_suite import Configuration, Proxy
from test_shared_connection import call_all

sys.setswitchinterval(1e-6)
settings = Configuration(use_environment=False)
settings.HEARTBEAT_INTERVAL = float(sys.argv[2])
with Proxy(sys.argv[1], config=settings) as work:
    call_all(work, 4000)
print("done")
"""


@pytest.mark.parametrize("interval", [0, 20])
def test_threads_may_take_turns_at_any_moment(
    start: Callable[..., Daemon], interval: float
) -> None:
    daemon = start(Work())
    result = subprocess.run(
        [sys.executable, "-c", SWITCHING, str(daemon.uriFor("thing")), str(interval)],
        check=False,
        capture_output=True,
        text=True,
        timeout=3 * DEADLINE,
        env=clean_environment({"PYTHONPATH": os.pathsep.join((*PARTS, *sys.path))}),
    )
    assert (result.stderr, result.stdout) == ("", "done\n")


def test_tasks_share_one_connection_and_none_holds_up_another(
    start: Callable[..., Daemon],
    client_settings: Configuration,
    server_settings: Configuration,
    servertype: str,
) -> None:
    server_settings.SERVERTYPE = servertype
    daemon = start(Work())

    async def call_some(work: AsyncProxy, first: int) -> None:
        for number in range(first, CALLS, TASKS):
            if number % 10 == 0:
                answer = await work.count_to(number, 3000)
                assert tuple(answer) == (number, sum(range(3000)))
            elif number % 10 == 1:
                with pytest.raises(ValueError, match=rf"^failure {number}\b"):
                    await work.fail(number)
            else:
                assert await work.double(number) == 2 * number

    async def call_all_of_them() -> None:
        uri = daemon.uriFor("thing")
        async with AsyncProxy(uri, config=client_settings) as work:
            long = asyncio.ensure_future(work.wait_for_release())
            while not await work.has_begun():
                pass
            async with asyncio.timeout(3 * DEADLINE):
                await asyncio.gather(*(call_some(work, one) for one in range(TASKS)))
            assert not long.done()
            await work.release()
            assert await long == "released"
            assert len(daemon.connections()) == 1

    asyncio.run(call_all_of_them())


def test_a_connection_closed_while_an_answer_is_read_closes_its_socket(
    start: Callable[..., Daemon], connect: Callable[..., Proxy]
) -> None:
    work = connect(start(Work()))
    # From the second call on it takes the short way.
    assert work.double(1) == work.double(1) == 2
    binding = work._pyro_binding
    assert binding._usual is not None
    channel, *others, read = binding._usual

    def read_and_release(size: int) -> bytes:
        data = read(size)
        work._pyroRelease()
        return data

    binding._usual = channel, *others, read_and_release  # type: ignore[assignment] # as many
    assert work.double(2) == 4
    assert channel.sock.fileno() == -1
