from __future__ import annotations

from array import array
from collections import deque
from typing import Any

import pytest
from msgpack import ExtType, packb

from pyro_protocol.errors import SerializeError
from pyro_protocol.serializers import (
    register_class_to_dict,
    register_dict_to_class,
    serializers,
)
from pyro_protocol.serializers.native import NativeSerializer
from pyro_protocol.wire import MAX_BUFFERS, OUT_OF_BAND_FROM, SplitPayload

NATIVE = NativeSerializer()
LARGE = bytes(range(256)) * (OUT_OF_BAND_FROM // 256)


def travels(payload: bytes | SplitPayload) -> bytes | SplitPayload:
    """Return a payload as the other side gets it."""
    if isinstance(payload, bytes):
        return payload
    buffers: list[Any] = []
    for one in payload.buffers:
        view = memoryview(one)
        immutable = type(one) is bytes or (type(one) is memoryview and view.readonly)
        buffers.append(bytes(view) if immutable else bytearray(view))
    return SplitPayload(payload.head, buffers)


def split(value: object) -> SplitPayload:
    payload = NATIVE.encode(value)
    assert isinstance(payload, SplitPayload)
    return payload


class Box:
    def __init__(self, content: object) -> None:
        self.content = content


WRAPPED: dict[str, Any] = {
    "alone": lambda one: one,
    "in a list": lambda one: [one],
    "in a tuple": lambda one: (1, one),
    "in a dict": lambda one: {"k": one, 5: "x"},
    "late in a long list": lambda one: [*range(100), one],
    "in a deque": lambda one: deque([one]),
    "deep down": lambda one: [[], {}, (1, "é"), [[{"a": {"b": [(one,)]}}]]],
    "twice": lambda one: [one, one],
}


@pytest.mark.parametrize("where", WRAPPED)
@pytest.mark.parametrize(
    "large", [LARGE, bytearray(LARGE), array("d", [1.5]) * 10_000], ids=repr
)
def test_a_large_buffer_travels_apart_and_stays_what_it_is(
    where: str, large: Any
) -> None:
    value = WRAPPED[where](large)
    payload = split(value)
    assert len(payload.head) < 1000
    assert NATIVE.loads(travels(payload)) == value
    assert repr(NATIVE.loads(travels(payload))) == repr(value)
    arguments = NATIVE.encode_call("o", "m", (1, value), {"k": value})
    assert isinstance(arguments, SplitPayload)
    assert len(arguments.head) < 1000
    assert NATIVE.loads_call(travels(arguments)) == ("o", "m", [1, value], {"k": value})


def test_what_stands_apart_is_not_copied() -> None:
    changeable = bytearray(LARGE)
    numbers = array("q", range(10_000))
    payload = split([LARGE, changeable, numbers])
    assert payload.buffers[0] is LARGE
    assert payload.buffers[1] is changeable
    numbers[0] = 77
    assert bytes(payload.buffers[2][:8]) == numbers[:1].tobytes()
    received = SplitPayload(payload.head, [LARGE, changeable, bytes(80_000)])
    result = NATIVE.loads(received)
    assert result[0] is LARGE
    assert result[1] is changeable


@pytest.mark.parametrize(
    "view",
    [
        memoryview(LARGE),
        memoryview(bytearray(LARGE)),
        memoryview(LARGE * 2)[::2],
        memoryview(array("i", range(20_000))),
        memoryview(bytearray(LARGE)).cast("B", (256, OUT_OF_BAND_FROM // 256)),
    ],
    ids=["bytes", "bytearray", "with gaps", "array", "table"],
)
def test_a_large_memoryview_arrives_as_bytes(view: memoryview) -> None:
    for value in (view, [[[[view]]]]):
        result = NATIVE.loads(travels(split(value)))
        while isinstance(result, list):
            (result,) = result
        assert type(result) is bytes
        assert result == view.tobytes()


def test_the_value_of_the_caller_is_not_changed() -> None:
    inner = [bytearray(LARGE), LARGE]
    value = {"k": inner}
    NATIVE.encode(value)
    NATIVE.encode_call("o", "m", (value,), value)
    assert value == {"k": [bytearray(LARGE), LARGE]}
    assert value["k"] is inner


@pytest.mark.parametrize(
    "value",
    [
        LARGE[:-1],
        bytearray(LARGE[:-1]),
        [LARGE[:-1]] * 5,
        "x" * 200_000,
        [0.1] * 50_000,
    ],
    ids=["bytes", "bytearray", "many", "text", "numbers"],
)
def test_what_is_not_large_stays_in_the_message(value: object) -> None:
    payload = NATIVE.encode(value)
    assert payload == NATIVE.dumps(value)
    assert NATIVE.loads(payload) == value


def test_only_so_many_buffers_stand_apart() -> None:
    value = [LARGE] * (MAX_BUFFERS + 2)
    payload = split(value)
    assert len(payload.buffers) == MAX_BUFFERS
    assert NATIVE.loads(payload) == value


def test_text_that_looks_like_a_header_does_no_harm() -> None:
    value = ["ơ" * 100_000, b"\xc6\0\1\0\0" * 20, "\0"]
    assert NATIVE.encode(value) == NATIVE.dumps(value)


def test_large_buffers_in_objects_and_exceptions_stand_apart() -> None:
    register_class_to_dict(
        Box, lambda box: {"__class__": "tests.Box", "c": box.content}
    )
    register_dict_to_class("tests.Box", lambda _, data: data["c"])
    payload = split([Box([LARGE]), ValueError((bytearray(LARGE),))])
    assert len(payload.buffers) == 2
    value = NATIVE.loads(travels(payload))
    assert value[0] == [LARGE]
    assert type(value[1].args[0][0]) is bytearray


def test_dumps_keeps_everything_in_one_message() -> None:
    value = [LARGE, bytearray(LARGE), array("q", range(10_000)), memoryview(LARGE)]
    data = NATIVE.dumps(value)
    assert NATIVE.loads(data) == [*value[:3], LARGE]
    assert NATIVE.loads_call(NATIVE.dumps_call("o", "m", value, None))[2][0] == LARGE


def reference(index: int) -> ExtType:
    return ExtType(15, index.to_bytes(4, "big"))


@pytest.mark.parametrize(
    ("head", "count"),
    [
        ([reference(0), reference(0)], 1),
        ([reference(0)], 2),
        ([1], 1),
        ([reference(1)], 1),
        ([reference(2**32 - 1)], 1),
        ([ExtType(15, b"")], 1),
        ([ExtType(15, bytes(8))], 1),
        ([ExtType(1, b"t"), ExtType(1, b"t"), reference(0)], 1),
        ([ExtType(1, b"a"), "d", 8, 5, reference(0)], 1),
        ([ExtType(1, b"a"), "d", 7, reference(0)], 1),
        ([ExtType(1, b"a"), "dd", 8, reference(0)], 1),
        ([ExtType(1, b"a"), 5, 8, reference(0)], 1),
        ([ExtType(1, b"a"), "d", 8, [reference(0)]], 1),
    ],
)
def test_every_buffer_is_used_once(head: Any, count: int) -> None:
    with pytest.raises(SerializeError):
        NATIVE.loads(SplitPayload(packb(head), [LARGE] * count))


def test_a_message_without_buffers_cannot_refer_to_one() -> None:
    with pytest.raises(SerializeError, match="buffer 0"):
        NATIVE.loads(packb([ExtType(1, b"t"), reference(0)]))
    with pytest.raises(SerializeError):
        NATIVE.loads(packb(reference(0)))


def test_a_buffer_that_stands_apart_need_not_be_large() -> None:
    assert NATIVE.loads(SplitPayload(packb(reference(0)), [b"small"])) == b"small"
    value = NATIVE.loads(SplitPayload(packb([1, reference(0)]), [bytearray(b"small")]))
    assert value == [1, bytearray(b"small")]
    with pytest.raises(SerializeError, match="not used"):
        NATIVE.loads(SplitPayload(packb([1]), [b"small"]))


@pytest.mark.parametrize("name", ["serpent", "json", "msgpack", "marshal"])
def test_the_other_formats_have_no_buffers_apart(name: str) -> None:
    serializer = serializers[name]
    value = ["x" * 100_000]
    assert serializer.encode(value) == serializer.dumps(value)
    call = serializer.encode_call("o", "m", value, {})
    assert isinstance(call, bytes)
    assert serializer.loads_call(call)[2][0] == value[0]
    payload = SplitPayload(serializer.dumps(1), [LARGE])
    with pytest.raises(SerializeError, match=f"{name} data; buffers stand apart"):
        serializer.loads(payload)
    with pytest.raises(SerializeError, match=f"{name} data; buffers stand apart"):
        serializer.loads_call(payload)


def test_errors_of_the_value_are_told_as_ever() -> None:
    for value in (
        [LARGE, object()],
        [bytearray(b"x"), memoryview(b"ab")[::2], object()],
    ):
        with pytest.raises(SerializeError, match="cannot serialize object"):
            NATIVE.encode(value)
    own: list[object] = [LARGE]
    own.append(own)
    with pytest.raises(SerializeError, match="contains itself"):
        NATIVE.encode(own)


@pytest.mark.parametrize(
    "args",
    [
        (LARGE,),
        (LARGE, 5, "é", None),
        ("x", LARGE),
        (LARGE, LARGE),
        (LARGE, LARGE[1:] + b"x"),
        (LARGE, (1, 2)),
        (bytearray(LARGE), LARGE),
        (b"small", LARGE, bytearray(b"small")),
    ],
    ids=[
        *("alone", "before atoms", "after an atom", "twice", "two", "before a tuple"),
        *("after a bytearray", "between small ones"),
    ],
)
@pytest.mark.parametrize(
    "kwargs", [{}, {"k": 1}, {"k": LARGE}], ids=["none", "small", "large"]
)
def test_a_call_with_large_bytes_arrives_as_it_was_made(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    payload = NATIVE.encode_call("object", "method", args, kwargs)

    _object_id, _method, received, keywords = NATIVE.loads_call(travels(payload))

    assert isinstance(payload, SplitPayload)
    assert len(payload.head) < 200
    assert tuple(received) == args
    assert [*map(type, received)] == [*map(type, args)]
    assert keywords == kwargs
