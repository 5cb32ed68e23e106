"""Event loops in which a test runs, and in which nothing may go wrong unnoticed."""

from __future__ import annotations

import asyncio
import gc
import os
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from .hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["eventually_async", "run", "uvloop_factory"]

T = TypeVar("T")


def uvloop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes event loops of uvloop.

    Where that is missing the calling test is skipped, except under ``CI``: there a
    test that cannot run is a failure.
    """
    if find_spec("uvloop") is None:
        reason = "uvloop is not installed; run the tests with tox, or install it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    factory: Callable[[], asyncio.AbstractEventLoop]
    factory = import_module("uvloop").new_event_loop
    return factory


def run(main: Callable[[], Coroutine[Any, Any, T]], kind: str = "asyncio") -> T:
    """Run a test in a new event loop.

    Args:
        main: the test.
        kind: whose event loop: ``"asyncio"`` or ``"uvloop"``.
    """
    factory = uvloop_factory() if kind == "uvloop" else None
    problems: list[dict[str, Any]] = []

    async def watched() -> T:
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, problem: problems.append(problem)
        )
        async with asyncio.timeout(DEADLINE):
            return await main()

    with asyncio.Runner(loop_factory=factory) as runner:
        result = runner.run(watched())
    # What was left open tells of it now, and not in the midst of another test.
    gc.collect()
    assert problems == []
    return result


async def eventually_async(condition: Callable[[], object], what: str = "") -> None:
    """Let the event loop run until a condition comes true, which nothing signals."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DEADLINE
    while not condition():
        assert loop.time() < deadline, f"never came true: {what or condition}"
        await asyncio.sleep(0.001)
