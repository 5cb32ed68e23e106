"""Clients of real daemons and name servers that fail, are busy, or come back."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol.testing import FaultyLine
from pyro_suite import (
    Configuration,
    Daemon,
    Proxy,
    RetryPolicy,
    asyncproxy,
    errors,
    expose,
    idempotent,
    replicas,
    start_ns,
)
from support.daemons import eventually, serving
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator

# More bytes than a test sends.
_PLENTY = 1 << 30


@expose
class Lamp:
    """Counts what was done with it."""

    def __init__(self, name: str = "lamp") -> None:
        self._name = name
        self.flashes = 0
        self.seen: list[int] = []
        self.entered = threading.Semaphore(0)
        self.go_on = threading.Event()

    def flash(self, number: int = 0) -> str:
        self.flashes += 1
        self.seen.append(number)
        return self._name

    @idempotent
    def name(self) -> str:
        self.flashes += 1
        return self._name

    def wait(self) -> str:
        self.entered.release()
        assert self.go_on.wait(DEADLINE)
        return self._name

    def count(self) -> Iterator[int]:
        yield from range(100_000)


@pytest.fixture
def settings() -> Configuration:
    return Configuration(use_environment=False)


@pytest.mark.parametrize("kind", ["thread", "asyncio"])
def test_a_busy_server_is_asked_again_and_runs_the_call_once(
    settings: Configuration, kind: Any
) -> None:
    settings.SERVERTYPE = kind
    settings.THREADPOOL_SIZE_MIN = settings.THREADPOOL_SIZE = 1
    settings.THREADPOOL_QUEUE_SIZE = 0
    lamp = Lamp()
    with serving(Daemon(config=settings)) as daemon:
        uri = daemon.register(lamp, "lamp")
        with Proxy(uri) as busy, Proxy(uri) as patient, Proxy(uri) as other:
            for proxy in (busy, patient, other):
                proxy._pyroBind()
            waiting = asyncproxy(busy).wait()
            assert lamp.entered.acquire(timeout=DEADLINE)
            with pytest.raises(errors.ServerBusyError):
                other.flash()
            patient._pyroRetryPolicy = RetryPolicy(attempts=100_000, max_delay=0.1)
            flashing = asyncproxy(patient).flash()
            eventually(lambda: daemon.busy_refusals >= 3)
            assert lamp.flashes == 0
            lamp.go_on.set()
            assert flashing.value == waiting.value == "lamp"
    assert lamp.flashes == 1


def test_calls_of_many_threads_through_a_line_that_breaks_run_once_at_most(
    settings: Configuration,
) -> None:
    lamp = Lamp()
    lock = threading.Lock()
    counts = {"answered": 0, "not_sent": 0, "unknown": 0}

    def flash(proxy: Proxy) -> None:
        try:
            proxy.flash()
            outcome = "answered"
        except errors.CommunicationError as error:
            outcome = error.outcome
        with lock:
            counts[outcome] += 1

    with (
        serving(Daemon(config=settings)) as daemon,
        FaultyLine(daemon.locationStr) as relay,
    ):
        daemon.register(lamp, "lamp")
        with Proxy(f"PYRO:lamp@{relay.location}") as proxy:
            proxy._pyroRetryPolicy = RetryPolicy(attempts=100, max_delay=0.01)
            with ThreadPoolExecutor(4) as pool:
                jobs = [pool.submit(flash, proxy) for _ in range(400)]
                for job in jobs[50::50]:
                    job.result(DEADLINE)
                    relay.lose_next_answer()
                for job in jobs:
                    job.result(DEADLINE)
    assert counts["not_sent"] == 0
    assert counts["answered"] > 0
    answered = counts["answered"]
    assert answered <= lamp.flashes <= answered + counts["unknown"]


@pytest.mark.parametrize("answers", [False, True], ids=["request", "answer"])
@pytest.mark.parametrize("serializer", ["auto", "serpent"])
def test_the_outcome_is_right_wherever_the_line_is_cut(
    settings: Configuration, serializer: str, answers: bool
) -> None:
    settings.SERIALIZER = serializer
    lamp = Lamp()
    outcomes: list[str] = []
    with (
        serving(Daemon(config=settings)) as daemon,
        FaultyLine(daemon.locationStr) as relay,
    ):
        daemon.register(lamp, "lamp")
        with Proxy(f"PYRO:lamp@{relay.location}", config=settings) as proxy:
            proxy._pyroRetryPolicy = RetryPolicy(first_delay=0.0)

            def cut_after(count: int) -> None:
                if answers:
                    relay.cut_after(to_client=count)
                else:
                    relay.cut_after(to_server=count)

            def cut_next_call(number: int) -> None:
                # A line that was cut behind an answer may be taken for a good one.
                cut_after(_PLENTY)
                proxy._pyroRelease()
                proxy._pyroBind()
                cut_after(number)

            while "answered" not in outcomes:
                number = len(outcomes)
                cut_next_call(number)
                try:
                    assert proxy.flash(number) == "lamp"
                    outcomes.append("answered")
                except errors.ConnectionClosedError as error:
                    outcomes.append(error.outcome)
                # It is idempotent, and so it gets through in spite of the same.
                cut_next_call(number)
                assert proxy.name() == "lamp"
    assert len(set(lamp.seen)) == len(lamp.seen)
    for number, outcome in enumerate(outcomes):
        assert outcome == "unknown" or (number in lamp.seen) == (outcome == "answered")
    # A message has a header of 40 bytes alone, and the line was cut after each byte.
    assert len(outcomes) > 40


@pytest.mark.parametrize("kind", ["thread", "multiplex", "asyncio"])
def test_replicas_come_and_go_at_a_real_name_server(
    settings: Configuration, kind: Any
) -> None:
    settings.SERVERTYPE = kind
    with start_ns("127.0.0.1", 0, config=settings).daemon as names:
        thread = threading.Thread(target=names.requestLoop)
        thread.start()
        settings.NS_HOST, _, port = names.locationStr.rpartition(":")
        settings.NS_PORT = int(port)
        settings.BROADCAST_ADDRS = []
        lamps = {name: Lamp(name) for name in "abc"}
        try:
            with ExitStack() as daemons:
                ends = {}
                for name, lamp in lamps.items():
                    end = daemons.enter_context(ExitStack())
                    daemon = end.enter_context(serving(Daemon(config=settings)))
                    ends[name] = end
                    uri = daemon.register(lamp, f"lamp.{name}")
                    names.nameserver.register(f"lamp.{name}", uri, metadata={"lamp"})
                with replicas("PYROMETA:lamp", "round_robin", config=settings) as proxy:
                    assert {proxy.name() for _ in range(3)} == {"a", "b", "c"}
                    ends["b"].close()
                    assert {proxy.name() for _ in range(6)} == {"a", "c"}
        finally:
            names.shutdown()
            thread.join(DEADLINE)


class Told(Proxy):
    """Keeps what it was told of lost connections."""

    _pyroTold: Any = None

    def _pyroReconnected(self, lost_session: bool) -> None:
        self._pyroTold = lost_session


@pytest.mark.parametrize("streaming", [True, False])
def test_the_program_learns_that_a_stream_was_lost_with_the_connection(
    settings: Configuration, streaming: bool
) -> None:
    with (
        serving(Daemon(config=settings)) as daemon,
        FaultyLine(daemon.locationStr) as relay,
    ):
        daemon.register(Lamp(), "lamp")
        with Told(f"PYRO:lamp@{relay.location}") as proxy:
            proxy._pyroBind()
            stream = proxy.count() if streaming else None
            chunked = stream is not None and hasattr(stream, "result")
            relay.lose_next_answer()
            with pytest.raises(errors.ConnectionClosedError):
                proxy.flash()
            assert proxy._pyroTold is None
            proxy.flash()
            assert proxy._pyroTold is chunked
