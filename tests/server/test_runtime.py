from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol.dispatch.runtime import Turn
from pyro_protocol.errors import ServerBusyError
from pyro_server.runtime import DaemonRuntime
from pyro_server.workers import WorkerPool
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

colour: contextvars.ContextVar[str] = contextvars.ContextVar("colour")


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool(1, 1, 10, "pyro-worker")
    yield pool
    pool.stop()


class Work:
    """A function that waits until it may go on, in whatever thread runs it."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.ended = False

    def __call__(self) -> str:
        self.begun.set()
        assert self.may_end.wait(DEADLINE)
        self.ended = True
        return "done"


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, DEADLINE))


def test_a_function_is_run_by_a_worker_in_the_context_of_the_caller(
    pool: WorkerPool,
) -> None:
    def look() -> tuple[str, bool]:
        return colour.get(), pool.runs_current_thread()

    async def main() -> Any:
        colour.set("blue")
        return await DaemonRuntime(pool.submit).run(look)

    assert run(main()) == ("blue", True)


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_what_it_raises_is_raised_where_it_is_waited_for(
    pool: WorkerPool, error: type[BaseException]
) -> None:
    def fail() -> None:
        raise error("broken on purpose")

    async def main() -> None:
        with pytest.raises(error, match="broken on purpose"):
            await DaemonRuntime(pool.submit).run(fail)

    run(main())


def test_without_room_it_is_not_run() -> None:
    async def main() -> None:
        with pytest.raises(ServerBusyError, match="was not run"):
            await DaemonRuntime(lambda _job: False).run(Work())

    run(main())


def test_who_is_cancelled_waits_for_what_has_begun(pool: WorkerPool) -> None:
    work = Work()

    async def main() -> None:
        task = asyncio.create_task(DaemonRuntime(pool.submit).run(work))
        await asyncio.to_thread(work.begun.wait, DEADLINE)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        work.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert work.ended

    run(main())


def test_what_has_not_begun_when_it_is_cancelled_is_never_run() -> None:
    jobs: list[Callable[[], None]] = []
    work = Work()

    def submit(job: Callable[[], None]) -> bool:
        jobs.append(job)
        return True

    async def main() -> None:
        task = asyncio.create_task(DaemonRuntime(submit).run(work))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    for job in jobs:
        job()
    assert not work.begun.is_set()


def test_a_coroutine_that_nobody_awaits_any_more_is_closed(pool: WorkerPool) -> None:
    work = Work()

    async def rest() -> None:
        """Never run; the warning that it was not would be an error."""

    def begin() -> Any:
        work()
        return rest()

    async def main() -> None:
        task = asyncio.create_task(DaemonRuntime(pool.submit).run(begin))
        await asyncio.to_thread(work.begun.wait, DEADLINE)
        task.cancel()
        await asyncio.sleep(0)
        work.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


def test_a_turn_may_come_before_it_is_waited_for_and_from_another_thread() -> None:
    runtime = DaemonRuntime(lambda _job: False)

    async def main() -> None:
        early, late = Turn(), Turn()
        early.come()
        await runtime.wait_for(early)
        waiting = asyncio.create_task(runtime.wait_for(late))
        await asyncio.sleep(0)
        assert not waiting.done()
        await asyncio.to_thread(late.come)
        await waiting

    run(main())
