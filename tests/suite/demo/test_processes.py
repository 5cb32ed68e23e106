"""The demo's child processes."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from pyro_suite.demo.processes import ChildError, ChildProcess, stop_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

READY = re.compile("ready at (.*)")
FOREVER = (
    "import threading; print('ready at last', flush=True); threading.Event().wait()"
)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], ChildProcess]]:
    children: list[ChildProcess] = []

    def start_child(program: str) -> ChildProcess:
        children.append(ChildProcess("child", ["-c", program], os.environ, tmp_path))
        return children[-1]

    yield start_child
    stop_all(children)


def test_the_line_that_tells_readiness_is_found(
    start: Callable[[str], ChildProcess],
) -> None:
    assert start(FOREVER).wait_for_line(READY)[1] == "last"


def test_a_child_that_ends_before_it_is_ready_is_an_error_with_its_status(
    start: Callable[[str], ChildProcess],
) -> None:
    child = start("import sys; sys.exit('no such colour')")
    with pytest.raises(ChildError, match=r"child \(process \d+\) ended .* status 1"):
        child.wait_for_line(READY)
    assert child.log == ["no such colour"]


def test_all_are_gone_after_stopping(start: Callable[[str], ChildProcess]) -> None:
    children = [start(FOREVER) for _ in range(3)]
    for child in children:
        child.wait_for_line(READY)
    assert stop_all(children) == []
    assert all(child.ended for child in children)


def test_one_that_does_not_end_when_asked_is_killed_and_named(
    start: Callable[[str], ChildProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyro_suite.demo.processes.STOP_TIMEOUT_SECONDS", 0.2)
    stubborn = start(
        f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {FOREVER}"
    )
    stubborn.wait_for_line(READY)
    assert stop_all([stubborn]) == [stubborn]
    assert stubborn.ended


def test_one_that_has_ended_already_can_be_stopped(
    start: Callable[[str], ChildProcess],
) -> None:
    child = start("pass")
    with pytest.raises(ChildError):
        child.wait_for_line(READY)
    assert stop_all([child]) == []
