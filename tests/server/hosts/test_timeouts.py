from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pyro_server.hosts.timeouts import Timeouts


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def test_those_that_have_waited_longest_come_first(clock: Clock) -> None:
    timeouts: Timeouts[str] = Timeouts()
    for name in ("first", "second", "third"):
        timeouts.start(name)
        clock.now += 1
    assert timeouts.take_expired(3.5) == []
    assert timeouts.take_expired(2) == ["first", "second"]
    assert timeouts.take_expired(2) == []
    assert timeouts.take_expired(1) == ["third"]


def test_a_time_that_begins_anew_ends_later(clock: Clock) -> None:
    timeouts: Timeouts[str] = Timeouts()
    timeouts.start("first")
    timeouts.start("second")
    clock.now += 5
    timeouts.start("first")
    assert timeouts.take_expired(4) == ["second"]
    clock.now += 4
    assert timeouts.take_expired(4) == ["first"]


def test_a_time_that_is_cancelled_never_ends(clock: Clock) -> None:
    timeouts: Timeouts[str] = Timeouts()
    timeouts.start("first")
    timeouts.cancel("first")
    timeouts.cancel("never started")
    clock.now += 1000
    assert timeouts.take_expired(1) == []


def test_other_threads_may_take_out_members_meanwhile() -> None:
    timeouts: Timeouts[int] = Timeouts()
    members = range(3000)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for member in members:
            timeouts.start(member)
        with ThreadPoolExecutor(2) as pool:
            taking = [
                pool.submit(lambda part=part: [*map(timeouts.cancel, part)])  # type: ignore[misc] # mypy has no type for a default
                for part in (members[::3], members[1::3])
            ]
            expired = timeouts.take_expired(0)
            for one in taking:
                one.result()
    finally:
        sys.setswitchinterval(before)
    assert set(members[2::3]) <= set(expired)
    assert len(expired) == len(set(expired))
    assert len(timeouts) == 0
