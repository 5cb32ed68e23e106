from __future__ import annotations

import marshal
from types import CodeType
from typing import Any, NamedTuple

import pytest

from pyro_protocol.errors import SerializeError
from pyro_protocol.serializers.marshal import MarshalSerializer
from pyro_protocol.uri import URI

MARSHAL = MarshalSerializer()
CODE = compile("1", "a file", "eval")


class Point(NamedTuple):
    x: int
    y: object


def arrives(value: object) -> Any:
    return MARSHAL.loads(MARSHAL.dumps(value))


@pytest.mark.parametrize(
    "value",
    [
        (1, [2, {3: (4, {5, frozenset({6})})}]),
        {None: 1j, b"k": 2**70},
        {(1, 2): "\ud800"},
    ],
)
def test_builtin_containers_keep_their_types(value: object) -> None:
    assert repr(arrives(value)) == repr(value)


def test_objects_are_converted_all_through_a_value() -> None:
    uri = URI("PYRO:o@h:1")
    value = {"a": [(uri, {uri.location: Point(1, uri)})]}
    assert arrives(value) == {"a": [(uri, {"h:1": (1, uri)})]}


def test_code_is_not_sent() -> None:
    with pytest.raises(SerializeError, match="cannot serialize code with marshal"):
        MARSHAL.dumps([CODE])


@pytest.mark.skipif(
    "allow_code" not in (marshal.loads.__doc__ or ""),
    reason="marshal of this Python cannot be told to refuse code",
)
def test_code_is_not_read() -> None:
    data = marshal.dumps([CODE])
    with pytest.raises(SerializeError):
        assert not isinstance(MARSHAL.loads(data)[0], CodeType)


def test_shared_parts_with_classes_are_read_in_no_time() -> None:
    shared: Any = {
        "__class__": "Pyro5.core.URI",
        "state": ("PYRO", "o", None, "h", 1),
    }
    for _ in range(60):
        shared = [shared, shared]
    value = MARSHAL.loads(marshal.dumps(shared, 4))
    for _ in range(60):
        value = value[1]
    assert value == URI("PYRO:o@h:1")


@pytest.mark.parametrize("data", [b"", b"(", b"\xff", b"[\x01\x00\x00\x00"])
def test_malformed_data_is_refused(data: bytes) -> None:
    with pytest.raises(SerializeError, match="malformed marshal data"):
        MARSHAL.loads(data)
