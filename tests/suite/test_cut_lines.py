"""Calls whose connection is cut after every single byte of what is said for them."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol.testing import FaultyLine
from pyro_suite import AsyncProxy, Daemon, Proxy, RetryPolicy, errors, expose
from support.daemons import serving
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDS = pytest.mark.parametrize("abort", [False, True], ids=["closed", "aborted"])


class Ledger:
    """Remembers what was booked, and how often."""

    def __init__(self) -> None:
        self.booked: Counter[str] = Counter()
        self._lock = threading.Lock()

    @expose
    def book(self, name: str) -> str:
        with self._lock:
            self.booked[name] += 1
        return name


class World:
    """A ledger, and a line to it that can be cut."""

    def __init__(self, daemon: Daemon, ledger: Ledger, line: FaultyLine) -> None:
        self.daemon = daemon
        self.ledger = ledger
        self.line = line
        self.uri = f"PYRO:ledger@{line.location}"
        # Name of each call, and what its caller was told: None is success.
        self.told: dict[str, str | None] = {}

    def check(self) -> None:
        """Compare what the callers were told with what has happened."""
        self.daemon.shutdown(drain=DEADLINE)
        booked = self.ledger.booked
        assert set(booked) <= set(self.told)
        assert set(booked.values()) == {1}, "a call was run twice"
        for name, outcome in self.told.items():
            if outcome is None:
                assert booked[name] == 1, f"{name} was answered, and did not run"
            elif outcome == "not_sent":
                assert not booked[name], f"{name} has run, and is said not to have"


@pytest.fixture
def world() -> Iterator[World]:
    ledger = Ledger()
    with Daemon(host="127.0.0.1") as daemon, serving(daemon):
        daemon.register(ledger, "ledger")
        with FaultyLine(daemon.locationStr) as line:
            world = World(daemon, ledger, line)
            yield world
            world.check()


def places(line: FaultyLine) -> list[dict[str, int]]:
    """Return where the exchange just measured can be cut."""
    to_server, to_client = line.to_server, line.to_client
    assert to_server > 40
    assert to_client > 40
    return [
        *({"to_server": count} for count in range(1, to_server + 1)),
        *({"to_client": count} for count in range(1, to_client + 1)),
    ]


def name_of(place: dict[str, int], *, abort: bool) -> str:
    ((direction, count),) = place.items()
    return f"{direction} {count:03} {abort}"


@ENDS
def test_the_outcome_that_a_proxy_reports_is_never_wrong(
    world: World, abort: bool
) -> None:
    with Proxy(world.uri) as proxy:
        # Names of equal length make exchanges of equal length.
        world.told[name_of({"to_server": 0}, abort=abort)] = None
        proxy._pyroBind()
        world.line.measure()
        proxy.book(name_of({"to_server": 0}, abort=abort))
        for place in places(world.line):
            name = name_of(place, abort=abort)
            world.line.cut_after(**place, abort=abort)
            try:
                proxy.book(name)
            except errors.CommunicationError as error:
                world.told[name] = error.outcome
            else:
                world.told[name] = None
            world.line.measure()
            for number in range(2):
                again = f"{name} again {number}"
                try:
                    assert proxy.book(again) == again
                except errors.ConnectionClosedError as error:
                    # It was cut after its last answer, and nobody knew yet.
                    assert not number, "the proxy has not recovered"
                    world.told[again] = error.outcome
                else:
                    world.told[again] = None
    outcomes = set(world.told.values())
    assert "unknown" in outcomes


@ENDS
def test_the_outcome_that_an_async_proxy_reports_is_never_wrong(
    world: World, abort: bool
) -> None:
    async def call_all() -> None:
        async with AsyncProxy(world.uri) as proxy, asyncio.timeout(DEADLINE * 3):
            world.told[name_of({"to_server": 0}, abort=abort)] = None
            await proxy._pyroBind()
            world.line.measure()
            await proxy.book(name_of({"to_server": 0}, abort=abort))
            for place in places(world.line):
                name = name_of(place, abort=abort)
                world.line.cut_after(**place, abort=abort)
                try:
                    await proxy.book(name)
                except errors.CommunicationError as error:
                    world.told[name] = error.outcome
                else:
                    world.told[name] = None
                world.line.measure()
                for number in range(2):
                    again = f"{name} again {number}"
                    try:
                        assert await proxy.book(again) == again
                    except errors.ConnectionClosedError as error:
                        # It was cut after its last answer, and nobody knew yet.
                        assert not number, "the proxy has not recovered"
                        world.told[again] = error.outcome
                    else:
                        world.told[again] = None

    asyncio.run(call_all())
    assert "unknown" in set(world.told.values())


@ENDS
def test_no_call_is_run_twice_by_retries(world: World, abort: bool) -> None:
    with Proxy(world.uri) as proxy:
        proxy._pyroRetryPolicy = RetryPolicy(attempts=5, first_delay=0.001)
        world.told[name_of({"to_server": 0}, abort=abort)] = None
        proxy._pyroBind()
        world.line.measure()
        proxy.book(name_of({"to_server": 0}, abort=abort))
        for place in places(world.line):
            name = name_of(place, abort=abort)
            world.line.cut_after(**place, abort=abort)
            try:
                proxy.book(name)
            except errors.CommunicationError as error:
                world.told[name] = error.outcome
            else:
                world.told[name] = None
            world.line.measure()
    assert "not_sent" not in world.told.values(), "it could have been tried again"


@ENDS
def test_a_cut_handshake_is_known_not_to_have_run_anything(
    world: World, abort: bool
) -> None:
    world.line.measure()
    with Proxy(world.uri) as proxy:
        proxy._pyroBind()
    sent, received = world.line.to_server, world.line.to_client
    for place in (
        *({"to_server": count} for count in range(1, sent)),
        *({"to_client": count} for count in range(1, received)),
    ):
        name = name_of(place, abort=abort)
        world.line.cut_after(**place, abort=abort)
        with Proxy(world.uri) as proxy:
            with pytest.raises(errors.CommunicationError) as caught:
                proxy.book(name)
            assert caught.value.outcome == "not_sent"
            world.told[name] = "not_sent"
            world.line.measure()
            assert proxy.book(f"{name} again")
            world.told[f"{name} again"] = None


def test_calls_of_others_on_a_cut_connection_are_told_the_truth(world: World) -> None:
    with Proxy(world.uri) as proxy:
        proxy._pyroBind()
        together = threading.Barrier(8)

        def call(thread: int) -> dict[str, Any]:
            told: dict[str, Any] = {}
            for count in range(40):
                name = f"thread {thread} call {count}"
                together.wait(DEADLINE)
                if thread == 0:
                    world.line.cut_after(to_client=count * 11 + 1, abort=count % 2 == 1)
                try:
                    proxy.book(name)
                except errors.CommunicationError as error:
                    told[name] = error.outcome
                else:
                    told[name] = None
            return told

        with ThreadPoolExecutor(8) as pool:
            for told in pool.map(call, range(8), timeout=DEADLINE * 2):
                world.told |= told
        world.line.measure()
        proxy.book("last")
        world.told["last"] = None
