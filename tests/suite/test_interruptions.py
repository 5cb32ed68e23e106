"""Programs that are interrupted, forked, or end, while connections are in use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from pyro_suite import Daemon, expose
from support.hosting import DEADLINE
from support.programs import Program, clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@expose
class Work:
    """Does little, or waits until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()

    def echo(self, value: object) -> object:
        return value

    def add(self, one: int, other: int) -> int:
        return one + other

    def count(self, last: int) -> Iterator[int]:
        yield from range(last)

    def wait(self) -> str:
        self.begun.release()
        assert self.go_on.wait(DEADLINE)
        return "done"

    def keep(self, function: object) -> None:
        self.kept = function


def run(program: str, *arguments: str) -> tuple[int, str, str]:
    result = subprocess.run(
        [sys.executable, "-X", "dev", "-c", program, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=3 * DEADLINE,
        env=clean_environment(),
    )
    return result.returncode, result.stdout, result.stderr


INTERRUPTED = """
import sys
from pyro_suite import Proxy
proxy = Proxy(sys.argv[1])
proxy._pyroBind()
print("ready")
for _ in range(2):
    try:
        proxy.wait()
    except KeyboardInterrupt:
        print("interrupted")
print("again", proxy.add(1, 2))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_a_call_can_be_interrupted_at_once(start: Callable[..., Daemon]) -> None:
    work = Work()
    daemon = start(work)
    with Program("-c", INTERRUPTED, str(daemon.uriFor("thing"))) as program:
        program.wait_for("ready")
        for _ in range(2):
            assert work.begun.acquire(timeout=DEADLINE)
            program.send_signal(signal.SIGINT)
            program.wait_for("interrupted")
        program.wait_for("again 3")
        assert program.wait() == 0
    work.go_on.set()


IN_A_METHOD = """
import signal
from pyro_server import Daemon, config, expose

@expose
class Sleeper:
    def sleep(self):
        print("sleeping", flush=True)
        signal.pause()

config.SERVERTYPE = "multiplex"
with Daemon() as daemon:
    print("at", daemon.register(Sleeper(), "sleeper"), flush=True)
    daemon.requestLoop()
    print("ended")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_a_method_in_the_thread_of_the_loop_is_interrupted_at_once() -> None:
    with Program("-c", IN_A_METHOD) as server:
        uri = server.wait_for("at (.*)")[1]
        call = f"from pyro_client import Proxy; Proxy({uri!r}).sleep()"
        with Program("-c", call) as client:
            server.wait_for("sleeping")
            server.send_signal(signal.SIGINT)
            assert server.wait() == 0
            assert client.wait() == 1
    assert server.lines[-1] == "ended"
    assert any("KeyboardInterrupt" in line for line in client.lines)


STORM = """
import logging, random, signal, sys, threading, warnings
from pyro_suite import Configuration, Proxy, errors

logging.disable()
# One may have been interrupted when it was just made.
warnings.simplefilter("ignore", ResourceWarning)
settings = Configuration(use_environment=False)
settings.HEARTBEAT_INTERVAL = 0
proxy = Proxy(sys.argv[1], config=settings)
proxy._pyroBind()
armed = done = False
# A finalizer cannot pass on what is raised in it.
sys.unraisablehook = lambda unraisable: None


def interrupt(number, frame):
    if armed:
        raise KeyboardInterrupt


signal.signal(signal.SIGALRM, interrupt)
failed = []


def call():
    # By itself: where the last statement of a try block is a loop, CPython 3.13 leaves
    # the jump back to the loop's head out of the block, and interrupts happen at it.
    for number in range(3):
        assert proxy.add(number, 1) == number + 1
        assert proxy.echo([number]) == [number]
        assert list(proxy.count(5)) == [0, 1, 2, 3, 4]


def call_along():
    while not done:
        try:
            if proxy.echo([1]) != [1]:
                failed.append("wrong")
        except errors.CommunicationError:
            pass


threads = [threading.Thread(target=call_along) for _ in range(int(sys.argv[2]))]
for thread in threads:
    thread.start()
chance = random.Random(1)
for _ in range(2500):
    try:
        try:
            armed = True
            signal.setitimer(signal.ITIMER_REAL, chance.random() * 0.0008 + 1e-6)
            call()
        finally:
            armed = False
    except (KeyboardInterrupt, errors.CommunicationError):
        armed = False
signal.setitimer(signal.ITIMER_REAL, 0)
done = True
for thread in threads:
    thread.join()
assert proxy.add(1, 2) == 3
print("survived", failed)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs an interval timer")
@pytest.mark.parametrize("threads", [0, 3])
def test_interruptions_at_any_moment_leave_the_proxy_usable(
    start: Callable[..., Daemon], threads: int
) -> None:
    daemon = start(Work())
    result = run(STORM, str(daemon.uriFor("thing")), str(threads))
    assert result == (0, "survived []\n", "")


FORKED = """
import multiprocessing, os, sys, warnings
from pyro_suite import Proxy

# That the watcher is a thread is known.
warnings.simplefilter("ignore", DeprecationWarning)

proxy = Proxy(sys.argv[1])
proxy.keep(lambda: "parent")
stream = proxy.count(5000)
first = next(stream)
child = os.fork()
if not child:
    assert proxy._pyroConnection is None
    assert proxy.add(1, 2) == 3
    assert sum(proxy.count(100)) == sum(range(100))
    proxy.keep(lambda: "child")
    proxy._pyroRelease()
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert [first, *stream] == list(range(5000))


def use(proxy, number):
    return proxy.add(number, 1)


with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.starmap(use, [(proxy, one) for one in range(8)]) == list(range(1, 9))
print("parent", proxy.add(1, 2))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_parent_and_forked_children_do_not_disturb_each_other(
    start: Callable[..., Daemon],
) -> None:
    daemon = start(Work())
    assert run(FORKED, str(daemon.uriFor("thing"))) == (0, "parent 3\n", "")


ENDING = """
import sys, threading
from pyro_suite import Proxy

proxy = Proxy(sys.argv[1])
stream = proxy.count(10 ** 9)
next(stream)
proxy.keep(print)
other = Proxy(sys.argv[1])
other._pyroBind()
for _ in range(3):
    threading.Thread(target=other.wait, daemon=True).start()
print("end")
"""


def test_a_program_may_end_in_the_midst_of_everything(
    start: Callable[..., Daemon],
) -> None:
    work = Work()
    daemon = start(work)
    for _ in range(3):
        assert run(ENDING, str(daemon.uriFor("thing"))) == (0, "end\n", "")
    work.go_on.set()
