"""Calls in the background: futures, chains, and proxies in asynchronous mode."""

from __future__ import annotations

import asyncio
import concurrent.futures
import copy
import os
import pickle
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_client import (
    Future,
    FutureResult,
    Proxy,
    asyncproxy,
    background,
    batch,
    current_context,
)
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.workbench import Workbench

FAR = 1000.0


def add(one: int, other: int) -> int:
    return one + other


def fail(*_args: object) -> Any:
    raise LookupError("on purpose")


class Gate:
    """A function that runs until it is told to end."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.leave = threading.Event()

    def __call__(self, value: Any = None) -> Any:
        self.entered.set()
        assert self.leave.wait(DEADLINE)
        return value


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.leave.set()


# Futures of any function


def test_a_future_calls_a_function_in_the_background(gate: Gate) -> None:
    result = Future(gate)("done")
    assert gate.entered.wait(DEADLINE)
    assert not result.ready
    assert not result.wait(0)
    gate.leave.set()
    assert result.wait(DEADLINE)
    assert result.ready
    assert result.value == "done"


def test_a_future_passes_on_all_arguments() -> None:
    assert Future(add)(1, other=2).value == 3


def test_the_error_of_the_function_is_raised_each_time_the_value_is_read() -> None:
    result = Future(fail)()
    assert result.wait(DEADLINE)
    for _ in range(2):
        with pytest.raises(LookupError, match="on purpose"):
            _ = result.value


def test_a_future_can_be_called_once() -> None:
    future = Future(add)
    assert future(1, 2).value == 3
    with pytest.raises(RuntimeError, match="once"):
        future(1, 2)


def test_only_functions_have_a_future() -> None:
    with pytest.raises(TypeError, match="cannot be called"):
        Future(1)  # type: ignore[arg-type] # on purpose


def test_a_chain_passes_each_result_on_as_the_first_argument() -> None:
    future = Future(add).then(pow, 2).then(add, other=1)
    assert isinstance(future, Future)
    assert future(1, 2).value == 10


def test_what_is_chained_to_a_waiting_result_runs_in_the_background(
    gate: Gate,
) -> None:
    threads: list[int] = []

    def note(value: int) -> int:
        threads.append(threading.get_ident())
        return value * 2

    result = Future(gate)(4)
    assert gate.entered.wait(DEADLINE)
    assert result.then(note).then(note) is result
    assert not result.ready
    gate.leave.set()
    assert result.value == 16
    assert len(threads) == 2
    assert threading.get_ident() not in threads


def test_what_is_chained_to_a_result_that_is_there_runs_at_once() -> None:
    threads: list[int] = []
    result = Future(add)(1, 2)
    assert result.value == 3
    result.then(add, 4).then(lambda value: threads.append(threading.get_ident()))
    assert threads == [threading.get_ident()]
    assert result.ready
    assert result.value is None


def test_a_function_of_the_chain_can_chain_another(gate: Gate) -> None:
    result = Future(gate)(1)

    def chain(value: int) -> int:
        result.then(add, 10)
        return value + 100

    result.then(chain)
    gate.leave.set()
    assert result.value == 111


def test_after_a_failure_the_rest_of_the_chain_is_skipped() -> None:
    done: list[Any] = []
    result = Future(add).then(fail).then(done.append)(1, 2)
    with pytest.raises(LookupError):
        _ = result.value
    result.then(done.append)
    assert done == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_error_handler_gets_the_exception_once(when: str, gate: Gate) -> None:
    seen: list[BaseException] = []
    result = Future(gate).then(fail)()
    if when == "before":
        assert result.iferror(seen.append) is result
    gate.leave.set()
    assert result.wait(DEADLINE)
    if when == "after":
        assert result.iferror(seen.append) is result
    with pytest.raises(LookupError) as caught:
        _ = result.value
    assert seen == [caught.value]


def test_a_future_can_have_the_error_handler_too() -> None:
    seen: list[BaseException] = []
    assert Future(fail).iferror(seen.append)().wait(DEADLINE)
    assert [type(one) for one in seen] == [LookupError]


def test_without_an_error_the_handler_is_not_called() -> None:
    seen: list[BaseException] = []
    result = Future(add).iferror(seen.append)(1, 2)
    assert result.value == 3
    result.iferror(seen.append)
    assert seen == []


def test_a_handler_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    result = Future(fail).iferror(fail)()
    with pytest.raises(LookupError):
        _ = result.value
    assert "error handler" in caplog.text


def test_a_chain_that_waits_for_itself_is_an_error(gate: Gate) -> None:
    result = Future(gate)()
    result.then(lambda _value: result.value)
    gate.leave.set()
    with pytest.raises(RuntimeError, match="its own end"):
        _ = result.value


# Delay and cancel


def test_a_delayed_future_starts_later() -> None:
    future = Future(add)
    assert future.delay(FAR)
    result = future(1, 2)
    assert not result.ready
    assert future.delay(0)
    assert result.value == 3


def test_a_future_that_has_started_can_be_neither_delayed_nor_cancelled(
    gate: Gate,
) -> None:
    future = Future(gate)
    result = future("done")
    assert gate.entered.wait(DEADLINE)
    assert not future.delay(FAR)
    assert not future.cancel()
    gate.leave.set()
    assert result.value == "done"
    assert not future.cancel()


@pytest.mark.parametrize("when", ["before the call", "while it waits"])
def test_a_cancelled_future_does_not_start(when: str) -> None:
    done: list[Any] = []
    seen: list[BaseException] = []
    future = Future(done.append).then(done.append).iferror(seen.append)
    future.delay(FAR)
    if when == "before the call":
        assert future.cancel()
    result = future(1)
    if when == "while it waits":
        assert future.cancel()
    assert result.wait(DEADLINE)
    with pytest.raises(RuntimeError, match="cancelled"):
        _ = result.value
    assert done == []
    assert [type(one) for one in seen] == [RuntimeError]


def test_a_result_that_was_given_up_stays_so(gate: Gate) -> None:
    result = Future(gate)("dropped")
    assert gate.entered.wait(DEADLINE)
    assert result.set_cancelled()
    assert result.ready
    gate.leave.set()
    with pytest.raises(RuntimeError, match="cancelled"):
        _ = result.value
    assert not result.set_cancelled()


# The standard library


def test_a_result_is_a_future_of_the_standard_library_too(gate: Gate) -> None:
    result = Future(gate)(1).then(add, 1)
    future = result.future
    assert future is result.future
    assert not future.done()
    assert not future.cancel()
    gate.leave.set()
    assert concurrent.futures.wait([future], DEADLINE).done == {future}
    assert future.result() == 2
    result.then(add, 1)
    assert (future.result(), result.future.result(DEADLINE)) == (2, 3)


def test_the_standard_future_of_a_failure_has_the_exception() -> None:
    result = Future(fail)()
    assert isinstance(result.future.exception(DEADLINE), LookupError)
    result.iferror(lambda _error: None)
    assert isinstance(result.future.exception(DEADLINE), LookupError)


def test_a_result_can_be_awaited(proxy: Proxy) -> None:
    asyncproxy(proxy)

    async def main() -> list[int]:
        results = [proxy.add(number, 1) for number in range(5)]
        return [await asyncio.wrap_future(one.future) for one in results]

    assert asyncio.run(main()) == [1, 2, 3, 4, 5]


# Threads


def test_futures_that_wait_for_futures_get_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background, "MOST_THREADS", 2)
    monkeypatch.setattr(background, "_pools", [])

    def nested(depth: int) -> int:
        if depth == 0:
            return 0
        return 1 + int(Future(nested)(depth - 1).value)

    results = [Future(nested)(10) for _ in range(5)]
    assert [one.wait(DEADLINE) for one in results] == [True] * 5
    assert [one.value for one in results] == [10] * 5


def test_so_many_futures_run_at_once_and_the_others_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background, "MOST_THREADS", 3)
    monkeypatch.setattr(background, "_pools", [])
    lock = threading.Lock()
    running: list[int] = []
    most: list[int] = [0]

    def work(number: int) -> None:
        with lock:
            running.append(number)
            most[0] = max(most[0], len(running))
        with lock:
            running.remove(number)

    results = [Future(work)(number) for number in range(50)]
    assert all(one.wait(DEADLINE) for one in results)
    assert 1 <= most[0] <= 3


def test_each_call_sees_the_context_it_was_started_in(proxy: Proxy) -> None:
    asyncproxy(proxy)
    results = []
    for name in (b"one", b"two"):
        current_context.annotations = {"NAME": name}
        results.append(proxy.annotations())
    assert [one.value for one in results] == [{"NAME": "one"}, {"NAME": "two"}]


ENDING = """
import threading
from pyro_client import Future

