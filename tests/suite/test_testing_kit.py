"""The testing kit: real proxies and daemons in one process, with faults."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

import pyro_suite.testing
from pyro_suite import (
    Configuration,
    Daemon,
    Proxy,
    RetryPolicy,
    errors,
    expose,
    idempotent,
)
from pyro_suite.testing import (
    Fault,
    Faults,
    Leaks,
    faulty_line,
    in_process,
    running,
)
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.usefixtures("nothing_is_left")


@expose
class Thermostat:
    """An object as users write it."""

    def __init__(self) -> None:
        self._target = 20.0
        self.asked = 0

    @property
    def target(self) -> float:
        return self._target

    @target.setter
    def target(self, degrees: float) -> None:
        self._target = degrees

    def heat(self, room: str, degrees: float) -> str:
        if degrees > 30:
            raise ValueError("too hot")
        return f"{room}: {degrees}"

    def history(self, days: int) -> Iterator[int]:
        yield from range(days)

    def call_back(self, function: Callable[[int], int]) -> int:
        return function(20)

    @idempotent
    def ask(self) -> int:
        self.asked += 1
        return self.asked


@pytest.mark.parametrize("servertype", ["thread", "multiplex", "asyncio"])
def test_an_object_is_called_by_a_real_proxy(servertype: str) -> None:
    settings = Configuration(use_environment=False, SERVERTYPE=servertype)
    with in_process(Thermostat(), config=settings) as thermostat:
        assert thermostat.heat("hall", degrees=21.5) == "hall: 21.5"
        thermostat.target = 19.0
        assert thermostat.target == 19.0
        assert list(thermostat.history(3)) == [0, 1, 2]
        assert thermostat.call_back(lambda number: number + 1) == 21
        with pytest.raises(ValueError, match="too hot"):
            thermostat.heat("hall", degrees=31)


def test_a_class_is_instantiated_by_the_daemon() -> None:
    with in_process(Thermostat) as thermostat:
        assert thermostat.target == 20.0


def test_a_line_that_is_cut_is_seen_by_the_proxy() -> None:
    thermostat = Thermostat()
    with in_process(thermostat, faults=Faults(to_client=Fault(cut_after=10))) as proxy:
        with pytest.raises(errors.CommunicationError) as caught:
            proxy.ask()
        assert caught.value.outcome == "not_sent"
        # That happens once.
        assert proxy.ask() == 1


def test_a_line_that_is_silent_is_too_slow_for_the_proxy() -> None:
    faults = Faults(to_client=Fault(drop_after=0))
    with (
        in_process(Thermostat(), faults=faults, timeout=0.1) as proxy,
        pytest.raises(errors.TimeoutError),
    ):
        proxy.ask()


def test_a_retry_policy_is_tried_with_a_line() -> None:
    thermostat = Thermostat()
    with Daemon(host="127.0.0.1") as daemon, running(daemon):
        uri = daemon.register(thermostat)
        with faulty_line(uri) as line, Proxy(line.through(uri)) as proxy:
            proxy._pyroRetryPolicy = RetryPolicy(attempts=2, first_delay=0.0)
            assert proxy.ask() == 1
            line.lose_next_answer()
            assert proxy.ask() == 3
            line.cut()
            assert proxy.ask() == 4


def test_a_daemon_that_is_stuck_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyro_suite.testing.joining._PATIENCE", 0.05)
    end = threading.Event()

    class Stuck(Daemon):
        def requestLoop(self, *_args: object, **_options: object) -> None:
            end.wait(DEADLINE)

        def shutdown(self, *_args: object, **_options: object) -> None:
            pass

    with Stuck(host="127.0.0.1") as daemon:
        with pytest.raises(RuntimeError, match="does not end"), running(daemon):
            pass
        end.set()


def test_a_proxy_that_is_not_released_is_a_leak() -> None:
    leaks = Leaks()
    with Daemon(host="127.0.0.1") as daemon, running(daemon):
        proxy = Proxy(daemon.register(Thermostat()))
        assert proxy.ask() == 1
        with pytest.raises(AssertionError, match="left behind"):
            leaks.wait_until_nothing_is_left(0)
        assert len(leaks.connections()) == 1
        proxy._pyroRelease()
    leaks.wait_until_nothing_is_left(DEADLINE)


def test_all_tools_can_be_imported_from_one_place() -> None:
    for name in pyro_suite.testing.__all__:
        assert getattr(pyro_suite.testing, name).__class__
    assert set(pyro_suite.testing.__all__) <= set(dir(pyro_suite.testing))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pyro_suite.testing.nothing  # noqa: B018 - what it raises is tested


def test_the_plugin_is_imported_without_any_of_pyro() -> None:
    program = (
        "import sys, pytest; before = set(sys.modules)\n"
        "import pyro_suite.testing.plugin\n"
        "print(sorted(name for name in set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "pyro_protocol" not in done.stdout
    assert "asyncio" not in done.stdout
