"""Batches in the native format."""

from __future__ import annotations

from typing import Any

import pytest

from pyro_protocol.errors import SerializeError
from pyro_protocol.serializers import serializers
from pyro_protocol.serializers.native_batches import pack_batch, without_tuples
from pyro_protocol.serializers.native_packing import new_packer
from pyro_protocol.wire.frame import OUT_OF_BAND_FROM, SplitPayload

native = serializers["native"]

BATCHES: list[list[Any]] = [
    [],
    [("add", (1, 2), {})],
    [("add", (1, 2), {}), ("add", (3,), {}), ("get", (), {}), ("add", (4, 5), {})],
    [("add", (index, index), {}) for index in range(70_000)],
    [("add", (1, (2, [3, (4,)])), {})],
    [("add", (1,), {}), ("add", (), {"second": (2,)})],
    [("add", (b"", bytearray(b"text")), {})],
    [("add", (1,), None)],
    [["add", [1], {}], ("add", (2,), {})],
]


def in_one_form(calls: list[Any]) -> list[Any]:
    return [(name, [*args], kwargs or {}) for name, args, kwargs in calls]


@pytest.mark.parametrize("calls", BATCHES)
def test_calls_arrive_in_order_with_their_arguments(calls: list[Any]) -> None:
    for payload in (
        native.dumps_call("thing", "<batch>", calls, None),
        native.encode_call("thing", "<batch>", calls, None),
    ):
        name, method, received, kwargs = native.loads_call(payload)
        assert (name, method, kwargs) == ("thing", "<batch>", None)
        assert in_one_form(list(received)) == in_one_form(calls)


def test_a_bytearray_among_arguments_stays_one() -> None:
    calls: list[Any] = [("write", (bytearray(b"text"),), {})]
    payload = native.dumps_call("thing", "<batch>", calls, None)
    ((_name, (argument,), _kwargs),) = native.loads_call(payload)[2]
    assert type(argument) is bytearray


@pytest.mark.parametrize("place", [0, 1])
def test_a_large_buffer_among_arguments_stands_apart(place: int) -> None:
    calls: list[Any] = [("write", (b"text",), {}), ("write", (b"text",), {})]
    calls[place] = ("write", (bytes(OUT_OF_BAND_FROM),), {})
    payload = native.encode_call("thing", "<batch>", calls, None)
    assert type(payload) is SplitPayload
    assert [len(buffer) for buffer in payload.buffers] == [OUT_OF_BAND_FROM]
    assert type(native.dumps_call("thing", "<batch>", calls, None)) is bytes


def test_what_cannot_travel_is_told_of_and_the_next_batch_travels() -> None:
    calls: list[Any] = [("add", (1,), {}), ("add", (object(),), {})]
    with pytest.raises(SerializeError, match="object"):
        native.dumps_call("thing", "<batch>", calls, None)
    payload = native.dumps_call("thing", "<batch>", calls[:1], None)
    assert native.loads_call(payload)[2] == [["add", [1], None]]


def test_calls_that_are_not_usual_are_left_to_the_packer() -> None:
    unusual: list[list[Any]] = [
        [["add", [1], {}]],
        [("add", "12", {})],
        [("add", (1,), {"second": 2})],
    ]
    for calls in unusual:
        assert pack_batch(new_packer(), "thing", calls) is None


def test_what_is_no_call_is_left_for_the_receiver_to_refuse() -> None:
    malformed: list[list[Any]] = [
        [("add", (1,))],
        [1, ("add", (1,), {})],
        [("add", "12", {})],
    ]
    for calls in malformed:
        payload = native.dumps_call("thing", "<batch>", calls, None)
        received = native.loads_call(payload)[2]
        assert list(received) == list(without_tuples(calls))
