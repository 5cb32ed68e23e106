"""A window that shows what a server calls it with."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

from gui_callbacks.inbox import Inbox
from support.browsing import missing
from support.walkthrough import walk

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def display() -> Iterator[str]:
    """Start a screen that nobody sees, and return its name."""
    if importlib.util.find_spec("_tkinter") is None:
        # Python is built with it or not; no machine can add it.
        pytest.skip("this Python has no tkinter")
    if shutil.which("Xvfb") is None:
        missing("there is no Xvfb to show windows on; install Debian's package")
    reading, writing = os.pipe()
    with os.fdopen(reading) as numbers:
        screen = subprocess.Popen(
            [
                *("Xvfb", "-displayfd", str(writing), "-nolisten", "tcp"),
                *("-screen", "0", "800x600x24"),
            ],
            pass_fds=[writing],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(writing)
        with screen:
            try:
                yield f":{numbers.readline().strip()}"
            finally:
                screen.terminate()


def test_the_window_draws_readings_in_its_own_thread(display: str) -> None:
    with walk(
        "gui_callbacks",
        staying=("gui_callbacks.server",),
        settings={"DISPLAY": display},
    ) as steps:
        steps.follow()


def test_what_other_threads_hand_over_is_done_by_the_one_that_works_in_order() -> None:
    inbox = Inbox()
    done: list[tuple[int, threading.Thread]] = []

    def do(number: int) -> None:
        done.append((number, threading.current_thread()))

    def hand_over(start: int) -> None:
        for number in range(start, start + 100):
            inbox.hand_over(partial(do, number))

    threads = [threading.Thread(target=hand_over, args=(n,)) for n in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == []
    inbox.work()
    assert {thread for _, thread in done} == {threading.current_thread()}
    numbers = [number for number, _ in done]
    assert sorted(numbers) == list(range(300))
    for start in (0, 100, 200):
        own = [number for number in numbers if start <= number < start + 100]
        assert own == sorted(own)


def test_a_job_that_comes_while_the_inbox_is_emptied_waits_for_the_next_time() -> None:
    inbox = Inbox()
    done: list[str] = []

    def first() -> None:
        inbox.hand_over(lambda: done.append("later"))
        done.append("first")

    inbox.hand_over(first)
    inbox.work()
    assert done == ["first"]
    inbox.work()
    assert done == ["first", "later"]
