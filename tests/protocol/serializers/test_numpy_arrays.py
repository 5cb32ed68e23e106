from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from msgpack import ExtType, packb

from pyro_protocol.errors import SerializeError
from pyro_protocol.serializers import (
    register_class_to_dict,
    serializers,
    unregister_class_to_dict,
)
from pyro_protocol.serializers.numpy_arrays import LEVELS_LIMIT
from pyro_protocol.wire import OUT_OF_BAND_FROM, SplitPayload

numpy: Any = pytest.importorskip(
    "numpy", reason="numpy is not installed; see the extra pyro-protocol[numpy]"
)
NATIVE = serializers["native"]

POINT = [("x", "<f4"), ("tag", "S3"), ("grid", ">i2", (2, 3)), ("in", [("b", "?")])]
TYPES: list[Any] = [
    *("?", "b", "B", "h", "H", "i", "I", "q", "Q", "e", "f", "d", "F", "D"),
    *(">i4", ">f8", "<U5", ">U2", "S7", "V4"),
    *("M8[ns]", "M8[D]", "<M8[25s]", "m8[ms]", ">M8[us]"),
    POINT,
    {"names": ["a", "b"], "formats": ["u1", "f8"], "offsets": [4, 16], "itemsize": 32},
]


def arrives(value: object) -> Any:
    return NATIVE.loads(NATIVE.dumps(value))


def received(payload: bytes | SplitPayload) -> Any:
    assert isinstance(payload, SplitPayload)
    buffers: list[Any] = []
    for one in payload.buffers:
        view = memoryview(one)
        buffers.append(bytes(view) if view.readonly else bytearray(view))
    return NATIVE.loads(SplitPayload(payload.head, buffers))


def assert_same(result: Any, expected: Any) -> None:
    assert type(result) is numpy.ndarray
    assert result.dtype == expected.dtype
    assert result.dtype.isalignedstruct == expected.dtype.isalignedstruct
    assert result.shape == expected.shape
    assert result.flags.c_contiguous == expected.flags.c_contiguous
    assert result.flags.f_contiguous == expected.flags.f_contiguous
    assert result.flags.writeable
    # What is between the fields of a structure has no meaning.
    if expected.dtype.names:
        is_same = bool((result == expected).all())
    else:
        is_same = result.tobytes() == expected.tobytes()
    assert is_same


def filled(dtype: Any, shape: tuple[int, ...], order: str = "C") -> Any:
    array = numpy.zeros(shape, dtype, order)
    if array.dtype.kind in "?biufc":
        array.reshape(-1, order="A")[:] = numpy.arange(array.size) % 2
    elif array.dtype.kind in "US":
        array[...] = "ab"
    return array


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 4), (1, 2, 3, 2)])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_type_shape_and_order_of_an_array_are_kept(dtype: Any, shape: Any) -> None:
    for order in "CF":
        array = filled(dtype, shape, order)
        assert_same(arrives({"k": [array]})["k"][0], array)


def test_a_bytearray_beside_arrays_stays_one() -> None:
    array = numpy.arange(300)
    for value in ([array, bytearray(b"a")], {"k": (array, [bytearray(b"a")])}):
        result = arrives(value)
        inside = result if isinstance(result, list) else [*result["k"]]
        (kept,) = inside[1] if isinstance(inside[1], list) else [inside[1]]
        assert type(kept) is bytearray
        assert_same(inside[0], array)


