from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

import pytest

from protocol.conversation import Pair
from protocol.golden import decode_all
from pyro_protocol.dispatch import StreamStarted
from pyro_protocol.errors import (
    LocalProtocolError,
    MessageTooLargeError,
    PyroError,
    SerializeError,
)
from pyro_protocol.serializers import serializers
from pyro_protocol.session import (
    UNBOUNDED,
    ServerSession,
    SessionSettings,
    StreamClosed,
    StreamCredited,
    StreamEnded,
    StreamItems,
    StreamWants,
    read_end,
)
from pyro_protocol.session.producing import CHUNK_SIZE, MAX_QUEUED
from pyro_protocol.session.stream_frames import pack_credit, pack_number
from pyro_protocol.wire import Frame, MessageType, encode_frame

if TYPE_CHECKING:
    from collections.abc import Generator

NATIVE = serializers["native"]
# What the credit for one small number is.
SMALL = 5


def started(**options: Any) -> tuple[Pair, int]:
    """Return a pair whose client has just been told of a stream, without credit."""
    pair = Pair(**options)
    number = start_stream(pair)
    return pair, number


def start_stream(pair: Pair) -> int:
    pair.client.send_call(NATIVE, "thing", "items", (), {})
    (request,) = pair.to_server()
    number = pair.server.open_stream(NATIVE)
    pair.server.send_result(request, StreamStarted(f"s{number}", number))
    (answer,) = pair.to_client()
    assert pair.client.stream_number(answer) == number
    return number


def granted(
    items: int = UNBOUNDED, size: int = UNBOUNDED, **options: Any
) -> tuple[Pair, int]:
    pair, number = started(**options)
    assert pair.client.grant(number, items, size)
    assert pair.server_signals() == [StreamCredited(number)]
    return pair, number


def items_of(signals: Any) -> list[Any]:
    return [
        NATIVE.loads(item)
        for signal in signals
        if isinstance(signal, StreamItems)
        for item in signal.items
    ]


def sent(session: ServerSession) -> list[Frame]:
    return decode_all(b"".join(session.data_to_send()))


class TestItemsAskedForOneByOne:
    def test_one_may_be_asked_for_when_any_size_is_welcome(self) -> None:
        pair, number = granted(0)

        assert pair.server.awaits_item(number)
        assert pair.client.may_ask(number)
        assert not pair.server.awaits_item(number + 1)
        assert not pair.client.may_ask(number + 1)

    def test_none_may_overtake_what_is_queued(self) -> None:
        pair, number = granted(0)
        pair.client.grant(number, 1, 0)
        assert not pair.client.may_ask(number)
        pair.server_signals()
        assert not pair.server.awaits_item(number)
        pair.server.send_item(number, 1)
        assert not pair.server.awaits_item(number)

    def test_one_that_is_queued_needs_no_other_credit(self) -> None:
        pair, number = granted(0)

        item = pair.server.pull_item(number, iter([1 << 80]).__next__)
        pair.client.asked(number)
        pair.server.send_asked_item(number, item)

        assert items_of(pair.client_signals()) == [1 << 80]
        assert pair.server.awaits_item(number)
        assert pair.client.may_ask(number)

    def test_what_was_closed_meanwhile_is_not_sent(self) -> None:
        pair, number = granted(0)
        item = pair.server.pull_item(number, iter([1]).__next__)
        pair.client.close_stream(number)
        pair.server_signals()

        pair.server.send_asked_item(number, item)
        assert pair.server.data_to_send() == []
        assert not pair.client.may_ask(number)


