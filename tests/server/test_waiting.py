"""Threads and tasks that wait for what comes from elsewhere."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pyro_protocol.context import CallState, call_state
from pyro_server.waiting import TaskWaiter, ThreadWaiter, in_event_loop, shorter


class _Left:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def remaining(self) -> float:
        return self._seconds


def test_a_thread_goes_on_when_it_is_woken() -> None:
    waiter = ThreadWaiter()
    threading.Thread(target=waiter.wake).start()
    assert waiter.wait(None)


def test_a_thread_that_was_woken_before_does_not_wait() -> None:
    waiter = ThreadWaiter()
    waiter.wake()
    waiter.wake()
    assert waiter.woken
    assert waiter.wait(10)


def test_a_thread_that_nobody_wakes_is_told_so() -> None:
    assert not ThreadWaiter().wait(0.001)


@pytest.mark.parametrize("seconds", [None, 10])
def test_a_task_goes_on_when_it_is_woken(seconds: float | None) -> None:
    async def main() -> bool:
        waiter = TaskWaiter()
        threading.Thread(target=waiter.wake).start()
        return await waiter.wait(seconds)

    assert asyncio.run(main())


def test_a_task_that_nobody_wakes_is_told_so() -> None:
    async def main() -> bool:
        return await TaskWaiter().wait(0.001)

    assert not asyncio.run(main())


def test_a_task_of_a_loop_that_was_closed_is_left_alone() -> None:
    async def main() -> TaskWaiter:
        return TaskWaiter()

    asyncio.run(main()).wake()


def test_an_event_loop_is_noticed() -> None:
    async def main() -> bool:
        return in_event_loop()

    assert asyncio.run(main())
    assert not in_event_loop()


@pytest.mark.parametrize(
    ("left", "timeout", "expected"),
    [(None, None, None), (None, 3, 3), (2, None, 2), (2, 3, 2), (3, 2, 2)],
)
def test_the_shorter_of_two_bounds_holds(
    left: float | None, timeout: float | None, expected: float | None
) -> None:
    state = CallState()
    state.deadline = None if left is None else _Left(left)
    token = call_state.set(state)
    try:
        assert shorter(timeout) == expected
    finally:
        call_state.reset(token)
