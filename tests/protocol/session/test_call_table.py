from __future__ import annotations

import threading
import weakref
from typing import Any

import pytest

from protocol.conversation import Pair
from pyro_protocol.errors import (
    CallCancelledError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.serializers import serializers
from pyro_protocol.session import read_reply
from pyro_protocol.session.call_table import CallTable, ServedCall
from pyro_protocol.wire import Frame

NATIVE = serializers["native"]


class Table:
    """A table with a client that calls, and a clock that stands still."""

    def __init__(self) -> None:
        self.pair = Pair(["native", "multiplex", "cancel", "deadline"])
        self.now = 100.0
        self.stopped: list[int] = []
        self.calls = CallTable(
            object(), self.pair.server, threading.Lock(), lambda: self.now
        )

    def arrive(self, **options: Any) -> Frame:
        """Have a call arrive."""
        self.pair.client.send_call(NATIVE, "thing", "work", (), {}, **options)
        (frame,) = self.pair.to_server()
        assert isinstance(frame, Frame)
        self.calls.arrived(frame)
        return frame

    def begin(self, **options: Any) -> ServedCall:
        """Have a call arrive and begin."""
        call = self.calls.begin(self.arrive(**options))
        assert call is not None
        return call

    def stop(self, call: ServedCall) -> None:
        """Stop a call, as its coroutine would be."""
        self.stopped.append(call.sequence)

    def answers(self) -> list[Any]:
        """What the client has been told since the last time."""
        told = []
        for frame in self.pair.to_client():
            try:
                told.append(read_reply(frame, NATIVE.id))
            except (CallCancelledError, TimeoutError) as error:
                told.append(error)
        return told


@pytest.fixture
def table() -> Table:
    return Table()


def encoded(table: Table, call: ServedCall, value: object) -> Any:
    return table.pair.server.encode_result(call.frame, value)


def test_a_call_is_kept_until_it_is_answered(table: Table) -> None:
    call = table.begin()
    assert (len(table.calls), call.begun) == (1, True)
    assert table.calls.find(call.frame) is call
    table.calls.answer(call, encoded(table, call, 5))
    assert len(table.calls) == 0
    assert table.calls.find(call.frame) is None
    assert table.answers() == [5]


def test_a_second_answer_is_dropped(table: Table) -> None:
    call = table.begin()
    for value in (1, 2):
        table.calls.answer(call, encoded(table, call, value))
    assert table.answers() == [1]


def test_what_is_no_request_is_not_found(table: Table) -> None:
    assert table.calls.find("a text") is None


def test_a_call_cancelled_before_its_turn_is_not_begun(table: Table) -> None:
    frame = table.arrive()
    table.calls.cancel(frame.sequence)
    assert table.calls.begin(frame) is None
    (error,) = table.answers()
    assert "before it was run" in str(error)


def test_a_call_cancelled_while_it_begins_is_either_run_or_said_not_to_be(
    table: Table,
) -> None:
    frame = table.arrive()

    class Slow(dict[int, ServedCall]):
        """A dictionary that is overtaken by a cancellation when it is looked into."""

        def get(self, key: Any, default: Any = None) -> Any:
            found = super().get(key, default)
            if not cancelling:
                cancelling.append(True)
                table.calls.cancel(frame.sequence)
            return found

    cancelling: list[bool] = []
    table.calls._calls = Slow(table.calls._calls)
    assert table.calls.begin(frame) is None
    (error,) = table.answers()
    assert "before it was run" in str(error)


def test_a_method_that_is_cancelled_goes_on_and_its_answer_is_dropped(
    table: Table,
) -> None:
    call = table.begin()
    table.calls.cancel(call.sequence)
    table.calls.answer(call, encoded(table, call, 5))
    (error,) = table.answers()
    assert "it goes on" in str(error)


def test_a_coroutine_is_stopped_once_and_then_answered(table: Table) -> None:
    call = table.begin()
    table.calls.attach(call, lambda: table.stop(call))
    for _ in range(3):
        table.calls.cancel(call.sequence)
    table.calls.expire(call)
    assert table.stopped == [call.sequence]
    assert isinstance(call.interruption, CallCancelledError)
    assert table.answers() == []


def test_a_coroutine_that_is_cancelled_before_it_is_known_is_stopped(
    table: Table,
) -> None:
    call = table.begin()
    table.calls.cancel(call.sequence)
    table.calls.attach(call, lambda: table.stop(call))
    assert table.stopped == [call.sequence]


def test_a_coroutine_whose_time_is_used_up_is_stopped(table: Table) -> None:
    call = table.begin(timeout=5.0)
    assert call.deadline is not None
    assert call.deadline.remaining() == 5.0
    table.calls.attach(call, lambda: table.stop(call))
    table.calls.expire(call)
    table.calls.cancel(call.sequence)
    assert table.stopped == [call.sequence]
    assert isinstance(call.interruption, TimeoutError)


def test_the_time_of_a_call_that_was_answered_is_of_no_account(table: Table) -> None:
    call = table.begin(timeout=5.0)
    table.calls.attach(call, lambda: table.stop(call))
    table.calls.answer(call, encoded(table, call, 5))
    table.calls.expire(call)
    assert table.stopped == []


def test_a_call_without_time_is_not_begun(table: Table) -> None:
    frame = table.arrive(timeout=5.0)
    table.now += 5
    assert table.calls.begin(frame) is None
    (error,) = table.answers()
    assert "before the call could be run" in str(error)
    assert len(table.calls) == 0


def test_when_the_client_has_gone_everything_is_stopped_and_forgotten(
    table: Table,
) -> None:
    one, other = table.begin(), table.begin()
    waiting = table.arrive()
    for call in (one, other):
        table.calls.attach(call, lambda call=call: table.stop(call))  # type: ignore[misc] # mypy has no type for a default
    table.calls.abandon()
    assert table.stopped == [one.sequence, other.sequence]
    assert table.calls.begin(waiting) is None
    assert len(table.calls) == 0


def test_the_end_of_its_time_keeps_no_call_that_was_answered() -> None:
    table = Table()
    call = table.begin(timeout=5)
    known = weakref.ref(call)
    expire = table.calls.expiry(call)
    table.calls.answer(call, [b""])
    del call
    assert known() is None
    expire()
    assert len(table.calls) == 0


def test_the_end_of_its_time_stops_a_call_that_still_runs() -> None:
    table = Table()
    call = table.begin(timeout=5)
    table.calls.attach(call, lambda: table.stop(call))
    table.calls.expiry(call)()
    assert table.stopped == [call.sequence]
    assert isinstance(call.interruption, TimeoutError)
