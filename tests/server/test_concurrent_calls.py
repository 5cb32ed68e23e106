"""Several calls in flight on one connection: concurrency, cancelling, deadlines."""

from __future__ import annotations

import asyncio
import socket
import threading
from functools import partial
from queue import Queue
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import current_context, expose
from pyro_protocol.contract import concurrency
from pyro_protocol.dispatch import DAEMON_NAME
from pyro_protocol.errors import (
    CallCancelledError,
    CommunicationError,
    PyroError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.session.capabilities import CANCEL, NATIVE
from pyro_protocol.transport import BlockingChannel
from support.daemons import eventually
from support.gate import Gate
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from pyro_server import Daemon
    from support.concurrent_client import ConcurrentClient


@expose
class Door:
    """Like a gate, for coroutines; it notes what becomes of those who wait."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.left: list[str] = []
        self._opened: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def enter(self, number: int = 0) -> int:
        self._loop = asyncio.get_running_loop()
        if self._opened is None:
            self._opened = asyncio.Event()
        self.entered.release()
        try:
            await self._opened.wait()
        except asyncio.CancelledError:
            self.left.append("cancelled")
            raise
        self.left.append("through")
        return number

    async def remaining(self) -> float | None:
        return current_context.remaining

    def remaining_in_thread(self) -> float | None:
        return current_context.remaining

    async def items(self, count: int) -> AsyncIterator[int]:
        try:
            for number in range(count):
                await asyncio.sleep(0)
                yield number
        finally:
            self.left.append("items")

    async def thread(self) -> str:
        return threading.current_thread().name

    def open(self) -> None:
        assert self._loop is not None
        assert self._opened is not None
        self._loop.call_soon_threadsafe(self._opened.set)

    def wait_for_visitor(self) -> None:
        assert self.entered.acquire(timeout=DEADLINE), "nobody comes"


class TestSeveralCalls:
    def test_calls_are_answered_as_they_end(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        door = Door()
        one = client(start().register(door, "door"))
        first = one.send("enter", 1)
        door.wait_for_visitor()
        second = one.send("thread")
        assert one.next_answer() == second
        one.answer(second)
        door.open()
        assert one.answer(first) == 1

    @pytest.mark.usefixtures("off_the_loop")
    def test_a_method_that_takes_long_does_not_hold_up_others(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        gate = Gate()
        one = client(start().register(gate, "gate"))
        waiting = []
        for number in range(3):
            waiting.append(one.send("enter", number))
            gate.wait_for_visitors()
            for _ in range(5):
                assert one.call("look") == "closed"
        gate.open()
        assert [one.answer(call) for call in waiting] == [0, 1, 2]

    @pytest.mark.usefixtures("off_the_loop")
    def test_a_burst_is_worked_on_by_several_workers(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        gate = Gate()
        one = client(start().register(gate, "gate"))
        calls = [one.send("enter", number) for number in range(20)]
        gate.wait_for_visitors(20)
        gate.open()
        assert [one.answer(call) for call in calls] == list(range(20))
        # Afterwards, one call after the other is served as before.
        assert [one.call("look") for _ in range(50)] == ["open"] * 50

    def test_more_calls_than_workers_wait_for_their_turn(
        self,
        start: Callable[..., Daemon],
        client: Callable[..., ConcurrentClient],
        settings: Any,
    ) -> None:
        settings.THREADPOOL_SIZE = settings.THREADPOOL_SIZE_MIN = 2
        settings.THREADPOOL_QUEUE_SIZE = 1
        gate = Gate()
        gate.open()
        one = client(start().register(gate, "gate"))
        calls = [one.send("enter", number) for number in range(200)]
        assert [one.answer(call) for call in calls] == list(range(200))

    def test_hundreds_of_coroutines_need_no_workers(
        self,
        start: Callable[..., Daemon],
        client: Callable[..., ConcurrentClient],
        settings: Any,
    ) -> None:
        settings.THREADPOOL_SIZE = settings.THREADPOOL_SIZE_MIN = 1
        door, daemon = Door(), start()
        one = client(daemon.register(door, "door"))
        calls = [one.send("enter", number) for number in range(300)]
        for _ in calls:
            door.wait_for_visitor()
        (info,) = daemon.connections()
        assert info.calls_in_flight >= 300
        door.open()
        assert [one.answer(call) for call in calls] == list(range(300))

    def test_oneway_calls_keep_their_order(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        gate = Gate()
        one = client(start().register(gate, "gate"))
        gate.open()
        for number in range(100):
            one.send("send_through", number, flags=4)
            one.send("look")
        eventually(lambda: len(gate.passed) == 100)
        assert gate.passed == list(range(100))

    def test_without_the_capability_calls_are_answered_in_order(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        door = Door()
        one = client(start().register(door, "door"), {NATIVE, CANCEL})
        first, second = one.send("enter", 1), one.send("thread")
        door.wait_for_visitor()
        door.open()
        assert one.next_answer() == first
        assert one.answer(first) == 1
        one.answer(second)

    def test_the_instance_of_a_connection_is_not_called_twice_at_once(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        inside: list[int] = []

        @expose
        class Instrument:
            async def measure(self) -> int:
                inside.append(1)
                await asyncio.sleep(0)
                count = sum(inside)
                inside.append(-1)
                return count

        one = client(start().register(Instrument, "instrument"))
        calls = [one.send("measure") for _ in range(50)]
        assert [one.answer(call) for call in calls] == [1] * 50

    def test_a_policy_holds_for_all_connections(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        inside: list[int] = []

        @expose
        @concurrency(2)
        class Instrument:
            async def measure(self) -> int:
                inside.append(1)
                for _ in range(5):
                    await asyncio.sleep(0)
                count = sum(inside)
                inside.append(-1)
                return count

            @concurrency("unlimited")
            def stop(self) -> str:
                return "stopped"

        uri = start().register(Instrument(), "instrument")
        clients = [client(uri) for _ in range(3)]
        calls = [(one, one.send("measure")) for one in clients for _ in range(20)]
        assert clients[0].call("stop") == "stopped"
        counts = [one.answer(call) for one, call in calls]
        assert max(counts) <= 2

    @pytest.mark.usefixtures("off_the_loop")
    def test_waiting_for_a_turn_holds_no_worker(
        self,
        start: Callable[..., Daemon],
        client: Callable[..., ConcurrentClient],
        settings: Any,
    ) -> None:
        settings.THREADPOOL_SIZE, settings.THREADPOOL_SIZE_MIN = 2, 1

        @concurrency("serial")
        class Serial(Gate):
            @expose
            @concurrency("unlimited")
            def see(self) -> str:
                return self.look()

        gate = Serial()
        one = client(start().register(gate, "gate"))
        calls = [one.send("enter", number) for number in range(10)]
        gate.wait_for_visitors()
        assert one.call("see") == "closed"
        gate.open()
        assert [one.answer(call) for call in calls] == list(range(10))
        assert gate.passed == list(range(10))


class TestCancelling:
    def test_a_coroutine_is_stopped(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        door = Door()
        one = client(start().register(door, "door"))
        call = one.send("enter")
        door.wait_for_visitor()
        one.cancel(call)
        with pytest.raises(CallCancelledError, match="was stopped"):
            one.answer(call)
        assert door.left == ["cancelled"]

    @pytest.mark.usefixtures("off_the_loop")
    def test_a_method_goes_on_and_its_result_is_dropped(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        gate = Gate()
        one = client(start().register(gate, "gate"))
        call = one.send("enter", 1)
        gate.wait_for_visitors()
        one.cancel(call)
        with pytest.raises(CallCancelledError, match="goes on"):
            one.answer(call)
        gate.open()
        eventually(lambda: gate.passed == [1])
        assert one.call("look") == "open"

    def test_a_call_that_waits_is_never_run(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        door = Door()
        one = client(start().register(door, "door"), {NATIVE, CANCEL})
        first, second = one.send("enter", 1), one.send("enter", 2)
        door.wait_for_visitor()
        one.cancel(second)
        one.cancel(first)
        for call in (first, second):
            with pytest.raises(CallCancelledError):
                one.answer(call)
        assert one.call("remaining") is None
        assert door.left == ["cancelled"]

    def test_a_call_that_waits_for_its_turn_gives_it_up(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        door = concurrency("serial")(type("Serial", (Door,), {}))()
        one = client(start().register(door, "door"))
        first, second = one.send("enter", 1), one.send("enter", 2)
        third = one.send("enter", 3)
        door.wait_for_visitor()
        one.cancel(second)
        with pytest.raises(CallCancelledError):
            one.answer(second)
        one.cancel(first)
        with pytest.raises(CallCancelledError):
            one.answer(first)
        door.wait_for_visitor()
        one.cancel(third)
        with pytest.raises(CallCancelledError):
            one.answer(third)
        assert one.call("remaining") is None

    def test_coroutines_are_stopped_when_their_client_goes(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        door, daemon = Door(), start()
        one = client(daemon.register(door, "door"))
        for _ in range(3):
            one.send("enter")
            door.wait_for_visitor()
        one.close()
        eventually(lambda: door.left == ["cancelled"] * 3)
        eventually(lambda: not daemon.connections())

    @pytest.mark.parametrize("serializer", ["native", "serpent"])
    def test_those_of_plain_clients_are_stopped_as_well(
        self,
        start: Callable[..., Daemon],
        connect: Callable[..., BlockingChannel],
        serializer: str,
    ) -> None:
        door, daemon = Door(), start()
        channel = connect(daemon.register(door, "door"), serializer=serializer)

        def call() -> None:
            with pytest.raises(CommunicationError):
                channel.call("door", "enter")

        calling = threading.Thread(target=call)
        calling.start()
        door.wait_for_visitor()
        channel.sock.shutdown(socket.SHUT_RDWR)
        calling.join(DEADLINE)
        eventually(lambda: door.left == ["cancelled"])
        eventually(lambda: not daemon.connections())


class TestDeadlines:
    @pytest.mark.parametrize("method", ["remaining", "remaining_in_thread"])
    def test_the_method_sees_how_much_time_is_left(
        self,
        start: Callable[..., Daemon],
        client: Callable[..., ConcurrentClient],
        method: str,
    ) -> None:
        one = client(start().register(Door(), "door"))
        assert 0 < one.call(method, timeout=1000.0) <= 1000
        assert one.call(method) is None

    def test_a_call_without_time_is_not_run(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        door = Door()
        one = client(start().register(door, "door"))
        with pytest.raises(TimeoutError, match="before the call could be run"):
            one.call("enter", timeout=0.0)
        assert not door.entered.acquire(blocking=False)

    def test_a_coroutine_is_stopped_when_the_time_is_used_up(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        door = Door()
        one = client(start().register(door, "door"))
        with pytest.raises(TimeoutError, match="stopped"):
            one.call("enter", timeout=0.05)
        assert door.left == ["cancelled"]

    @pytest.mark.usefixtures("off_the_loop")
    def test_calls_made_on_behalf_of_a_call_wait_no_longer_than_its_caller(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        gate, errors = Gate(), Queue[Exception]()

        @expose
        class Relay:
            def pass_on(self) -> None:
                channel = BlockingChannel.connect(inner)
                try:
                    channel.call("gate", "enter")
                except TimeoutError as error:
                    errors.put(error)
                finally:
                    channel.close()

        inner = start().register(gate, "gate")
        one = client(start().register(Relay(), "relay"))
        one.send("pass_on", timeout=0.2)
        assert "no answer" in str(errors.get(timeout=DEADLINE))
        gate.open()


class TestAsyncMethods:
    def test_an_asynchronous_generator_is_a_stream_for_any_client(
        self, start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
    ) -> None:
        door = Door()
        uri = start().register(door, "door")
        for serializer in ("native", "serpent"):
            channel = connect(uri, serializer=serializer)
            (stream_id,) = channel.call("door", "items", (3,))
            fetch = partial(
                channel.call, DAEMON_NAME, "get_next_stream_item", (stream_id,)
            )
            assert [fetch() for _ in range(3)] == [0, 1, 2]
            with pytest.raises(StopIteration):
                fetch()
            with pytest.raises(PyroError, match="terminated"):
                fetch()
        assert door.left == ["items"] * 2

    def test_one_that_is_closed_cleans_up(
        self, start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
    ) -> None:
        door = Door()
        uri = start().register(door, "door")
        channel = connect(uri)
        (stream_id,) = channel.call("door", "items", (3,))
        assert channel.call(DAEMON_NAME, "get_next_stream_item", (stream_id,)) == 0
        channel.call(DAEMON_NAME, "close_stream", (stream_id,))
        eventually(lambda: door.left == ["items"])

    def test_a_client_of_the_plain_protocol_waits_without_holding_a_worker(
        self,
        start: Callable[..., Daemon],
        connect: Callable[..., BlockingChannel],
        settings: Any,
    ) -> None:
        settings.THREADPOOL_SIZE = settings.THREADPOOL_SIZE_MIN = 1
        door = Door()
        uri = start().register(door, "door")
        channels = [connect(uri, serializer="serpent") for _ in range(5)]
        results: list[Any] = []
        threads = [
            threading.Thread(
                target=lambda one=one: results.append(one.call("door", "enter", (7,)))
            )
            for one in channels
        ]
        for thread in threads:
            thread.start()
            door.wait_for_visitor()
        assert connect(uri).call("door", "remaining_in_thread") is None
        door.open()
        for thread in threads:
            thread.join(DEADLINE)
        assert results == [7] * 5
