from __future__ import annotations

from types import FunctionType, GeneratorType
from typing import TYPE_CHECKING, Any

import pytest
from msgpack import ExtType, packb, unpackb

from pyro_protocol.errors import SerializeError
from pyro_protocol.references import (
    CallbackState,
    ConnectionReferences,
    StreamState,
    UnboundReferenceError,
    connection_references,
)
from pyro_protocol.serializers import serializers, serializers_within

if TYPE_CHECKING:
    from collections.abc import Iterator

NATIVE = serializers["native"]
CALLBACK = CallbackState(
    "obj_1", frozenset({"b", "a"}), frozenset({"a"}), frozenset({"size"})
)


class Connection:
    """Keeps streams and functions, as a driver does."""

    def __init__(self) -> None:
        self.streams: list[Any] = []

    def encode(self, obj: object) -> StreamState | CallbackState | None:
        if isinstance(obj, GeneratorType):
            self.streams.append(obj)
            return StreamState(len(self.streams))
        return CALLBACK if isinstance(obj, FunctionType) else None

    def decode(self, state: StreamState | CallbackState) -> object:
        if isinstance(state, CallbackState):
            return "function"
        if state.number > len(self.streams):
            raise SerializeError(f"there is no stream {state.number}")
        return self.streams[state.number - 1]


@pytest.fixture
def connection() -> Iterator[Connection]:
    one: ConnectionReferences = Connection()
    token = connection_references.set(one)
    yield one  # type: ignore[misc] # it is one
    connection_references.reset(token)


def numbers() -> Iterator[int]:
    yield 1


def test_a_connection_turns_objects_into_states_and_back(
    connection: Connection,
) -> None:
    stream = numbers()
    data = NATIVE.dumps_call("o", "m", (stream, [numbers]), {"k": (1, {2})})
    args = NATIVE.loads_call(data)[2]
    assert args == [stream, ["function"]]
    assert unpackb(data)[2] == [
        [ExtType(1, b"G"), 1],
        [[ExtType(1, b"K"), "obj_1", ["a", "b"], ["a"], ["size"]]],
    ]
    assert connection.streams == [stream]
    with pytest.raises(SerializeError, match="no stream 7"):
        NATIVE.loads(packb([ExtType(1, b"G"), 7]))


def test_without_a_connection_states_arrive_and_objects_are_refused() -> None:
    assert NATIVE.loads(packb([ExtType(1, b"G"), 2**32 - 1])) == StreamState(2**32 - 1)
    parts = ["obj_1", ["a", "b"], ["a"], ["size"]]
    assert NATIVE.loads(packb([ExtType(1, b"K"), *parts])) == CALLBACK
    for value in (numbers(), numbers):
        with pytest.raises(SerializeError, match="register a converter"):
            NATIVE.dumps([value])
    for state in (StreamState(1), CALLBACK):
        with pytest.raises(SerializeError, match="belongs to one connection"):
            NATIVE.dumps([state])


@pytest.mark.parametrize(
    "parts",
    [
        ["G"],
        ["G", -1],
        ["G", 2**32],
        ["G", True],
        ["G", "1"],
        ["G", 1, 2],
        ["K", "o", [], []],
        ["K", 5, [], [], []],
        ["K", "o", [5], [], []],
        ["K", "o", "ab", [], []],
        ["K", "o", [], [], {}],
    ],
)
def test_malformed_states_are_refused(parts: list[Any]) -> None:
    letter, *rest = parts
    with pytest.raises(SerializeError):
        NATIVE.loads(packb([ExtType(1, letter.encode()), *rest]))


@pytest.mark.parametrize(
    ("parts", "capability"),
    [(["G", 1], "chunks"), (["K", "o", [], [], []], "callbacks")],
)
def test_a_conversation_refuses_what_belongs_to_no_connection(
    connection: Connection, parts: list[Any], capability: str
) -> None:
    letter, *rest = parts
    reader = serializers_within(max_nesting=1024)[NATIVE.id]
    data = packb([ExtType(1, letter.encode()), *rest])
    connection.streams.append(numbers())
    assert reader.loads(data) is not None

    token = connection_references.set(None)
    try:
        with pytest.raises(UnboundReferenceError, match=capability):
            reader.loads(data)
    finally:
        connection_references.reset(token)
