from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pyro_protocol.errors import PyroError
from pyro_server.coroutines import CoroutineLoop
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator

colour: contextvars.ContextVar[str] = contextvars.ContextVar("colour")


@pytest.fixture
def coroutines() -> Iterator[CoroutineLoop]:
    coroutines = CoroutineLoop()
    yield coroutines
    coroutines.stop()


async def double(value: int) -> int:
    await asyncio.sleep(0)
    return value * 2


def test_a_coroutine_is_run_to_its_end(coroutines: CoroutineLoop) -> None:
    assert coroutines.run(double(21)) == 42


def test_there_is_no_thread_before_the_first_coroutine() -> None:
    before = threading.active_count()
    CoroutineLoop().stop()
    assert threading.active_count() == before


def test_it_sees_the_context_of_its_caller(coroutines: CoroutineLoop) -> None:
    async def look() -> str:
        return colour.get()

    colour.set("blue")
    assert coroutines.run(look()) == "blue"


@pytest.mark.parametrize(
    "error", [ValueError, SystemExit, KeyboardInterrupt, asyncio.CancelledError]
)
def test_its_exception_is_raised_and_the_event_loop_lives_on(
    coroutines: CoroutineLoop, error: type[BaseException]
) -> None:
    async def fail() -> None:
        raise error("broken on purpose")

    with pytest.raises(error, match="broken on purpose"):
        coroutines.run(fail())
    assert coroutines.run(double(1)) == 2


def test_coroutines_of_several_threads_run_at_the_same_time(
    coroutines: CoroutineLoop,
) -> None:
    async def meet(here: asyncio.Event, there: asyncio.Event) -> None:
        here.set()
        await asyncio.wait_for(there.wait(), DEADLINE)

    first, second = asyncio.Event(), asyncio.Event()
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(lambda: coroutines.run(meet(first, second)))
        two = pool.submit(lambda: coroutines.run(meet(second, first)))
        one.result(DEADLINE)
        two.result(DEADLINE)


def test_stopping_cancels_what_still_runs(coroutines: CoroutineLoop) -> None:
    started, cleaned_up = threading.Event(), threading.Event()

    async def wait_for_ever() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned_up.set()

    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(lambda: coroutines.run(wait_for_ever()))
        assert started.wait(DEADLINE)
        coroutines.stop()
        assert cleaned_up.is_set()
        with pytest.raises(asyncio.CancelledError):
            result.result(DEADLINE)


def test_once_it_is_stopped_no_coroutine_is_run(coroutines: CoroutineLoop) -> None:
    coroutines.run(double(1))
    coroutines.stop()
    coroutines.stop()
    with pytest.raises(PyroError, match="shut down"):
        coroutines.run(double(1))


def test_a_coroutine_may_stop_it(coroutines: CoroutineLoop) -> None:
    async def stop() -> bool:
        coroutines.stop()
        return coroutines.runs_current_thread()

    in_loop: bool = coroutines.run(stop())
    assert in_loop
    assert not coroutines.runs_current_thread()


def test_every_coroutine_ends_although_the_thread_is_being_stopped() -> None:
    for _ in range(50):
        coroutines = CoroutineLoop()
        with ThreadPoolExecutor(4) as pool:
            results = [pool.submit(coroutines.run, double(1)) for _ in range(8)]
            coroutines.stop()
            for result in results:
                error = result.exception(DEADLINE)
                assert isinstance(error, PyroError | asyncio.CancelledError | None)
