"""Functions and objects of a client that a daemon calls, now and later."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from queue import Queue
from typing import TYPE_CHECKING, Any

import pytest

from pyro_suite import Configuration, Daemon, Proxy, errors, expose, oneway
from support.daemons import eventually
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable


@expose
class Caller:
    """Calls what it is given, at once or later."""

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.got = threading.Semaphore(0)

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    async def call_later(self, function: Callable[..., Any], *args: Any) -> Any:
        return await function(*args)

    def keep(self, *functions: Any) -> None:
        self.kept += functions
        self.got.release()

    @oneway
    def keep_without_answer(self, *functions: Any) -> None:
        self.keep(*functions)

    def unsubscribe(self, function: Any) -> int:
        self.kept.remove(function)
        return len(self.kept)

    def drop(self) -> None:
        self.kept.clear()

    def give_back(self) -> list[Any]:
        return list(self.kept)

    def echo(self, value: Any) -> Any:
        return value

    def use(self, obj: Any) -> Any:
        return obj.scale(3), obj.size

    def add(self, one: int, other: int) -> int:
        return one + other


@expose
class Scale:
    """An object of the client."""

    def __init__(self) -> None:
        self.notes: list[int] = []
        self.noted = threading.Semaphore(0)

    @property
    def size(self) -> int:
        return 7

    def scale(self, factor: int) -> int:
        return 7 * factor

    @oneway
    def note(self, number: int) -> None:
        self.notes.append(number)
        self.noted.release()


@pytest.fixture
def caller() -> Caller:
    return Caller()


def offered(proxy: Proxy) -> int:
    """Return how many objects of the client the server may call."""
    channel: Any = proxy._pyroConnection
    return len(channel._offered or ())


def double(number: int) -> int:
    return 2 * number


async def double_later(number: int) -> int:
    return 2 * number


def test_callables_of_all_kinds_are_called_while_the_call_runs(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    server_settings: Configuration,
    servertype: str,
    caller: Caller,
) -> None:
    server_settings.SERVERTYPE = servertype
    proxy = connect(start(caller))
    methods = [proxy.call_later]
    if servertype != "multiplex":
        # There, a method that waits holds up what it waits for.
        methods.append(proxy.call)
        assert proxy.use(Scale()) in ((21, 7), [21, 7])
    for method in methods:
        assert method(double, 3) == 6
        assert method(lambda number: number + 1, 3) == 4
        assert method(Scale().scale, 3) == 21
        assert method(double_later, 3) == 6
        assert method(len, "four") == 4


def test_a_server_may_call_while_its_client_does_something_else(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    client_settings: Configuration,
    caller: Caller,
) -> None:
    client_settings.HEARTBEAT_INTERVAL = 0
    proxy = connect(start(caller))
    proxy.keep(double)
    for number in range(20):
        assert caller.kept[0](number) == 2 * number
        if number % 3 == 0:
            assert proxy.add(number, 1) == number + 1


def test_a_server_may_call_what_came_without_waiting_for_an_answer(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    client_settings: Configuration,
    caller: Caller,
) -> None:
    client_settings.HEARTBEAT_INTERVAL = 0
    proxy = connect(start(caller))
    proxy.keep_without_answer(double)
    assert caller.got.acquire(timeout=DEADLINE)
    assert caller.kept[0](4) == 8


def test_a_server_may_call_when_its_client_has_given_up_a_call(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    client_settings: Configuration,
    caller: Caller,
) -> None:
    client_settings.HEARTBEAT_INTERVAL = 0
    daemon = start(caller)
    go_on = threading.Event()
    proxy = connect(daemon)
    proxy.keep(double)
    proxy._pyroTimeout = 0.05
    with pytest.raises(errors.TimeoutError):
        proxy.call(lambda: go_on.wait(DEADLINE))
    go_on.set()
    assert caller.kept[0](4) == 8


@pytest.mark.parametrize("idle", [True, False])
def test_a_large_answer_reaches_the_server(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    client_settings: Configuration,
    caller: Caller,
    idle: bool,
) -> None:
    client_settings.HEARTBEAT_INTERVAL = 0
    proxy = connect(start(caller))
    size = 50_000_000
    if idle:
        proxy.keep(lambda: bytes(size))
        assert len(caller.kept[0]()) == size
    else:
        assert len(proxy.call(lambda: bytes(size))) == size


def test_calls_may_go_back_and_forth(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], caller: Caller
) -> None:
    proxy = connect(start(caller))

    def descend(depth: int) -> int:
        if not depth:
            return 0
        result: int = proxy.call(descend, depth - 1)
        return result + 1

    assert descend(10) == 10


def test_exceptions_pass_in_both_directions(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], caller: Caller
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("in the client")

    proxy = connect(start(caller))
    with pytest.raises(ZeroDivisionError, match="in the client"):
        proxy.call(fail)
    proxy.keep(fail)
    with pytest.raises(ZeroDivisionError, match="in the client"):
        caller.kept[0]()
    assert proxy.call(double, 2) == 4


def test_a_callback_that_would_end_its_thread_is_answered(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], caller: Caller
) -> None:
    def leave() -> None:
        raise SystemExit(3)

    proxy = connect(start(caller))
    for _ in range(3):
        with pytest.raises(BaseException, match="3"):
            proxy.call(leave)
    assert proxy.call(double, 2) == 4


def test_the_same_object_is_known_again(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], caller: Caller
) -> None:
    proxy = connect(start(caller))
    scale = Scale()
    proxy.keep(double, scale.scale)
    assert proxy.unsubscribe(scale.scale) == 1
    assert proxy.give_back() == [double]
    assert proxy.unsubscribe(double) == 0


def test_what_the_server_has_dropped_is_forgotten(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], caller: Caller
) -> None:
    proxy = connect(start(caller))
    for number in range(1000):
        assert proxy.call(lambda number=number: number) == number
    proxy.keep(double, lambda: 1)
    eventually(lambda: offered(proxy) == 2)
    proxy.drop()
    eventually(lambda: offered(proxy) == 0)
    assert proxy.call(double, 2) == 4


def test_what_was_not_sent_is_forgotten(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], caller: Caller
) -> None:
    proxy = connect(start(caller))
    with pytest.raises(errors.SerializeError):
        proxy.call(lambda: 1, threading.Lock())
    assert offered(proxy) == 0


def test_callbacks_without_answer_come_in_order(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], caller: Caller
) -> None:
    proxy = connect(start(caller))
    scale = Scale()
    proxy.keep(scale)
    for number in range(3000):
        caller.kept[0].note(number)
    for _ in range(3000):
        assert scale.noted.acquire(timeout=DEADLINE)
    assert scale.notes == list(range(3000))


def test_what_a_client_has_left_behind_cannot_be_called(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], caller: Caller
) -> None:
    proxy = connect(start(caller))
    entered, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        entered.set()
        assert go_on.wait(DEADLINE)

    proxy.keep(wait)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(caller.kept[0])
        assert entered.wait(DEADLINE)
        proxy._pyroRelease()
        with pytest.raises(errors.ConnectionClosedError):
            call.result(DEADLINE)
        go_on.set()
    with pytest.raises(errors.ConnectionClosedError):
        caller.kept[0]()


def test_callbacks_at_once_have_a_bounded_number_of_threads(
    start: Callable[..., Daemon],
    connect: Callable[..., Proxy],
    caller: Caller,
) -> None:
    proxy = connect(start(caller))
    threads: Queue[str] = Queue()

    def where(number: int) -> int:
        threads.put(threading.current_thread().name)
        return number

    proxy.keep(where)
    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(caller.kept[0], range(1000))) == list(range(1000))
    ours = [one for one in threading.enumerate() if one.name == "pyro-client"]
    assert len(ours) <= 80
    assert {threads.get() for _ in range(1000)} == {"pyro-client"}


def test_an_answer_may_bring_back_what_the_server_drops_at_once(
    start: Callable[..., Daemon], connect: Callable[..., Proxy], caller: Caller
) -> None:
    proxy = connect(start(caller))

    def send_and_return(number: int) -> None:
        for _ in range(60):

            def mine() -> int:
                return number

            assert proxy.echo(mine) is mine
            assert proxy.add(number, 1) == number + 1

    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(send_and_return, range(8), timeout=DEADLINE):
            pass
    eventually(lambda: offered(proxy) == 0)
