"""One proxy in many hands: threads, processes, and nobody at all."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pyro_client import Proxy, RetryPolicy, current_context
from pyro_protocol.errors import ConnectionClosedError
from support.hosting import DEADLINE, HostThread
from support.scripted import Peer, ScriptedServer

if TYPE_CHECKING:
    from support.workbench import Workbench

THREADS = 16
CALLS = 150


def test_every_answer_reaches_its_caller(proxy: Proxy, host: HostThread) -> None:
    together = threading.Barrier(THREADS)

    def call(thread: int) -> list[str]:
        together.wait(DEADLINE)
        return [proxy.add(f"{thread}:", str(number)) for number in range(CALLS)]

    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(call, range(THREADS), timeout=DEADLINE))
    for thread, answers in enumerate(results):
        assert answers == [f"{thread}:{number}" for number in range(CALLS)]
    assert host.connection_count == 1


def test_answers_of_different_kinds_do_not_get_mixed_up(proxy: Proxy) -> None:
    def calls(_thread: int) -> None:
        for number in range(CALLS // 5):
            assert proxy.add(number, 1) == number + 1
            assert list(proxy.count(3)) == [0, 1, 2]
            with pytest.raises(ValueError, match=f"failure {number}"):
                proxy.fail(f"failure {number}")
            proxy.note(number)
            assert proxy.fixed == "cannot be set"
            batch = proxy._pyroBatch()
            batch.add(number, 2)
            assert list(batch()) == [number + 2]

    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(calls, range(8), timeout=DEADLINE):
            pass


def test_threads_that_meet_at_the_first_call_make_one_connection(uri: str) -> None:
    with HostThread() as host:
        from support.workbench import Workbench as Bench

        host.register(Bench(), "bench")
        for _ in range(20):
            proxy = Proxy(f"PYRO:bench@{host.location}")
            together = threading.Barrier(8)

            def call(
                number: int,
                proxy: Proxy = proxy,
                together: threading.Barrier = together,
            ) -> int:
                together.wait(DEADLINE)
                result: int = proxy.add(number, 0)
                return result

            with ThreadPoolExecutor(8) as pool:
                assert list(pool.map(call, range(8), timeout=DEADLINE)) == list(
                    range(8)
                )
            assert host.connection_count == 1
            proxy._pyroRelease()
            host.wait_for_client_gone()


def test_releasing_ends_the_call_another_thread_is_waiting_for(
    proxy: Proxy, bench: Workbench
) -> None:
    errors: list[Exception] = []

    def wait() -> None:
        try:
            proxy.slow()
        except ConnectionClosedError as error:
            errors.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert bench.started.acquire(timeout=DEADLINE)
    proxy._pyroRelease()
    waiting.join(DEADLINE)
    assert not waiting.is_alive()
    assert len(errors) == 1
    assert proxy.add(1, 2) == 3


def test_threads_that_lose_their_connection_together_all_try_again() -> None:
    together = threading.Barrier(2)

    def die(peer: Peer) -> None:
        peer.admit()
        peer.receive()
        together.wait(DEADLINE)

    def serve(peer: Peer) -> None:
        peer.admit()
        for _ in range(2):
            request = peer.receive()
            _object, _method, (a, b), _kwargs = peer.call_of(request)
            peer.answer(request, a + b)

    with ScriptedServer(die, serve) as server, Proxy(server.uri) as proxy:
        proxy._pyroRetryPolicy = RetryPolicy(first_delay=0, idempotent=["add"])
        proxy._pyroBind()
        with ThreadPoolExecutor(2) as pool:
            calls = [pool.submit(proxy.add, number, 1) for number in range(2)]
            together.wait(DEADLINE)
            assert [call.result(DEADLINE) for call in calls] == [1, 2]


def test_each_thread_has_a_context_of_its_own(proxy: Proxy) -> None:
    def call(thread: int) -> None:
        name = str(thread).encode()
        current_context.annotations = {"NAME": name}
        for _ in range(20):
            assert proxy.annotations() == {"NAME": name.decode()}
            proxy.annotate(f"for {thread}")
            answer = bytes(current_context.response_annotations["TEST"])
            assert answer == f"for {thread}".encode()

    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(call, range(8), timeout=DEADLINE):
            pass


# Processes

FORKING = """
import os, sys
from pyro_client import Proxy

proxy = Proxy(sys.argv[1])
before = proxy.add(1, 1), proxy._pyroLocalSocket
stream = proxy.count(4)
first = next(stream)
child = os.fork()
if child == 0:
    assert proxy._pyroConnection is None
    assert proxy.add(2, 2) == 4
    assert proxy._pyroLocalSocket != before[1]
    print("child", proxy.add(3, 3), flush=True)
    del stream
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert proxy._pyroLocalSocket == before[1]
assert [first, *stream] == [0, 1, 2, 3]
print("parent", proxy.add(4, 4), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_a_forked_child_opens_a_connection_of_its_own(uri: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", FORKING, uri],
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert result.stderr == ""
    assert result.stdout.split("\n") == ["child 6", "parent 8", ""]


FORKING_DURING_A_CALL = """
import os, sys, threading
from pyro_client import Proxy

proxy = Proxy(sys.argv[1])
proxy._pyroBind()
waiting = threading.Thread(target=proxy.slow)
waiting.start()
other = Proxy(sys.argv[1])
while not other.has_started():
    pass
child = os.fork()
if child == 0:
    print("child", proxy.add(3, 3), flush=True)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
other.let_go()
waiting.join(20)
print("parent", proxy.add(4, 4), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_a_child_forked_during_another_threads_call_is_not_blocked_by_it(
    uri: str,
) -> None:
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING_DURING_A_CALL, uri],
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert result.stderr == ""
    assert result.stdout.split("\n") == ["child 6", "parent 8", ""]


# Nobody


def test_a_proxy_that_nobody_refers_to_closes_its_connection(
    uri: str, host: HostThread
) -> None:
    proxy = Proxy(uri)
    proxy.add(1, 2)
    gone = weakref.ref(proxy)
    del proxy
    assert gone() is None
    host.wait_for_client_gone()


def test_a_proxy_in_a_cycle_closes_its_connection_when_it_is_collected(
    uri: str, host: HostThread
) -> None:
    proxy = Proxy(uri)
    proxy.add(1, 2)
    cycle: list[object] = [proxy]
    cycle.append(cycle)
    del proxy, cycle
    gc.collect()
    host.wait_for_client_gone()


def test_a_kept_method_keeps_the_connection(uri: str, host: HostThread) -> None:
    add = Proxy(uri).add
    add(1, 2)
    gc.collect()
    assert host.connection_count == 1
    assert add(2, 3) == 5
    del add
    host.wait_for_client_gone()


def test_a_stream_keeps_the_connection(uri: str, host: HostThread) -> None:
    assert list(Proxy(uri).count(5)) == [0, 1, 2, 3, 4]
    host.wait_for_client_gone()


def test_a_program_may_end_without_releasing_anything(
    uri: str, host: HostThread
) -> None:
    program = (
        "import sys; from pyro_client import Proxy\n"
        "proxy = Proxy(sys.argv[1]); stream = proxy.count(9); print(next(stream))\n"
        "kept = proxy.add; kept(1, 2)"
    )
    result = subprocess.run(
        [sys.executable, "-X", "dev", "-c", program, uri],
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "0\n", "")
    host.wait_for_client_gone()