started = threading.Event()

def run():
    started.set()
    threading.Event().wait()

Future(run)()
started.wait()
print("end of the program")
"""


def test_a_future_that_runs_does_not_keep_the_program_from_ending() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDING],
        check=True,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.stdout == "end of the program\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_futures_work_in_a_forked_child() -> None:
    program = """
import os
from pyro_client import Future

assert Future(abs)(-1).value == 1
child = os.fork()
if child == 0:
    os._exit(Future(abs)(-7).value)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        check=True,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.stdout == "7\n"


# Proxies


def test_methods_of_an_asynchronous_proxy_return_at_once(
    proxy: Proxy, bench: Workbench
) -> None:
    assert proxy._pyroAsync() is proxy
    result = proxy.slow()
    assert isinstance(result, FutureResult)
    assert bench.started.acquire(timeout=DEADLINE)
    assert not result.ready
    bench.release.set()
    assert result.wait(DEADLINE)


def test_chains_of_remote_calls(proxy: Proxy) -> None:
    asyncproxy(proxy)
    assert proxy.add(1, 2).then(add, 4).then(str).value == "7"


def test_a_chain_may_call_the_same_proxy(proxy: Proxy) -> None:
    asyncproxy(proxy)
    result = proxy.add(1, 2).then(lambda value: proxy.add(value, 10).value)
    assert result.value == 13


