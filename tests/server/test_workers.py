from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

from pyro_server import workers
from pyro_server.workers import WorkerPool
from support.daemons import eventually
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def make_pool() -> Iterator[Callable[..., WorkerPool]]:
    pools: list[WorkerPool] = []

    def make(least: int = 1, most: int = 4, queue_size: int = 100) -> WorkerPool:
        pools.append(WorkerPool(least, most, queue_size, "pyro-worker-test"))
        return pools[-1]

    yield make
    for pool in pools:
        pool.stop()


class Work:
    """Jobs that run until they are let go."""

    def __init__(self) -> None:
        self.started = threading.Semaphore(0)
        self.release = threading.Event()
        self.finished = threading.Semaphore(0)

    def __call__(self) -> None:
        self.started.release()
        self.release.wait(DEADLINE)
        self.finished.release()

    def wait_for_start(self, count: int) -> None:
        for _ in range(count):
            assert self.started.acquire(timeout=DEADLINE)

    def let_go(self, count: int) -> None:
        self.release.set()
        for _ in range(count):
            assert self.finished.acquire(timeout=DEADLINE)


def test_no_thread_is_started_before_there_is_work(
    make_pool: Callable[..., WorkerPool],
) -> None:
    assert make_pool(least=3).thread_count == 0


def test_jobs_run_in_no_more_threads_than_allowed(
    make_pool: Callable[..., WorkerPool],
) -> None:
    pool, work = make_pool(most=3), Work()
    for _ in range(10):
        assert pool.submit(work)
    work.wait_for_start(3)
    assert not work.started.acquire(blocking=False)
    assert pool.thread_count == 3
    assert pool.work_waits() == 7
    work.let_go(10)
    eventually(lambda: pool.work_waits() == 0)


def test_a_thread_that_is_free_is_used_again(
    make_pool: Callable[..., WorkerPool],
) -> None:
    pool = make_pool(most=50)
    for _ in range(100):
        done = threading.Event()
        assert pool.submit(done.set)
        assert done.wait(DEADLINE)
    # A thread is free again only a moment after its job has ended.
    assert pool.thread_count < 10


def test_jobs_that_wait_for_each_other_all_get_a_thread(
    make_pool: Callable[..., WorkerPool],
) -> None:
    # None of them may be queued behind one that has just taken up another job.
    pool = make_pool(most=4, queue_size=4)
    for _ in range(300):
        meeting = threading.Barrier(5, timeout=DEADLINE)
        eventually(lambda: pool.work_waits() == 0)
        for _ in range(4):
            assert pool.submit(partial(_meet, meeting))
        meeting.wait()


def _meet(meeting: threading.Barrier) -> None:
    meeting.wait()


def test_a_full_queue_takes_no_more_until_a_thread_is_free(
    make_pool: Callable[..., WorkerPool],
) -> None:
    pool, work = make_pool(most=2, queue_size=1), Work()
    assert [pool.submit(work) for _ in range(4)] == [True, True, True, False]
    work.let_go(3)
    eventually(lambda: pool.submit(work))
    work.let_go(1)


def test_without_a_queue_each_thread_still_gets_a_job(
    make_pool: Callable[..., WorkerPool],
) -> None:
    pool, work = make_pool(most=2, queue_size=0), Work()
    assert [pool.submit(work) for _ in range(3)] == [True, True, False]
    work.let_go(2)


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_a_job_that_fails_costs_no_thread(
    make_pool: Callable[..., WorkerPool],
    error: type[BaseException],
    caplog: pytest.LogCaptureFixture,
) -> None:
    pool = make_pool(most=1)

    def fail() -> None:
        raise error("broken on purpose")

    done = threading.Event()
    assert pool.submit(fail)
    assert pool.submit(done.set)
    assert done.wait(DEADLINE)
    assert pool.thread_count == 1
    assert "broken on purpose" in caplog.text


def test_threads_above_the_least_go_when_there_is_nothing_to_do(
    make_pool: Callable[..., WorkerPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_IDLE_SECONDS", 0.01)
    pool, work = make_pool(least=2, most=6), Work()
    for _ in range(6):
        assert pool.submit(work)
    work.wait_for_start(6)
    assert pool.thread_count == 6
    work.let_go(6)
    eventually(lambda: pool.thread_count == 2)
    assert pool.submit(work)
    work.let_go(1)


def test_stopping_runs_what_is_queued_and_ends_the_threads(
    make_pool: Callable[..., WorkerPool],
) -> None:
    pool, work = make_pool(most=2), Work()
    for _ in range(5):
        assert pool.submit(work)
    work.release.set()
    pool.stop()
    for _ in range(5):
        assert work.finished.acquire(blocking=False)
    assert pool.thread_count == 0
    assert not pool.submit(work)
    pool.stop()


def test_a_job_may_stop_its_own_pool(make_pool: Callable[..., WorkerPool]) -> None:
    pool = make_pool()
    found: list[bool] = []
    done = threading.Event()

    def stop() -> None:
        found.append(pool.runs_current_thread())
        pool.stop()
        done.set()

    assert pool.submit(stop)
    assert done.wait(DEADLINE)
    assert found == [True]
    assert not pool.runs_current_thread()
    eventually(lambda: pool.thread_count == 0)


def test_where_the_system_gives_no_thread_the_others_do_the_work(
    make_pool: Callable[..., WorkerPool],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pool, work = make_pool(most=4), Work()
    assert pool.submit(work)
    work.wait_for_start(1)

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert pool.submit(work)
    assert pool.thread_count == 1
    assert "no more threads" in caplog.text
    work.let_go(2)


@pytest.mark.parametrize(("least", "most"), [(0, 4), (1, 0), (5, 4)])
def test_impossible_sizes_are_refused(least: int, most: int) -> None:
    with pytest.raises(ValueError, match="THREADPOOL_SIZE"):
        WorkerPool(least, most, 10, "pyro-worker-test")
