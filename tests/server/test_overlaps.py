"""Calls that overlap on one connection, where threads could get into each other's way.

Each test is about a moment between two steps; the mixture of everything, at random,
is in the folder ``robustness``.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import expose, oneway
from pyro_protocol.contract import concurrency
from pyro_protocol.errors import CallCancelledError, ServerBusyError
from pyro_protocol.session.capabilities import CANCEL, HEARTBEAT, MULTIPLEX, NATIVE
from pyro_protocol.wire import FLAG_BATCH, FLAG_ONEWAY
from pyro_server import Daemon
from support.daemons import eventually
from support.gate import Gate
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_protocol.transport import BlockingChannel
    from support.concurrent_client import ConcurrentClient

_LARGE = 8 * 1024 * 1024


def send_at_once(
    client: ConcurrentClient, count: int, method: str, *args: object, flags: int = 0
) -> list[int]:
    """Send several calls in one piece."""
    client.flush = lambda: None  # type: ignore[method-assign] # held back for a moment
    calls = [client.send(method, *args, flags=flags) for _ in range(count)]
    del client.flush
    client.sock.sendall(b"".join(client.session.data_to_send()))
    return calls


@pytest.mark.usefixtures("off_the_loop")
class TestOfOneConnection:
    def test_as_many_calls_as_may_be_in_flight_are_not_the_last(
        self,
        start: Callable[..., Daemon],
        client: Callable[..., ConcurrentClient],
        connect: Callable[..., BlockingChannel],
        settings: Any,
    ) -> None:
        settings.THREADPOOL_SIZE = settings.THREADPOOL_SIZE_MIN = 1
        settings.MAX_IN_FLIGHT = 4
        gate, daemon = Gate(), start()
        uri = daemon.register(gate, "gate")
        channel = connect(uri)
        busy = threading.Thread(target=channel.call, args=("gate", "enter"))
        busy.start()
        gate.wait_for_visitors()
        one = client(uri)
        calls = send_at_once(one, 4, "look")
        pool = daemon.transportServer._pool  # type: ignore[union-attr] # not the host of one socket
        eventually(pool.work_waits)
        gate.open()
        assert [one.answer(call) for call in calls] == ["open"] * 4
        assert one.call("look") == "open"
        busy.join(DEADLINE)

    def test_a_call_that_takes_long_after_quick_ones_does_not_hold_up_others(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        gate, daemon = Gate(), start()
        one = client(daemon.register(gate, "gate"))
        for _ in range(3):
            for _ in range(5):
                assert one.call("look") == "closed"
            long = [one.send("enter", number) for number in range(2)]
            gate.wait_for_visitors(2)
            assert one.call("look", timeout=DEADLINE) == "closed"
            one.cancel(long[0])
            with pytest.raises(CallCancelledError):
                one.answer(long[0])
            gate.open()
            assert one.answer(long[1]) == 1
            gate.close()
        assert one.call("look") == "closed"

    def test_calls_that_there_is_no_room_for_are_refused_at_once(
        self,
        start: Callable[..., Daemon],
        client: Callable[..., ConcurrentClient],
        settings: Any,
    ) -> None:
        settings.THREADPOOL_SIZE = settings.THREADPOOL_SIZE_MIN = 1
        settings.THREADPOOL_QUEUE_SIZE = 1
        gate, daemon = Gate(), start()
        uri = daemon.register(gate, "gate")
        busy = [client(uri) for _ in range(2)]
        pool = daemon.transportServer._pool  # type: ignore[union-attr] # not the host of one socket
        waiting = [busy[0].send("enter", 1)]
        gate.wait_for_visitors()
        waiting.append(busy[1].send("enter", 2))
        eventually(pool.work_waits)
        one = client(uri)
        for call in send_at_once(one, 3, "look"):
            with pytest.raises(ServerBusyError):
                one.answer(call)
        gate.open()
        answers = [who.answer(call) for who, call in zip(busy, waiting, strict=True)]
        assert answers == [1, 2]
        assert one.call("look") == "open"

    def test_calls_that_arrive_together_begin_in_order(
        self,
        start: Callable[..., Daemon],
        client: Callable[..., ConcurrentClient],
        settings: Any,
    ) -> None:
        # A worker may be overtaken between the beginning of a call and its note.
        settings.THREADPOOL_SIZE = settings.THREADPOOL_SIZE_MIN = 1
        noted: list[int] = []

        @expose
        class Notes:
            def note(self, number: int, text: str) -> int:
                noted.append(number)
                return len(text)

        one = client(start().register(Notes(), "notes"))
        # More than is received at once, so that some message is cut in two.
        one.flush = lambda: None  # type: ignore[method-assign] # held back for a moment
        calls = [one.send("note", number, "x" * 300) for number in range(500)]
        del one.flush
        one.sock.sendall(b"".join(one.session.data_to_send()))
        assert [one.answer(call) for call in calls] == [300] * 500
        assert noted == list(range(500))

    def test_a_long_call_holds_up_none_that_have_arrived_with_it(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        gate = Gate()
        one = client(start().register(gate, "gate"))
        one.flush = lambda: None  # type: ignore[method-assign] # held back for a moment
        before = [one.send("look") for _ in range(3)]
        long = one.send("enter", 7)
        after = [one.send("look") for _ in range(3)]
        del one.flush
        one.sock.sendall(b"".join(one.session.data_to_send()))
        gate.wait_for_visitors()
        assert [one.answer(call) for call in before + after] == ["closed"] * 6
        one.cancel(long)
        with pytest.raises(CallCancelledError):
            one.answer(long)
        gate.open()

    def test_calls_that_wait_for_another_thread_to_write_are_carried_out_after_that(
        self,
        start: Callable[..., Daemon],
        client: Callable[..., ConcurrentClient],
        settings: Any,
    ) -> None:
        settings.THREADPOOL_SIZE = settings.THREADPOOL_SIZE_MIN = 2
        gate, daemon = Gate(), start()
        one = client(daemon.register(gate, "gate"))
        long = one.send("enter", 7)
        gate.wait_for_visitors()
        (connection,) = daemon.transportServer.connections  # type: ignore[union-attr] # not the host of one socket
        connection.pen.pop()
        one.flush = lambda: None  # type: ignore[method-assign] # held back for a moment
        calls = [one.send("look") for _ in range(2)]
        del one.flush
        one.sock.sendall(b"".join(one.session.data_to_send()))
        eventually(lambda: connection.outbox and len(connection.waiting) == 1)
        eventually(lambda: connection.watched == selectors.EVENT_WRITE)
        while True:
            # As whoever has the pen does it.
            with connection.lock:
                written, connection.outbox = connection.outbox, []
                if not written:
                    connection.pen.append(None)
                    break
            connection.stream.write(written, wait=True)
        assert [one.answer(call) for call in calls] == ["closed"] * 2
        gate.open()
        assert one.answer(long) == 7

    def test_the_rest_of_a_message_that_was_cut_off_is_waited_for_by_nobody(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        gate = Gate()
        uri = start().register(gate, "gate")
        one = client(uri)
        one.flush = lambda: None  # type: ignore[method-assign] # held back for a moment
        calls = [one.send("look") for _ in range(3)]
        del one.flush
        data = b"".join(one.session.data_to_send())
        one.sock.sendall(data[:-20])
        assert [one.answer(call) for call in calls[:2]] == ["closed"] * 2
        assert client(uri).call("look") == "closed"
        one.sock.sendall(data[-20:])
        assert one.answer(calls[2]) == "closed"

    def test_oneway_calls_that_no_worker_has_time_for_do_not_hold_up_the_loop(
        self,
        start: Callable[..., Daemon],
        client: Callable[..., ConcurrentClient],
        settings: Any,
    ) -> None:
        settings.THREADPOOL_SIZE = settings.THREADPOOL_SIZE_MIN = 1
        settings.THREADPOOL_QUEUE_SIZE = 1
        gate, daemon = Gate(), start()
        uri = daemon.register(gate, "gate")
        busy = [client(uri) for _ in range(2)]
        pool = daemon.transportServer._pool  # type: ignore[union-attr] # not the host of one socket
        waiting = [busy[0].send("enter", 1)]
        gate.wait_for_visitors()
        waiting.append(busy[1].send("enter", 2))
        eventually(pool.work_waits)
        one = client(uri)
        send_at_once(one, 3, "send_through", 3, flags=FLAG_ONEWAY)
        # The loop still accepts and answers handshakes.
        client(uri)
        gate.open()
        for who, call in zip(busy, waiting, strict=True):
            who.answer(call)
        eventually(lambda: sorted(gate.passed) == [1, 2, 3, 3, 3])

    def test_the_first_call_after_a_handshake_by_a_worker_holds_up_no_other(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        class Asking(Daemon):
            def validateHandshake(self, conn: object, data: object) -> str:
                del conn, data
                return "hello"

        gate = Gate()
        one = client(start(Asking).register(gate, "gate"))
        first = one.send("enter", 1)
        gate.wait_for_visitors()
        assert one.call("look") == "closed"
        gate.open()
        assert one.answer(first) == 1

    def test_coroutines_that_have_ended_are_not_kept(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        @expose
        class Thing:
            async def wait(self) -> None:
                await asyncio.Event().wait()

            def quick(self) -> None:
                """Return at once."""

            async def quick_later(self) -> None:
                """Return at once."""

        daemon = start()
        one = client(daemon.register(Thing(), "thing"))
        one.send("wait")
        for _ in range(100):
            calls = send_at_once(one, 3, "quick_later")
            calls += send_at_once(one, 2, "quick")
            for call in calls:
                one.answer(call)
        (connection,) = daemon.transportServer.connections  # type: ignore[union-attr] # not the host of one socket
        eventually(lambda: len(connection.tasks or ()) == 1)


class TestLeaving:
    def test_a_cancellation_is_seen_while_requests_wait_for_their_turn(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        entered = threading.Semaphore(0)

        @expose
        class Thing:
            async def wait(self) -> None:
                entered.release()
                await asyncio.Event().wait()

        daemon = start()
        one = client(daemon.register(Thing(), "thing"), {NATIVE, CANCEL})
        first = one.send("wait")
        assert entered.acquire(timeout=DEADLINE)
        second = one.send("wait")
        (connection,) = daemon.transportServer.connections  # type: ignore[union-attr] # not the host of one socket
        eventually(lambda: connection.waiting)
        one.cancel(second)
        with pytest.raises(CallCancelledError):
            one.answer(second)
        one.cancel(first)
        with pytest.raises(CallCancelledError):
            one.answer(first)

    def test_coroutines_end_when_their_client_breaks_the_rules(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        entered = threading.Semaphore(0)

        @expose
        class Thing:
            async def wait(self) -> None:
                entered.release()
                await asyncio.Event().wait()

        daemon = start()
        one = client(daemon.register(Thing(), "thing"))
        one.send("wait")
        assert entered.acquire(timeout=DEADLINE)
        one.sock.sendall(b"this is not what was agreed on" * 10)
        eventually(lambda: not daemon._coroutines._running)
        one.close()
        eventually(lambda: not daemon.connections())

    def test_a_coroutine_of_a_call_that_is_no_longer_known_is_stopped(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        waiting: list[str] = []

        @expose
        class Thing:
            def __init__(self) -> None:
                self.daemon: Any = None

            def wait(self) -> Any:
                # As if the client had broken the rules at this moment.
                (connection,) = self.daemon.transportServer.connections
                connection.served.abandon()
                return self._wait()

            async def _wait(self) -> None:
                waiting.append("begun")
                try:
                    await asyncio.Event().wait()
                finally:
                    waiting.append("ended")

        thing = Thing()
        thing.daemon = start()
        client(thing.daemon.register(thing, "thing")).send("wait")
        eventually(lambda: waiting == ["begun", "ended"])

    def test_who_breaks_the_rules_beside_a_oneway_call_is_dropped_after_it(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        gate, daemon = Gate(), start()
        one = client(daemon.register(gate, "gate"))
        one.send("send_through", 1, flags=FLAG_ONEWAY)
        gate.wait_for_visitors()
        one.sock.sendall(b"this is not what was agreed on" * 10)
        (connection,) = daemon.transportServer.connections  # type: ignore[union-attr] # not the host of one socket
        eventually(lambda: connection.session.closing)
        gate.open()
        one.close()
        eventually(lambda: not daemon.connections())

    def test_cleaning_up_is_not_disturbed(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        entered, cleaned = threading.Semaphore(0), threading.Semaphore(0)

        @expose
        class Thing:
            async def wait(self) -> None:
                entered.release()
                try:
                    await asyncio.Event().wait()
                finally:
                    for _ in range(20):
                        await asyncio.sleep(0.001)
                    cleaned.release()

        one = client(start().register(Thing(), "thing"))
        call = one.send("wait")
        assert entered.acquire(timeout=DEADLINE)
        one.cancel(call)
        one.cancel(call)
        one.close()
        assert cleaned.acquire(timeout=DEADLINE)

    @pytest.mark.usefixtures("off_the_loop")
    def test_streams_opened_by_calls_that_outlive_their_client_are_closed(
        self,
        start: Callable[..., Daemon],
        client: Callable[..., ConcurrentClient],
        settings: Any,
    ) -> None:
        settings.ITER_STREAM_LINGER = 0.0
        gate = Gate()

        @expose
        class Thing:
            def items(self) -> Iterator[int]:
                gate.enter()
                return self._items()

            def _items(self) -> Iterator[int]:
                yield 1

        daemon = start()
        one = client(daemon.register(Thing(), "thing"))
        one.send("items")
        gate.wait_for_visitors()
        one.close()
        eventually(lambda: not daemon.connections())
        gate.open()
        eventually(lambda: gate.passed)
        eventually(lambda: not len(daemon.streams))


class TestGates:
    @pytest.mark.usefixtures("off_the_loop")
    def test_a_busy_error_of_the_method_itself_leaves_the_gate_once(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        gate = Gate()

        @expose
        @concurrency("serial")
        class Relay:
            def wait(self) -> None:
                gate.enter()

            def pass_on(self) -> None:
                raise ServerBusyError("the other server is busy")

        daemon = start()
        one = client(daemon.register(Relay(), "relay"))
        first = one.send("wait")
        gate.wait_for_visitors()
        calls = [one.send("pass_on") for _ in range(3)]
        gate.open()
        one.answer(first)
        for call in calls:
            with pytest.raises(ServerBusyError, match="the other server"):
                one.answer(call)
        gates: Any = daemon._service.dispatcher._gates
        eventually(lambda: not len(gates))

    def test_a_batch_that_has_waited_is_inside_until_its_last_call_has_ended(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        inside: list[int] = []

        @expose
        @concurrency("serial")
        class Instrument:
            async def measure(self) -> int:
                inside.append(1)
                for _ in range(5):
                    await asyncio.sleep(0)
                count = sum(inside)
                inside.append(-1)
                return count

        one = client(start().register(Instrument(), "instrument"))
        steps: list[tuple[Any, ...]] = [("measure", (), {})] * 3
        calls = [
            one.send("<batch>", *steps, flags=FLAG_BATCH)
            if number % 2
            else one.send("measure")
            for number in range(20)
        ]
        answers = [one.answer(call) for call in calls]
        assert answers == [1, [1, 1, 1]] * 10

    @pytest.mark.usefixtures("off_the_loop")
    def test_a_method_that_is_cancelled_stays_inside_until_it_ends(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        first_gate, gate = Gate(), Gate()
        inside: list[str] = []

        @expose
        @concurrency("serial")
        class Serial:
            def first(self) -> None:
                first_gate.enter()

            def second(self) -> None:
                inside.append("second")
                gate.enter()
                inside.remove("second")

            def third(self) -> list[str]:
                return list(inside)

        one = client(start().register(Serial(), "serial"))
        calls = [one.send("first")]
        first_gate.wait_for_visitors()
        cancelled = one.send("second")
        calls.append(one.send("third"))
        first_gate.open()
        gate.wait_for_visitors()
        one.cancel(cancelled)
        gate.open()
        assert [one.answer(call) for call in calls] == [None, []]


class TestReadingAndWriting:
    def test_large_oneway_calls_keep_their_order(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        noted: list[int] = []

        @expose
        class Thing:
            @oneway
            def note(self, data: bytes) -> None:
                noted.append(len(data))

        one = client(start().register(Thing(), "thing"))
        sizes = [1, 2_000_000, 2, 1_000_000, 3] * 4
        for size in sizes:
            one.send("note", bytes(size), flags=FLAG_ONEWAY)
        eventually(lambda: len(noted) == len(sizes))
        assert noted == sizes

    def test_who_reads_slowly_is_not_taken_for_dead(
        self,
        start: Callable[..., Daemon],
        client: Callable[..., ConcurrentClient],
        settings: Any,
    ) -> None:
        settings.HEARTBEAT_INTERVAL = settings.HEARTBEAT_TIMEOUT = 0.05

        @expose
        class Thing:
            def make(self, size: int) -> bytes:
                return bytes(size)

        daemon = start()
        one = client(daemon.register(Thing(), "thing"), {NATIVE, MULTIPLEX, HEARTBEAT})
        calls = [one.send("make", _LARGE) for _ in range(2)]
        host: Any = daemon.transportServer
        (connection,) = host.connections
        eventually(lambda: connection.outbox)
        # Some looks at the heartbeats pass meanwhile.
        looks = [host._next_look]
        for _ in range(5):
            eventually(lambda: host._next_look != looks[-1])
            looks.append(host._next_look)
        assert [len(one.answer(call)) for call in calls] == [_LARGE] * 2

    def test_who_does_not_read_is_dropped_whatever_else_is_written(
        self,
        start: Callable[..., Daemon],
        client: Callable[..., ConcurrentClient],
        settings: Any,
    ) -> None:
        settings.MESSAGE_TIMEOUT = 0.6

        @expose
        class Thing:
            def make(self, size: int) -> bytes:
                return bytes(size)

            async def wait(self, seconds: float) -> None:
                await asyncio.sleep(seconds)

        daemon = start()
        one = client(daemon.register(Thing(), "thing"))
        # As long as a test waits, there is something more to be written now and then.
        for number in range(int(DEADLINE * 6)):
            one.send("wait", 0.1 + number / 4)
        for _ in range(3):
            one.send("make", _LARGE)
        eventually(lambda: not daemon.connections())

    @pytest.mark.usefixtures("off_the_loop")
    def test_nothing_is_begun_for_who_does_not_read(
        self, start: Callable[..., Daemon], client: Callable[..., ConcurrentClient]
    ) -> None:
        made: list[int] = []

        @expose
        class Thing:
            def make(self, size: int) -> bytes:
                made.append(size)
                return bytes(size)

        daemon = start()
        one = client(daemon.register(Thing(), "thing"))
        for _ in range(200):
            one.send("make", _LARGE)
        (connection,) = daemon.transportServer.connections  # type: ignore[union-attr] # not the host of one socket
        eventually(lambda: connection.outbox and not connection.busy)
        assert len(made) < 150