def test_a_bytearray_in_what_a_converter_makes_of_an_array_stays_one() -> None:
    register_class_to_dict(
        numpy.ndarray, lambda array: {"elements": bytearray(array.tobytes())}
    )
    try:
        assert type(arrives(numpy.zeros(600, "u1"))["elements"]) is bytearray
    finally:
        unregister_class_to_dict(numpy.ndarray)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_a_large_array_is_not_copied(dtype: Any) -> None:
    array = filled(dtype, (300, 401), "F")
    payload = NATIVE.encode(array)
    assert isinstance(payload, SplitPayload)
    (elements,) = payload.buffers
    assert numpy.may_share_memory(numpy.frombuffer(elements, numpy.uint8), array)
    assert not memoryview(elements).readonly
    assert len(payload.head) < 500
    buffer = bytearray(elements)
    result = NATIVE.loads(SplitPayload(payload.head, [buffer]))
    assert_same(result, array)
    assert numpy.may_share_memory(numpy.frombuffer(buffer, numpy.uint8), result)


def test_large_arrays_travel_apart_wherever_they_are() -> None:
    array = numpy.arange(OUT_OF_BAND_FROM // 8)
    for value in ([array], [[[[[array]]]]], {"k": (1, array)}, [*range(20), array]):
        result = received(NATIVE.encode(value))
        while type(result) is not numpy.ndarray:
            parts = result.values() if isinstance(result, dict) else result
            *_, result = parts
        assert_same(result, array)
    call = NATIVE.encode_call("o", "m", (array,), {})
    assert isinstance(call, SplitPayload)
    assert call.buffers
    assert isinstance(NATIVE.encode(array[:-1]), bytes)


def test_an_array_with_gaps_arrives_without() -> None:
    array = numpy.arange(24).reshape(4, 6)
    for view in (array[::2], array[:, 1:3], array[::-1], array[1:1]):
        result = arrives(view)
        assert (result == view).all()
        assert result.flags.c_contiguous
    large = numpy.zeros((1000, 1000))[::2, ::2]
    assert_same(received(NATIVE.encode(large)), large.copy())


def test_nothing_stands_between_the_fields_of_what_is_copied() -> None:
    gaps = numpy.dtype({"names": ["a"], "formats": ["u1"], "itemsize": 4096})
    array = numpy.frombuffer(b"\xff" * 4096 * 6, gaps)
    marker = b"\xff" * 2
    assert marker not in NATIVE.dumps(array[::2])
    assert marker not in NATIVE.dumps(array[0])
    assert arrives(array[::2])["a"].tolist() == [255] * 3


def test_an_array_that_cannot_be_written_to_arrives_as_one_that_can() -> None:
    array = numpy.frombuffer(bytes(OUT_OF_BAND_FROM), numpy.uint8)
    assert not array.flags.writeable
    assert_same(received(NATIVE.encode(array)), array)
    assert_same(arrives(array[:5]), array[:5])


SCALARS: list[Any] = [
    numpy.float64(1.5),
    numpy.float32("nan"),
    numpy.float16(2),
    numpy.int8(-3),
    numpy.uint64(2**64 - 1),
    numpy.bool_(1),
    numpy.complex128(1 + 2j),
    numpy.datetime64("2024-01-02T03:04:05.6", "ns"),
    numpy.timedelta64(5, "D"),
    numpy.datetime64("NaT", "s"),
    numpy.str_("é"),
    numpy.str_(""),
    numpy.bytes_(b"ab"),
    numpy.zeros(1, POINT)[0],
]


@pytest.mark.parametrize("scalar", SCALARS, ids=repr)
def test_a_scalar_stays_what_it_is(scalar: Any) -> None:
    (result,) = arrives((scalar,))
    assert type(result) is type(scalar)
    assert result.dtype == scalar.dtype
    assert result.tobytes() == scalar.tobytes()


def test_a_scalar_can_be_a_key() -> None:
    value = {numpy.int64(5): 1, numpy.str_("a"): 2}
    result = arrives(value)
    assert result == value
    assert [type(key) for key in result] == [numpy.int64, numpy.str_]


def test_what_is_no_plain_bytes_is_refused() -> None:
    objects = numpy.array([1, None])
    with pytest.raises(SerializeError, match="objects, not bytes: send a list"):
        NATIVE.dumps(objects)
    with pytest.raises(SerializeError, match="objects, not bytes"):
        NATIVE.dumps(numpy.zeros(1, [("a", "O")]))
    with pytest.raises(SerializeError, match="depends on the machine"):
        NATIVE.dumps(numpy.zeros(1, "g"))
    with pytest.raises(SerializeError, match="no bytes"):
        NATIVE.dumps(numpy.zeros(3, "V0"))


def test_a_mask_is_never_lost() -> None:
    masked = numpy.ma.array([1, 2, 3], mask=[0, 1, 0])
    with pytest.raises(SerializeError, match=r"MaskedArray .* only the elements"):
        NATIVE.dumps(masked)


def test_derived_classes_arrive_as_plain_arrays_or_are_refused() -> None:
    class Quantity(numpy.ndarray):  # type: ignore[misc] # numpy need not be there
        unit = "m"

    with pytest.raises(SerializeError, match="Quantity"):
        NATIVE.dumps(numpy.zeros(3).view(Quantity))
    register_class_to_dict(Quantity, lambda one: {"unit": one.unit, "n": len(one)})
    assert arrives(numpy.zeros(3).view(Quantity)) == {"unit": "m", "n": 3}
    with pytest.warns(PendingDeprecationWarning):
        matrix = numpy.asmatrix([[1, 2]])
    assert_same(arrives(matrix), numpy.array([[1, 2]]))
    record = numpy.array([(1, 2)], [("a", "i4"), ("b", "i4")]).view(numpy.recarray)
    result = arrives(record)
    assert type(result) is numpy.ndarray
    assert result["b"][0] == 2


def structure(**changes: object) -> dict[str, object]:
    whole: dict[str, object] = {
        "names": ["a"],
        "formats": ["<i8"],
        "offsets": [0],
        "itemsize": 8,
        "aligned": False,
    }
    return {**whole, **changes}


def nested(levels: int) -> object:
    described: object = "<i8"
    for _ in range(levels):
        described = structure(formats=[described])
    return described


@pytest.mark.parametrize(
    "parts",
    [
        ["|O", [1], "C", bytes(8)],
        ["O", [1], "C", bytes(8)],
        ["<i8,<i8", [1], "C", bytes(16)],
        ["(2,)i8", [1], "C", bytes(16)],
        ["int64", [1], "C", bytes(8)],
        ["<f16", [1], "C", bytes(16)],
        ["<T16", [1], "C", bytes(16)],
        ["<i8\n", [1], "C", bytes(8)],
        ["<U99999999999", [1], "C", bytes(8)],
        ["<U999999999", [1], "C", bytes(8)],
        ["<M8[0s]", [1], "C", bytes(8)],
        ["<M8[999999999999s]", [1], "C", bytes(8)],
        ["|V0", [10**18], "C", b""],
        ["<i8", [2], "C", bytes(8)],
        ["<i8", [2**62, 4], "C", b""],
        ["<i8", [2**32, 2**32], "C", b""],
        ["<i8", [-1], "C", bytes(8)],
        ["<i8", [True], "C", bytes(8)],
        ["<i8", [1.0], "C", bytes(8)],
        ["<i8", 1, "C", bytes(8)],
        ["<i8", [1] * 65, "C", bytes(8)],
        ["<i8", [1], "A", bytes(8)],
        ["<i8", [1], "C", "12345678"],
        ["<i8", [1], "C", [1]],
        ["<i8", [1], "C"],
        ["<i8", [1], "C", bytes(8), 5],
        [5, [1], "C", bytes(8)],
        [None, [1], "C", bytes(8)],
        [["<i8"], [1], "C", bytes(8)],
        [["<i8", [2**40]], [1], "C", bytes(8)],
        [["<i8", [-1]], [1], "C", bytes(8)],
        [structure(formats=["|O"]), [1], "C", bytes(8)],
        [structure(offsets=[4]), [1], "C", bytes(8)],
        [structure(offsets=[-8]), [1], "C", bytes(8)],
        [structure(offsets=[0, 0]), [1], "C", bytes(8)],
        [structure(names=["a", "b"]), [1], "C", bytes(8)],
        [structure(names=[5]), [1], "C", bytes(8)],
        [structure(names=5), [1], "C", bytes(8)],
        [structure(names=["a"] * 2, formats=["<i4"] * 2), [1], "C", bytes(8)],
        [structure(itemsize=2**40), [1], "C", bytes(8)],
        [structure(itemsize="8"), [1], "C", bytes(8)],
        [structure(aligned=1), [1], "C", bytes(8)],
        [structure(titles=["t"]), [1], "C", bytes(8)],
        [{"names": ["a"]}, [1], "C", bytes(8)],
        [nested(LEVELS_LIMIT + 1), [1], "C", bytes(8)],
        [nested(200), [1], "C", bytes(8)],
    ],
)
def test_malformed_arrays_are_refused(parts: list[Any]) -> None:
    with pytest.raises(SerializeError):
        NATIVE.loads(packb([ExtType(1, b"n"), *parts]))


def test_structures_may_be_nested_up_to_a_limit() -> None:
    data = packb([ExtType(1, b"n"), nested(LEVELS_LIMIT), [1], "C", bytes(8)])
    assert NATIVE.loads(data).shape == (1,)


@pytest.mark.parametrize(
    "parts",
    [["<i8", b"short"], ["|O", bytes(8)], ["<i8", [1]], ["<i8"], ["<i8", "12345678"]],
)
def test_malformed_scalars_are_refused(parts: list[Any]) -> None:
    with pytest.raises(SerializeError):
        NATIVE.loads(packb([ExtType(1, b"v"), *parts]))


def test_numpy_is_imported_only_when_an_array_arrives() -> None:
    data = NATIVE.dumps([numpy.arange(3)])
    program = (
        "import sys\n"
        "from pyro_protocol.serializers import serializers\n"
        "native = serializers['native']\n"
        "native.loads(native.dumps([1, {2}, range(3), 1.5]))\n"
        "print('numpy' in sys.modules)\n"
        f"print(native.loads({data!r}))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "False\n[array([0, 1, 2])]\n"


def test_without_numpy_the_error_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    messages = [NATIVE.dumps(numpy.arange(3)), NATIVE.dumps(numpy.str_("text"))]
    monkeypatch.setitem(sys.modules, "numpy", None)
    for data in messages:
        with pytest.raises(SerializeError, match=r"install 'pyro-protocol\[numpy\]'"):
            NATIVE.loads(data)
    assert NATIVE.loads(NATIVE.dumps((1, 2))) == (1, 2)


NUMBERS: list[Any] = [
    numpy.float64(1.5),
    numpy.float16(-2),
    numpy.int8(-3),
    numpy.uint64(2**64 - 1),
    numpy.dtype(">i4").type(7),
    numpy.bool_(1),
    numpy.complex64(1 + 2j),
]


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
def test_without_numpy_a_number_arrives_as_pythons_own(
    number: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = NATIVE.dumps(number)
    monkeypatch.setitem(sys.modules, "numpy", None)
    result = NATIVE.loads(data)
    assert type(result) is type(number.item())
    assert result == number.item()


def test_without_numpy_malformed_numbers_are_refused_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    for parts in (["<i8", b"short"], ["<i8", [1]], ["<i8", 5]):
        with pytest.raises(SerializeError, match="malformed"):
            NATIVE.loads(packb([ExtType(1, b"v"), *parts]))


@pytest.mark.parametrize("name", ["serpent", "json", "msgpack", "marshal"])
def test_the_other_formats_refuse_arrays_with_a_clear_error(name: str) -> None:
    with pytest.raises(SerializeError, match="numpy"):
        serializers[name].dumps([numpy.arange(3)])