class TestCredit:
    def test_without_credit_nothing_may_be_produced(self) -> None:
        pair, number = started()

        assert not pair.server.can_produce(number)
        with pytest.raises(LocalProtocolError, match="no room for an item"):
            pair.server.send_item(number, 1)

    def test_as_many_items_are_produced_as_were_granted(self) -> None:
        pair, number = granted(2)

        assert pair.server.send_item(number, 1)
        assert pair.server.can_produce(number)
        assert pair.server.send_item(number, 2)
        assert not pair.server.can_produce(number)

        assert items_of(pair.client_signals()) == [1, 2]
        assert not pair.server.can_produce(number)

    def test_one_item_beyond_the_bytes_waits_for_more(self) -> None:
        pair, number = granted(10, 2 * SMALL - 1)
        pair.server.send_item(number, 1)
        pair.server.send_item(number, 2)
        assert not pair.server.can_produce(number)

        items, wants = pair.client_signals()
        assert items_of([items]) == [1]
        assert wants == StreamWants(number, SMALL, 1)
        assert pair.server.data_to_send() == []

        pair.client.grant(number, 0, 1)
        pair.server_signals()
        assert items_of(pair.client_signals()) == [2]

    def test_without_bytes_nothing_may_be_produced(self) -> None:
        pair, number = granted(10, SMALL)
        pair.server.send_item(number, 1)

        assert not pair.server.can_produce(number)
        assert items_of(pair.client_signals()) == [1]
        assert not pair.server.can_produce(number)

    def test_bounds_can_be_lifted_one_by_one(self) -> None:
        pair, number = granted(UNBOUNDED, SMALL)
        pair.client.grant(number, 5, UNBOUNDED)
        pair.server_signals()

        for index in range(10):
            assert pair.server.send_item(number, index)

        assert items_of(pair.client_signals()) == list(range(10))

    def test_what_waits_for_the_connection_is_bounded(self) -> None:
        pair, number = granted()
        item = "x" * (MAX_QUEUED // 2)
        pair.server.send_item(number, item)
        pair.server.send_item(number, item)

        assert not pair.server.can_produce(number)
        pair.server.data_to_send()
        assert pair.server.can_produce(number)

    def test_streams_are_told_apart(self) -> None:
        pair, first = granted(1, 100)
        second = start_stream(pair)
        pair.client.grant(second, 2, 100)
        pair.server_signals()

        pair.server.send_item(second, "b")
        pair.server.send_item(first, "a")
        pair.server.send_item(second, "c")

        one, other = pair.client_signals()
        assert isinstance(one, StreamItems)
        assert isinstance(other, StreamItems)
        assert (one.number, items_of([one])) == (second, ["b", "c"])
        assert (other.number, items_of([other])) == (first, ["a"])


class TestMessages:
    def test_an_item_that_is_ready_is_not_held_back(self) -> None:
        pair, number = granted()

        pair.server.send_item(number, 1)
        assert len(sent(pair.server)) == 1
        pair.server.send_item(number, 2)
        pair.server.send_item(number, 3)
        (frame,) = sent(pair.server)

        assert (frame.kind, frame.serializer_id) == (MessageType.ITEMS, NATIVE.id)
        assert frame.payload == bytes.fromhex(f"{number:08x} 00000001 02 00000001 03")

    def test_a_message_does_not_become_too_long_for_others_to_wait(self) -> None:
        pair, number = granted()
        for _ in range(5):
            pair.server.send_item(number, "x" * (CHUNK_SIZE // 2 - 100))
        pair.server.send_item(number, "y" * CHUNK_SIZE)

        sizes = [len(frame.payload) for frame in sent(pair.server)]

        assert len(sizes) == 4
        assert all(size <= CHUNK_SIZE + 20 for size in sizes)

    def test_a_large_buffer_travels_apart_and_alone(self) -> None:
        pair, number = granted()
        values = [b"small", b"x" * 100_000, bytearray(b"y" * 100_000), 4]
        for value in values:
            pair.server.send_item(number, value)

        signals = pair.client_signals()

        assert items_of(signals) == values
        assert [len(one.items) for one in signals if isinstance(one, StreamItems)] == [
            1,
            1,
            1,
            1,
        ]

    def test_items_are_compressed_if_wanted(self) -> None:
        settings = SessionSettings(compress=True)
        pair, number = granted(server_settings=settings, client_settings=settings)
        for _ in range(20):
            pair.server.send_item(number, "x" * 100)
        pair.server.send_item(number, b"x" * 100_000)
        data = pair.server.data_to_send()
        assert sum(map(len, data)) < 1000

        for buffer in data:
            pair.client.receive_data(bytes(buffer))

        assert len(items_of(pair.client.signals_received())) == 21

    @pytest.mark.parametrize("compress", [True, False])
    def test_an_item_that_just_fits_into_a_message_is_sent(
        self, compress: bool
    ) -> None:
        settings = SessionSettings(max_message_size=2000, compress=compress)
        pair, number = granted(server_settings=settings, client_settings=settings)
        with pytest.raises(MessageTooLargeError, match="max=2000"):
            pair.server.send_item(number, "x" * 1990)
        with pytest.raises(SerializeError):
            pair.server.send_item(number, object())

        pair.server.send_item(number, "x" * 1970)

        assert items_of(pair.client_signals()) == ["x" * 1970]


class TestTheEnd:
    def test_it_comes_after_the_last_item_with_the_final_value(self) -> None:
        pair, number = granted()
        pair.server.send_item(number, 1)
        pair.server.end_stream(number, "final")
        assert not pair.server.can_produce(number)

        items, ended = pair.client_signals()

        assert items_of([items]) == [1]
        assert isinstance(ended, StreamEnded)
        assert read_end(ended, NATIVE) == "final"

    def test_it_waits_for_items_that_were_not_granted_yet(self) -> None:
        pair, number = granted(5, SMALL)
        pair.server.send_item(number, "too long for that")
        pair.server.end_stream(number)
        (wants,) = pair.client_signals()
        assert isinstance(wants, StreamWants)

        pair.client.grant(number, 0, wants.missing)

        assert pair.server_signals() == []
        items, ended = pair.client_signals()
        assert items_of([items]) == ["too long for that"]
        assert isinstance(ended, StreamEnded)
        assert read_end(ended, NATIVE) is None

    def test_it_needs_no_credit(self) -> None:
        pair, number = started()
        pair.server.end_stream(number)
        assert pair.client_signals() == []

        pair.client.grant(number, 0, 0)
        pair.server_signals()

        (ended,) = pair.client_signals()
        assert isinstance(ended, StreamEnded)

    def test_it_may_be_an_exception(self) -> None:
        pair, number = granted()
        pair.server.fail_stream(number, KeyError("broken"))

        (ended,) = pair.client_signals()

        assert isinstance(ended, StreamEnded)
        assert ended.failed
        with pytest.raises(KeyError, match="broken"):
            read_end(ended, NATIVE)

    def test_an_exception_that_cannot_be_sent_is_told_of(self) -> None:
        pair, number = granted(server_settings=SessionSettings(max_message_size=5000))
        pair.server.fail_stream(number, ValueError("x" * 10_000))

        (ended,) = pair.client_signals()

        assert isinstance(ended, StreamEnded)
        with pytest.raises(PyroError, match="could not be sent as it is"):
            read_end(ended, NATIVE)

    def test_a_final_value_that_cannot_be_sent_leaves_room_for_an_exception(
        self,
    ) -> None:
        pair, number = granted()
        with pytest.raises(SerializeError):
            pair.server.end_stream(number, object())

        pair.server.fail_stream(number, ValueError("no value"))

        (ended,) = pair.client_signals()
        assert isinstance(ended, StreamEnded)
        assert ended.failed

    def test_it_comes_once(self) -> None:
        pair, number = granted()
        pair.server.end_stream(number, "first")
        pair.server.end_stream(number, "second")
        pair.server.fail_stream(number, ValueError("third"))
        with pytest.raises(LocalProtocolError):
            pair.server.send_item(number, 1)
        (ended,) = pair.client_signals()
        assert isinstance(ended, StreamEnded)
        assert read_end(ended, NATIVE) == "first"

        pair.server.end_stream(number, "fourth")
        assert not pair.server.send_item(number, 1)

        assert pair.server.data_to_send() == []


class TestClosing:
    def test_the_generator_is_ended_and_then_the_stream(self) -> None:
        pair, number = granted(5)
        pair.server.send_item(number, 1)
        pair.client.close_stream(number)

        assert pair.server_signals() == [StreamClosed(number)]
        assert not pair.server.can_produce(number)
        assert not pair.server.send_item(number, 2)
        pair.server.end_stream(number)

        (frame,) = sent(pair.server)
        assert frame.kind == MessageType.END

    def test_a_stream_that_has_come_to_its_end_is_told_so_at_once(self) -> None:
        pair, number = granted(5, SMALL)
        pair.server.send_item(number, "too long for that")
        pair.server.end_stream(number)
        pair.client_signals()
        pair.client.close_stream(number)

        assert pair.server_signals() == []
        (frame,) = sent(pair.server)
        assert frame.kind == MessageType.END

    def test_it_may_cross_the_end(self) -> None:
        pair, number = granted()
        pair.client.grant(number, 5, 5)
        pair.client.close_stream(number)
        pair.client.close_stream(number)
        pair.server.end_stream(number)
        pair.client_signals()

        assert pair.server_signals() == []
        assert pair.server.data_to_send() == []

    def test_it_makes_room_for_another_stream_when_the_generator_has_ended(
        self,
    ) -> None:
        settings = SessionSettings(max_streams=1)
        pair, number = started(server_settings=settings)
        with pytest.raises(PyroError, match=r"max=1.*MAX_STREAMS"):
            pair.server.open_stream(NATIVE)
        pair.client.close_stream(number)
        pair.server_signals()
        with pytest.raises(PyroError, match="too many open streams"):
            pair.server.open_stream(NATIVE)

        pair.server.end_stream(number)
        pair.client_signals()

        assert pair.server.open_stream(NATIVE) == number + 1


class TestOpening:
    def test_the_peer_says_how_many_it_takes(self) -> None:
        pair = Pair(client_settings=SessionSettings(max_streams=2))
        pair.server.open_stream(NATIVE)
        pair.server.open_stream(NATIVE)

        with pytest.raises(PyroError, match="max=2"):
            pair.server.open_stream(NATIVE)

    def test_numbers_are_used_once_and_up(self) -> None:
        pair = Pair()
        assert pair.server.open_stream(NATIVE) == 1
        pair.server.discard_stream(1)
        assert pair.server.open_stream(NATIVE) == 2
        pair.server._last_stream = 0xFFFF_FFFF

        with pytest.raises(PyroError, match="no numbers for streams left"):
            pair.server.open_stream(NATIVE)

    def test_it_needs_the_capability(self) -> None:
        pair = Pair(["native", "multiplex"])

        with pytest.raises(LocalProtocolError, match="'chunks' is not in force"):
            pair.server.open_stream(NATIVE)

    def test_a_result_cannot_tell_of_a_stream_without_the_capability(self) -> None:
        pair = Pair(["native"])
        pair.client.send_call(NATIVE, "thing", "items", (), {})
        (request,) = pair.to_server()

        with pytest.raises(LocalProtocolError, match="'chunks' is not in force"):
            pair.server.send_result(request, StreamStarted("s", 1))

    def test_a_stream_that_does_not_exist_cannot_be_used(self) -> None:
        pair = Pair()

        assert not pair.server.can_produce(1)
        with pytest.raises(LocalProtocolError, match="there is no stream 1"):
            pair.server.send_item(1, "x")
        with pytest.raises(LocalProtocolError, match="there is no stream 1"):
            pair.server.end_stream(1)

    @pytest.mark.parametrize("number", [0, 2, 0xFFFF_FFFF])
    @pytest.mark.parametrize("kind", [MessageType.CREDIT, MessageType.CLOSE])
    def test_a_peer_that_speaks_of_one_loses_its_connection(
        self, kind: MessageType, number: int
    ) -> None:
        pair, _number = started()
        payload = (
            pack_number(number)
            if kind is MessageType.CLOSE
            else pack_credit(number, 1, 1)
        )

        pair.server.receive_data(b"".join(encode_frame(kind, 0, 0, 0, payload)))

        assert pair.server.closing
        assert f"stream {number}, which was never opened" in str(pair.server.error)


class TestArguments:
    @staticmethod
    def called() -> tuple[Pair, int, Frame]:
        pair = Pair()
        number = pair.client.open_stream(NATIVE)
        sequence = pair.client.send_call(NATIVE, "thing", "read", (number,), {})
        pair.client.attach_streams(sequence, [number])
        (request,) = pair.to_server()
        return pair, number, request

    def test_the_server_takes_a_stream_up_and_reads_it(self) -> None:
        pair, number, request = self.called()
        pair.server.accept_stream(number, NATIVE.id)
        pair.server.grant(number, 3, 100)
        assert pair.client_signals() == [StreamCredited(number)]

        pair.client.send_item(number, "first")
        assert items_of(pair.server_signals()) == ["first"]
        pair.server.send_result(request, None)
        assert len(pair.to_client()) == 1
        assert pair.client.signals_received() == []
        pair.client.send_item(number, "second")
        assert items_of(pair.server_signals()) == ["second"]

    def test_what_is_not_taken_up_before_the_answer_is_taken_back(self) -> None:
        pair, number, request = self.called()
        pair.server.send_exception(request, ValueError("not decoded"))

        assert len(pair.to_client()) == 1

        assert pair.client.signals_received() == [StreamClosed(number)]
        assert not pair.client.can_produce(number)
        pair.client.end_stream(number)
        assert pair.client.data_to_send() == []

    def test_what_has_ended_by_then_is_taken_back_quietly(self) -> None:
        pair, number, request = self.called()
        pair.client.end_stream(number)
        assert pair.client.data_to_send() == []
        pair.server.send_result(request, None)

        assert len(pair.to_client()) == 1
        assert pair.client.signals_received() == []

    def test_what_is_taken_up_but_not_used_yet_is_kept(self) -> None:
        pair, number, request = self.called()
        pair.server.accept_stream(number, NATIVE.id)
        pair.server.send_result(request, None)

        assert len(pair.to_client()) == 1

        assert pair.client.signals_received() == [StreamCredited(number)]
        pair.server.grant(number, 1, 100)
        pair.client_signals()
        pair.client.send_item(number, "late")
        assert items_of(pair.server_signals()) == ["late"]

    def test_the_short_way_takes_streams_back_as_well(self) -> None:
        pair, number, request = self.called()
        pair.server.send_result(request, None)
        (data,) = pair.server.data_to_send()

        assert pair.client.only_reply(bytes(data)) is None
        pair.client.receive_data(bytes(data))

        assert pair.client.signals_received() == [StreamClosed(number)]

    def test_a_call_without_an_answer_cannot_have_streams(self) -> None:
        pair = Pair()
        number = pair.client.open_stream(NATIVE)

        with pytest.raises(LocalProtocolError, match="has no answer"):
            pair.client.attach_streams(9, [number])


class TestManyItemsAtOnce:
    def test_they_are_those_that_would_be_sent_one_by_one(self) -> None:
        values = [None, True, 1, 2**70, -1.5, "text", b"bytes", bytearray(3), [1], ()]
        pair, number = granted()
        pair.server.send_items(number, iter(values).__next__, len(values), Lock())
        assert items_of(pair.client_signals()) == values

    @pytest.mark.parametrize(
        ("items", "size", "most", "expected"),
        [(3, UNBOUNDED, 10, 3), (10, 2 * SMALL, 10, 2), (10, UNBOUNDED, 4, 4)],
    )
    def test_no_more_are_asked_for_than_there_is_credit(
        self, items: int, size: int, most: int, expected: int
    ) -> None:
        pair, number = granted(items, size)
        values = count()
        pair.server.send_items(number, values.__next__, most, Lock())
        assert next(values) == expected
        assert items_of(pair.client_signals()) == [*range(expected)]

    def test_without_credit_none_is_asked_for(self) -> None:
        pair, number = started()
        values = count()
        pair.server.send_items(number, values.__next__, 10, Lock())
        assert next(values) == 0

    def test_what_waits_is_bounded_even_without_a_bound_of_the_consumer(self) -> None:
        pair, number = granted()
        blocks = (bytes(100_000) for _ in range(1000))
        pair.server.send_items(number, blocks.__next__, 1000, Lock())
        assert len(list(blocks)) == 1000 - (MAX_QUEUED // 100_000 + 1)

    def test_large_and_small_ones_keep_their_order(self) -> None:
        pair, number = granted()
        values: list[Any] = [1, bytes(70_000), 2, bytes(70_001), 3]
        pair.server.send_items(number, iter(values).__next__, 5, Lock())
        chunks = [
            len(one.items)
            for one in pair.client_signals()
            if isinstance(one, StreamItems)
        ]
        assert chunks == [1, 1, 1, 1, 1]

    def test_what_came_before_the_end_or_an_error_is_sent(self) -> None:
        pair, number = granted()

        def values() -> Generator[int, None, str]:
            yield 1
            return "done"

        with pytest.raises(StopIteration, match="done"):
            pair.server.send_items(number, values().__next__, 5, Lock())
        with pytest.raises(SerializeError):
            pair.server.send_items(number, iter([2, Lock()]).__next__, 5, Lock())
        assert items_of(pair.client_signals()) == [1, 2]

    def test_a_generator_whose_stream_is_closed_is_asked_no_further(self) -> None:
        pair, number = granted()
        asked = []

        def pull() -> int:
            asked.append(1)
            if len(asked) == 2:
                pair.client.close_stream(number)
                pair.server_signals()
            return 1

        pair.server.send_items(number, pull, 10, Lock())
        assert len(asked) == 2
        assert items_of(pair.client_signals()) == []

    def test_another_may_send_them_while_they_are_given(self) -> None:
        pair, number = granted()
        lock = Lock()
        received: list[Any] = []

        def values() -> Generator[Any, None, None]:
            for one in range(500):
                yield bytes(70_000) if one % 100 == 50 else one
                if one % 7 == 0:
                    # What was given is there at once.
                    with lock:
                        received.extend(items_of(pair.client_signals()))
                    assert len(received) == one + 1

        with pytest.raises(StopIteration):
            pair.server.send_items(number, values().__next__, 1000, lock)
        received += items_of(pair.client_signals())
        assert [one for one in received if isinstance(one, int)] == [
            one for one in range(500) if one % 100 != 50
        ]
        assert len(received) == 500

    def test_threads_may_send_them_while_they_are_given(self) -> None:
        pair, number = granted()
        lock = Lock()
        received: list[Any] = []
        stopped = Event()

        def send() -> None:
            while not stopped.is_set():
                with lock:
                    received.extend(items_of(pair.client_signals()))

        with ThreadPoolExecutor(2) as pool:
            senders = [pool.submit(send) for _ in range(2)]
            try:
                for start in range(0, 50_000, 5_000):
                    pull = count(start).__next__
                    pair.server.send_items(number, pull, 5_000, lock)
            finally:
                stopped.set()
            for one in senders:
                one.result(60)
        received += items_of(pair.client_signals())
        assert received == list(range(50_000))

    def test_each_is_announced_that_nobody_knows_of(self) -> None:
        pair, number = granted()
        announced: list[int] = []
        given = count()

        def pull() -> int:
            value = next(given)
            if value == 4:
                assert items_of(pair.client_signals()) == [0, 1, 2, 3]
            return value

        def announce() -> bool:
            announced.append(pair.server.waiting_items(number))
            return True

        pair.server.send_items(number, pull, 8, Lock(), announce)
        assert announced == [1, 1]
        assert items_of(pair.client_signals()) == [4, 5, 6, 7]

    def test_one_that_is_too_large_is_refused(self) -> None:
        small = SessionSettings(max_message_size=2000)
        pair, number = granted(server_settings=small)
        with pytest.raises(MessageTooLargeError):
            pair.server.send_items(number, iter(["x" * 3000]).__next__, 1, Lock())


def test_an_item_may_be_encoded_before_it_is_queued() -> None:
    pair, number = granted()
    item = pair.server.encode_item(NATIVE, "early")
    assert pair.server.send_encoded_item(number, item)
    pair.server.end_encoded(number, pair.server.encode_item(NATIVE, "result"))
    items, end = pair.client_signals()
    assert items_of([items]) == ["early"]
    assert isinstance(end, StreamEnded)
    assert read_end(end, NATIVE) == "result"
    assert not pair.server.send_encoded_item(number, item)


def test_a_failure_may_be_encoded_before_the_stream_is_ended() -> None:
    pair, number = granted()
    payload = pair.server.encode_failure(NATIVE, KeyError("gone"))
    pair.server.end_encoded(number, payload, failed=True)
    (end,) = pair.client_signals()
    assert isinstance(end, StreamEnded)
    with pytest.raises(KeyError, match="gone"):
        read_end(end, NATIVE)