def test_remote_exceptions_stay_silent_until_the_value_is_read(proxy: Proxy) -> None:
    asyncproxy(proxy)
    result = proxy.fail("on purpose")
    assert result.wait(DEADLINE)
    with pytest.raises(ValueError, match="on purpose"):
        _ = result.value


def test_asynchronous_calls_share_the_connection(proxy: Proxy) -> None:
    assert proxy.add(1, 2) == 3
    connection = proxy._pyroConnection
    asyncproxy(proxy)
    results = [proxy.add(number, 1) for number in range(50)]
    assert [one.value for one in results] == [*range(1, 51)]
    assert proxy._pyroConnection is connection


def test_the_mode_can_be_left_again(proxy: Proxy) -> None:
    assert asyncproxy(proxy).add(1, 2).value == 3
    assert asyncproxy(proxy, asynchronous=False).add(1, 2) == 3


def test_a_method_obtained_before_keeps_its_mode(proxy: Proxy) -> None:
    before = proxy.add
    asyncproxy(proxy)
    assert before(1, 2) == 3
    assert proxy.add(1, 2).value == 3


def test_the_mode_goes_with_a_copy_and_not_with_a_pickle(proxy: Proxy) -> None:
    asyncproxy(proxy)
    with copy.copy(proxy) as duplicate:
        assert duplicate.add(1, 2).value == 3
    with pickle.loads(pickle.dumps(proxy)) as restored:
        assert restored.add(1, 2) == 3


def test_attributes_of_an_asynchronous_proxy_are_read_at_once(
    proxy: Proxy, bench: Workbench
) -> None:
    asyncproxy(proxy)
    proxy.level = 5
    assert proxy.level == bench.level == 5


def test_a_subclass_that_watches_calls_sees_those_in_the_background(uri: str) -> None:
    seen: list[str] = []

    class Watching(Proxy):
        def _pyroInvoke(self, methodname: str, *args: Any, **kwargs: Any) -> Any:
            seen.append(methodname)
            return super()._pyroInvoke(methodname, *args, **kwargs)

    with Watching(uri) as proxy:
        asyncproxy(proxy)
        assert proxy.add(1, 2).value == 3
    assert seen == ["add"]


def test_an_asynchronous_batch_returns_a_result_with_the_iterator(
    proxy: Proxy,
) -> None:
    collected = batch(proxy)
    collected.add(1, 2)
    collected.fail("on purpose")
    result = collected(asynchronous=True)
    assert len(collected) == 0
    values = result.value
    assert next(values) == 3
    with pytest.raises(ValueError, match="on purpose"):
        next(values)


def test_an_asynchronous_oneway_batch_has_no_results(
    proxy: Proxy, bench: Workbench
) -> None:
    collected = batch(proxy)
    collected.add(1, 2)
    assert collected(oneway=True, asynchronous=True).value is None
