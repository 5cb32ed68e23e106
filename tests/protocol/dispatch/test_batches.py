from __future__ import annotations

import asyncio
import threading
from types import CoroutineType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyro_protocol import expose
from pyro_protocol.contract import concurrency
from pyro_protocol.dispatch import (
    Call,
    CallHook,
    ClientConnection,
    Dispatcher,
    GateTable,
    GuardedDispatcher,
    HookTable,
    ObjectRegistry,
    StreamTable,
)
from pyro_protocol.serializers.exceptions import ExceptionWrapper

if TYPE_CHECKING:
    from collections.abc import Iterator


@expose
class Target:
    def __init__(self) -> None:
        self.done: list[Any] = []

    def add(self, a: Any, b: Any = 1) -> Any:
        self.done.append((a, b))
        return a + b

    def fail(self, kind: int = 0) -> None:
        self.done.append("fail")
        raise (ValueError, StopIteration, SystemExit, KeyError)[kind]("no")

    def count(self) -> Iterator[int]:
        yield 1

    async def later(self, value: Any = None) -> Any:
        self.done.append("later")
        return value

    def hidden_later(self) -> Any:
        return self.later(3)

    @classmethod
    def of_class(cls) -> str:
        return cls.__name__

    @staticmethod
    def static(value: Any) -> Any:
        return value

    def odd(self) -> object:
        return type("Odd", (), {"__class__": property(lambda self: 1 / 0)})()


@expose
class Marked:
    def plain(self) -> int:
        return 1

    @concurrency("serial")
    def alone(self) -> int:
        return 2


class One:
    """A dispatcher with one object."""

    def __init__(self, *hooks: object) -> None:
        registry = ObjectRegistry(threading.RLock)
        self.target = Target()
        registry.register(self.target, "target")
        registry.register(Marked(), "marked")
        streams = StreamTable(lambda: 0.0, lambda: "stream")
        self.gates = GateTable(threading.Lock)
        self.dispatcher = Dispatcher(registry, streams, gates=self.gates)
        if hooks:
            self.dispatcher = GuardedDispatcher(
                self.dispatcher, lambda: 0.0, hooks=HookTable(hooks)
            )

    def batch(self, calls: Any, object_id: str = "target") -> list[Any]:
        client = ClientConnection(("10.1.2.3", 4))
        call = Call(object_id, "<batch>", calls, None, batch=True)
        results = self.dispatcher.invoke(client, call)
        if type(results) is CoroutineType:
            results = asyncio.run(results)
        return [told(one) for one in results]


def told(result: Any) -> Any:
    if type(result) is ExceptionWrapper:
        return type(result.exception), str(result.exception)
    return type(result).__name__ if type(result).__name__ == "Odd" else result


_values = st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
_names = st.sampled_from(
    [
        *("add", "add", "add", "fail", "count", "later", "hidden_later", "of_class"),
        *("static", "odd", "missing", "_private", "", "done"),
    ]
)
_sequences = st.sampled_from([list, tuple])
_usual = st.builds(
    lambda kind, *parts: kind(parts),
    _sequences,
    _names,
    st.builds(lambda kind, one: kind(one), _sequences, st.lists(_values, max_size=2)),
    st.sampled_from([{}, {}, {}, None, {"b": 2}, {"x": 1}, {1: 2}]),
)
_unusual: st.SearchStrategy[Any] = (
    st.none()
    | st.text(max_size=4)
    | st.lists(_values, max_size=4)
    | st.tuples(_values, _values, _values)
    | st.tuples(st.just("add"), st.text(max_size=2), st.just({}))
    | st.tuples(st.just("add"), st.just([1, 2]), _values)
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_usual | _usual | _usual | _unusual, max_size=6))
def test_plain_calls_are_answered_as_those_with_hooks(calls: list[Any]) -> None:
    plain, watched = One(), One(CallHook())
    assert plain.batch(calls) == watched.batch(calls)
    assert plain.target.done == watched.target.done


def test_hooks_are_told_of_each_call_of_a_batch() -> None:
    names: list[str] = []

    class Hook(CallHook):
        def before_call(self, call: Any) -> None:
            names.append(call.name)

    One(Hook()).batch([["add", [1, 2], {}], ["of_class", [], {}], ["fail", [], {}]])
    assert names == ["add", "of_class", "fail"]


@pytest.mark.parametrize("calls", [["plain"], ["plain", "alone"]])
def test_the_gates_of_marked_methods_are_entered_before_the_first_call(
    calls: list[str],
) -> None:
    one = One()
    results = one.batch([[name, [], {}] for name in calls], "marked")
    assert results == [1, 2][: len(calls)]
    assert len(one.gates) == 0
