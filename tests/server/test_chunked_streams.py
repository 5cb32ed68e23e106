"""Streams that methods return, with their items sent ahead."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import current_context, expose
from pyro_protocol.dispatch import DAEMON_NAME
from pyro_protocol.errors import PyroError, SerializeError
from pyro_protocol.session import UNBOUNDED
from pyro_protocol.session.capabilities import NATIVE
from support.daemons import eventually
from support.gate import Gate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator

    from pyro_protocol.config import Configuration
    from pyro_server import Daemon
    from support.capable_client import CapableClient


class BoomError(Exception):
    """What a generator raises."""


@expose
class Source:
    """Gives streams, and notes what becomes of them."""

    def __init__(self) -> None:
        self.given = 0
        self.closed = threading.Semaphore(0)
        self.threads: set[str] = set()
        self.gate = Gate()

    def numbers(self, count: int) -> Generator[int, None, str]:
        try:
            for number in range(count):
                self.given += 1
                self.threads.add(threading.current_thread().name)
                yield number
            return "the end"
        finally:
            self.closed.release()

    async def later(self, count: int) -> AsyncIterator[int]:
        try:
            for number in range(count):
                self.given += 1
                if number % 3 == 0:
                    await asyncio.sleep(0)
                yield number
        finally:
            self.closed.release()

    def failing(self, count: int) -> Iterator[int]:
        yield from range(count)
        raise BoomError("no more")

    async def failing_later(self, count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number
        raise BoomError("no more")

    def unsendable(self) -> Iterator[Any]:
        yield 1
        yield threading.Lock()

    def waiting(self) -> Iterator[int]:
        yield 1
        yield 2
        yield 3
        self.gate.enter()
        yield 4

    async def waiting_later(self) -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            self.closed.release()

    def slower(self, quick: int) -> Iterator[int]:
        yield from range(quick)
        while True:
            self.gate.enter()
            yield -1

    def blocks(self, count: int, size: int) -> Iterator[bytes]:
        for number in range(count):
            yield bytes([number]) * size

    def who(self) -> Iterator[Any]:
        yield current_context.client is not None
        yield current_context.remaining

    def plain(self) -> Iterator[int]:
        return iter([1, 2, 3])

    def add(self, left: int, right: int) -> int:
        return left + right

    def is_closed(self) -> bool:
        return self.closed.acquire(timeout=10)


both = pytest.mark.parametrize("method", ["numbers", "later"])


class TestItemsSentAhead:
    @both
    def test_all_items_come_in_order_and_then_the_end(
        self,
        start: Callable[..., Daemon],
        capable: Callable[..., CapableClient],
        method: str,
    ) -> None:
        source = Source()
        stream = capable(start().register(source, "source")).start(method, 3000)
        stream.grant(UNBOUNDED)
        items, value = stream.all()
        assert items == list(range(3000))
        assert value == ("the end" if method == "numbers" else None)
        assert len(stream.chunks) < 1500

    @both
    def test_no_more_is_produced_than_was_granted(
        self,
        start: Callable[..., Daemon],
        capable: Callable[..., CapableClient],
        method: str,
    ) -> None:
        source = Source()
        client = capable(start().register(source, "source"))
        stream = client.start(method, 10)
        assert source.given == 0
        for granted in (1, 3, 2):
            given = source.given
            stream.grant(granted)
            assert [stream.next() for _ in range(granted)] == list(
                range(given, given + granted)
            )
            assert source.given == given + granted

    def test_a_plain_iterator_is_a_stream_as_well(
        self, start: Callable[..., Daemon], capable: Callable[..., CapableClient]
    ) -> None:
        stream = capable(start().register(Source(), "source")).start("plain")
        stream.grant(10)
        assert stream.all() == ([1, 2, 3], None)

    @pytest.mark.parametrize("method", ["failing", "failing_later"])
    def test_what_the_generator_raises_comes_after_its_items(
        self,
        start: Callable[..., Daemon],
        capable: Callable[..., CapableClient],
        method: str,
    ) -> None:
        stream = capable(start().register(Source(), "source")).start(method, 3)
        stream.grant(10)
        assert [stream.next() for _ in range(3)] == [0, 1, 2]
        with pytest.raises(PyroError, match="Boom") as caught:
            stream.next()
        assert any(method in line for line in caught.value._pyroTraceback)  # type: ignore[attr-defined]

    def test_tracebacks_are_withheld_as_the_settings_say(
        self,
        start: Callable[..., Daemon],
        capable: Callable[..., CapableClient],
        settings: Configuration,
    ) -> None:
        settings.REMOTE_TRACEBACKS = "never"
        stream = capable(start().register(Source(), "source")).start("failing", 0)
        stream.grant(10)
        with pytest.raises(PyroError, match="Boom") as caught:
            stream.next()
        assert not any(
            "failing" in line for line in getattr(caught.value, "_pyroTraceback", [])
        )

    def test_an_item_that_cannot_be_sent_ends_the_stream(
        self, start: Callable[..., Daemon], capable: Callable[..., CapableClient]
    ) -> None:
        stream = capable(start().register(Source(), "source")).start("unsendable")
        stream.grant(10)
        assert stream.next() == 1
        with pytest.raises(SerializeError, match="lock"):
            stream.next()

    @pytest.mark.usefixtures("off_the_loop")
    def test_items_do_not_wait_for_one_that_takes_long(
        self, start: Callable[..., Daemon], capable: Callable[..., CapableClient]
    ) -> None:
        source = Source()
        stream = capable(start().register(source, "source")).start("waiting")
        stream.grant(UNBOUNDED)
        source.gate.wait_for_visitors()
        assert [stream.next() for _ in range(3)] == [1, 2, 3]
        source.gate.open()
        assert stream.all() == ([4], None)

    @pytest.mark.usefixtures("off_the_loop")
    def test_a_generator_that_becomes_slow_keeps_nothing_back(
        self, start: Callable[..., Daemon], capable: Callable[..., CapableClient]
    ) -> None:
        source = Source()
        stream = capable(start().register(source, "source")).start("slower", 5000)
        stream.grant(UNBOUNDED)
        assert [stream.next() for _ in range(5000)] == list(range(5000))
        source.gate.open()
        assert [stream.next() for _ in range(50)] == [-1] * 50

    def test_a_large_item_is_told_of_and_waits_for_credit(
        self, start: Callable[..., Daemon], capable: Callable[..., CapableClient]
    ) -> None:
        client = capable(start().register(Source(), "source"))
        stream = client.start("blocks", 3, 100_000)
        stream.grant(2, 50_000)
        while not stream.wants:
            client.receive()
        stream.grant(0, stream.wants[0].missing)
        assert stream.next() == bytes(100_000)
        stream.grant(UNBOUNDED)
        assert [len(item) for item in stream.all()[0]] == [100_000, 100_000]

    def test_a_slow_reader_holds_the_generator_up(
        self, start: Callable[..., Daemon], capable: Callable[..., CapableClient]
    ) -> None:
        client = capable(start().register(Source(), "source"))
        stream = client.start("blocks", 200, 200_000)
        stream.grant(UNBOUNDED)
        assert [len(item) for item in stream.all()[0]] == [200_000] * 200

    def test_several_streams_and_calls_share_a_connection(
        self, start: Callable[..., Daemon], capable: Callable[..., CapableClient]
    ) -> None:
        daemon = start()
        client = capable(daemon.register(Source(), "source"))
        streams = [client.start(one, 500) for one in ("numbers", "later") * 3]
        for stream in streams:
            stream.grant(100)
        eventually(lambda: daemon.connections()[0].streams == len(streams))
        for _ in range(5):
            for stream in streams:
                assert len([stream.next() for _ in range(100)]) == 100
                assert client.call("add", 2, 3) == 5
                stream.grant(100)
        for stream in streams:
            assert stream.all()[0] == []

    def test_the_generator_sees_its_client_and_no_deadline(
        self, start: Callable[..., Daemon], capable: Callable[..., CapableClient]
    ) -> None:
        client = capable(start().register(Source(), "source"))
        number = client.send("who", timeout=5)
        stream = client.stream_of(number)
        stream.grant(3)
        assert stream.all()[0] == [True, None]


class TestTheEnd:
    @both
    def test_closing_ends_the_generator(
        self,
        start: Callable[..., Daemon],
        capable: Callable[..., CapableClient],
        method: str,
    ) -> None:
        source = Source()
        stream = capable(start().register(source, "source")).start(method, 10**9)
        stream.grant(5)
        assert stream.next() == 0
        stream.close()
        assert source.is_closed()
        assert source.given <= 5

    @both
    def test_a_stream_that_is_closed_at_once_is_never_begun(
        self,
        start: Callable[..., Daemon],
        capable: Callable[..., CapableClient],
        method: str,
    ) -> None:
        daemon = start()
        source = Source()
        client = capable(daemon.register(source, "source"))
        client.start(method, 10).close()
        eventually(lambda: not daemon.streams)
        assert source.given == 0

    def test_a_coroutine_that_waits_is_stopped_by_closing(
        self, start: Callable[..., Daemon], capable: Callable[..., CapableClient]
    ) -> None:
        source = Source()
        stream = capable(start().register(source, "source")).start("waiting_later")
        stream.grant(5)
        assert stream.next() == 1
        stream.close()
        assert source.is_closed()

    @both
    @pytest.mark.parametrize("credit", [3, UNBOUNDED])
    def test_a_lost_connection_ends_the_generator(
        self,
        start: Callable[..., Daemon],
        capable: Callable[..., CapableClient],
        method: str,
        credit: int,
    ) -> None:
        source = Source()
        client = capable(start().register(source, "source"))
        stream = client.start(method, 10**9)
        stream.grant(credit)
        assert stream.next() == 0
        client.close()
        assert source.is_closed()

    @pytest.mark.parametrize("method", ["numbers", "later", "waiting_later"])
    def test_the_end_of_the_daemon_ends_the_generator(
        self,
        start: Callable[..., Daemon],
        capable: Callable[..., CapableClient],
        method: str,
    ) -> None:
        source = Source()
        daemon = start()
        stream = capable(daemon.register(source, "source")).start(
            method, *([10**9] if method != "waiting_later" else [])
        )
        stream.grant(4)
        stream.next()
        daemon.shutdown()
        gc.collect()
        assert source.is_closed()

    @both
    def test_a_stream_that_exists_for_too_long_is_ended(
        self,
        start: Callable[..., Daemon],
        capable: Callable[..., CapableClient],
        settings: Configuration,
        method: str,
    ) -> None:
        settings.ITER_STREAM_LIFETIME = 0.01
        source = Source()
        stream = capable(start().register(source, "source")).start(method, 10**9)
        stream.grant(1)
        assert stream.next() == 0
        with pytest.raises(PyroError, match="ITER_STREAM_LIFETIME"):
            stream.next()
        assert source.is_closed()

    def test_a_cancelled_call_leaves_no_stream(
        self, start: Callable[..., Daemon], capable: Callable[..., CapableClient]
    ) -> None:
        daemon = start()
        client = capable(daemon.register(Source(), "source"))
        for _ in range(20):
            number = client.send("numbers", 10)
            client.cancel(number)
            with suppress(PyroError):
                client.answer(number)
        client.call("get_metadata", "source", object_id=DAEMON_NAME)
        assert len(daemon.streams) == len(client.session._consumed)


class TestOneByOne:
    def test_items_can_be_fetched_instead(
        self, start: Callable[..., Daemon], capable: Callable[..., CapableClient]
    ) -> None:
        client = capable(start().register(Source(), "source"))
        stream_id = client.answer(client.send("numbers", 2)).stream_id

        def fetch() -> Any:
            return client.call("get_next_stream_item", stream_id, object_id=DAEMON_NAME)

        assert [fetch(), fetch()] == [0, 1]
        with pytest.raises(StopIteration):
            fetch()

    def test_one_that_was_begun_so_cannot_be_sent_ahead(
        self, start: Callable[..., Daemon], capable: Callable[..., CapableClient]
    ) -> None:
        client = capable(start().register(Source(), "source"))
        number = client.send("numbers", 2)
        stream = client.stream_of(number)
        stream_id = stream.stream_id
        assert (
            client.call("get_next_stream_item", stream_id, object_id=DAEMON_NAME) == 0
        )
        stream.grant(5)
        with pytest.raises(PyroError, match="one by one"):
            stream.next()
        assert (
            client.call("get_next_stream_item", stream_id, object_id=DAEMON_NAME) == 1
        )

    def test_one_that_is_sent_ahead_cannot_be_fetched(
        self, start: Callable[..., Daemon], capable: Callable[..., CapableClient]
    ) -> None:
        client = capable(start().register(Source(), "source"))
        stream = client.stream_of(client.send("numbers", 2))
        stream.grant(1)
        assert stream.next() == 0
        with pytest.raises(PyroError, match="terminated"):
            client.call("get_next_stream_item", stream.stream_id, object_id=DAEMON_NAME)

    def test_a_client_without_chunks_gets_no_number(
        self, start: Callable[..., Daemon], capable: Callable[..., CapableClient]
    ) -> None:
        client = capable(start().register(Source(), "source"), {NATIVE})
        stream_id = client.answer(client.send("numbers", 2)).stream_id
        item = client.call("get_next_stream_item", stream_id, object_id=DAEMON_NAME)
        assert item == 0

    def test_beyond_the_limit_streams_are_fetched_one_by_one(
        self,
        start: Callable[..., Daemon],
        capable: Callable[..., CapableClient],
        settings: Configuration,
    ) -> None:
        settings.MAX_STREAMS = 2
        client = capable(start().register(Source(), "source"))
        ahead = [client.start("numbers", 5) for _ in range(2)]
        for stream in ahead:
            stream.grant(1)
            assert stream.next() == 0
        stream_id = client.answer(client.send("numbers", 2)).stream_id
        item = client.call("get_next_stream_item", stream_id, object_id=DAEMON_NAME)
        assert item == 0
        ahead[0].close()
        eventually(lambda: client.answer(client.send("plain")) is not None)


@pytest.mark.parametrize("seed", range(6))
def test_items_asked_for_one_by_one_or_several_at_once_come_in_order(
    start: Callable[..., Daemon], capable: Callable[..., CapableClient], seed: int
) -> None:
    choose = random.Random(seed)
    source = Source()
    client = capable(start().register(source, "source"))
    count = 60
    methods = ["numbers", "numbers", choose.choice(["numbers", "later"])]
    streams = [client.start(method, count) for method in methods]
    for stream in streams:
        stream.grant(0)
    left = {stream: list(range(count)) for stream in streams}
    while any(left.values()):
        asked = []
        for stream in choose.choices(streams, k=choose.choice([1, 1, 1, 2, 5])):
            client.session.grant(stream.number, 1, 0)
            asked.append(stream)
        if choose.random() < 0.2:
            client.send("add", 2, 3)
        client.flush()
        for stream in asked:
            if left[stream]:
                assert stream.next() == left[stream].pop(0)
    for stream, method in zip(streams, methods, strict=True):
        stream.grant(1, 0)
        assert stream.all() == ([], "the end" if method == "numbers" else None)


@pytest.mark.parametrize("seed", range(6))
def test_any_mixture_of_credit_closing_and_loss_leaves_nothing_behind(
    start: Callable[..., Daemon], capable: Callable[..., CapableClient], seed: int
) -> None:
    choose = random.Random(seed)
    daemon = start()
    source = Source()
    uri = daemon.register(source, "source")
    begun = 0
    for _ in range(4):
        client = capable(uri)
        streams = []
        for _ in range(choose.randrange(1, 6)):
            stream = client.start(choose.choice(["numbers", "later"]), 10**9)
            # Without credit it is never begun, and has nothing to clean up.
            stream.grant(1)
            assert stream.next() == 0
            streams.append(stream)
            begun += 1
        for _ in range(choose.randrange(30)):
            stream = choose.choice(streams)
            what = choose.randrange(10)
            if what == 0:
                stream.close()
            else:
                stream.grant(choose.randrange(200), choose.choice([100, UNBOUNDED]))
            if choose.random() < 0.3:
                client.call("get_metadata", "source", object_id=DAEMON_NAME)
        client.close()
    for _ in range(begun):
        assert source.is_closed()
    assert not daemon.streams
