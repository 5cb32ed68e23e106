"""Methods that call objects of their clients."""

from __future__ import annotations

import asyncio
import gc
import threading
from queue import Queue
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import expose
from pyro_protocol.errors import (
    CallCancelledError,
    CommunicationError,
    ConnectionClosedError,
    SerializeError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.references import CallbackState
from pyro_protocol.session.capabilities import MULTIPLEX, NATIVE
from pyro_protocol.wire import FLAG_BATCH
from pyro_server.callbacks import MOST_CALLBACKS, Callback
from support.daemons import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_protocol.config import Configuration
    from pyro_server import Daemon
    from support.capable_client import CapableClient


@expose
class Caller:
    """Calls what it is given, at once or later."""

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.outcomes: Queue[Any] = Queue()

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    async def call_later(self, function: Callable[..., Any], *args: Any) -> Any:
        return await function(*args)

    def many(self, function: Callable[[int], Any], count: int) -> list[Any]:
        return [function(number) for number in range(count)]

    async def many_at_once(self, function: Callable[[int], Any], count: int) -> Any:
        return await asyncio.gather(*map(function, range(count)))

    def keep(self, *functions: Any) -> None:
        self.kept += functions

    def drop(self) -> None:
        self.kept.clear()

    def are_equal(self, one: Any, other: Any) -> list[bool]:
        return [one == other, hash(one) == hash(other), one is other]

    def give_back(self) -> list[Any]:
        return list(self.kept)

    def method(self, obj: Any) -> Any:
        return obj.size, obj.scale(3)

    def misuse(self, obj: Any) -> Any:
        return obj.missing

    def outcome(self, function: Callable[..., Any], *args: Any) -> None:
        try:
            self.outcomes.put(function(*args))
        except Exception as error:  # noqa: BLE001 - it is looked at
            self.outcomes.put(error)

    async def stopped(self, function: Callable[..., Any]) -> None:
        try:
            await function()
        except BaseException as error:
            self.outcomes.put(error)
            raise

    def remaining(self, function: Callable[..., Any]) -> Any:
        return function()

    def add(self, left: int, right: int) -> int:
        return left + right


each_way = pytest.mark.parametrize("method", ["call", "call_later"])


@pytest.fixture
def caller() -> Caller:
    return Caller()


@pytest.fixture
def one(
    start: Callable[..., Daemon],
    capable: Callable[..., CapableClient],
    caller: Caller,
) -> CapableClient:
    """A client of the caller."""
    return capable(start().register(caller, "caller"))


def double(value: int) -> int:
    return 2 * value


def fail(*_args: Any) -> None:
    raise KeyError("not here")


class TestCalls:
    @each_way
    def test_a_function_of_the_client_is_called(
        self, one: CapableClient, method: str
    ) -> None:
        assert one.call(method, double, 21) == 42

    def test_it_is_called_as_often_as_the_method_likes(
        self, one: CapableClient
    ) -> None:
        assert one.call("many", double, 50) == [*map(double, range(50))]
        assert one.call("many_at_once", double, 50) == [*map(double, range(50))]

    @each_way
    def test_its_exception_is_raised_in_the_method(
        self, one: CapableClient, method: str
    ) -> None:
        with pytest.raises(KeyError, match="not here"):
            one.call(method, fail)

    @pytest.mark.parametrize("method", ["call", "call_later"])
    def test_it_may_call_the_server_from_within(
        self, one: CapableClient, method: str
    ) -> None:
        def ask(value: int) -> Any:
            return one.call("add", value, 1)

        assert one.call(method, ask, 4) == 5

    def test_calls_may_be_nested_several_times(self, one: CapableClient) -> None:
        def deeper(depth: int) -> Any:
            return depth if depth == 5 else one.call("call", deeper, depth + 1)

        assert one.call("call", deeper, 0) == 5

    def test_the_server_waits_while_the_window_is_full(
        self,
        start: Callable[..., Daemon],
        capable: Callable[..., CapableClient],
        caller: Caller,
        settings: Configuration,
    ) -> None:
        client = capable(start().register(caller, "caller"), None, 2)
        client.answers_callbacks = False
        number = client.send("many_at_once", double, 7)
        for value in range(7):
            client.carry_out(*client.wait_for_call())
            assert len(client.asked) <= 1, value
        assert client.answer(number) == [*map(double, range(7))]

    def test_objects_have_methods_and_attributes(
        self, one: CapableClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        state = CallbackState(
            "scales", frozenset({"scale"}), frozenset(), frozenset({"size"})
        )
        answers: dict[str, Callable[[Any], int]] = {
            "scale": lambda factor: 7 * factor,
            "__getattr__": lambda _name: 7,
        }

        class Scales:
            pass

        encode = one.encode
        monkeypatch.setattr(
            one, "encode", lambda obj: state if type(obj) is Scales else encode(obj)
        )
        one.answers_callbacks = False
        number = one.send("method", Scales())
        for _ in range(2):
            frame, call = one.wait_for_call()
            one.session.send_result(frame, answers[call.method](*call.args))
            one.flush()
        assert one.answer(number) == (7, 21)
        with pytest.raises(AttributeError, match="scale, size"):
            one.call("misuse", Scales())

    def test_oneway_functions_are_not_waited_for(self, one: CapableClient) -> None:
        said = []

        def tell(text: str) -> None:
            said.append(text)

        tell.oneway = True  # type: ignore[attr-defined]
        one.answers_callbacks = False
        for method in ("call", "call_later"):
            assert one.call(method, tell, method) is None
        for _ in range(2):
            one.carry_out(*one.wait_for_call())
        assert said == ["call", "call_later"]


class TestReferences:
    def test_the_same_object_is_the_same_here(self, one: CapableClient) -> None:
        assert one.call("are_equal", double, double) == [True, True, True]
        assert one.call("are_equal", double, fail)[0] is False

    def test_it_comes_back_to_its_client_as_itself(self, one: CapableClient) -> None:
        one.call("keep", double, fail)
        assert one.call("give_back") == [double, fail]
        assert one.call("call", double, 2) == 4

    def test_it_comes_back_in_a_batch_as_well(self, one: CapableClient) -> None:
        one.call("keep", double)
        calls: list[Any] = [("give_back", (), {}), ("add", (1, 2), {})]
        number = one.send("<batch>", *calls, flags=FLAG_BATCH)
        assert one.answer(number) == [[double], 3]

    def test_it_cannot_be_sent_to_another_client(
        self,
        start: Callable[..., Daemon],
        capable: Callable[..., CapableClient],
        caller: Caller,
    ) -> None:
        uri = start().register(caller, "caller")
        one, other = capable(uri), capable(uri)
        one.call("keep", double)
        with pytest.raises(SerializeError, match="another client"):
            other.call("give_back")
        assert other.call("add", 1, 1) == 2

    def test_it_cannot_be_sent_in_other_formats(self) -> None:
        import pickle

        from pyro_protocol.serializers import serializers

        state = CallbackState("one")
        callback = Callback(_NoTable(), state)  # type: ignore[arg-type]
        for serializer in serializers.values():
            with pytest.raises(SerializeError):
                serializer.dumps([callback])
        with pytest.raises(SerializeError):
            pickle.dumps(callback)

    def test_the_client_is_told_when_it_is_dropped(
        self, one: CapableClient, caller: Caller
    ) -> None:
        one.call("keep", double)
        one.call("keep", double)
        one.call("drop")
        gc.collect()
        while not one.released:
            one.receive()
        ((identifier, times),) = one.released
        assert one.functions[identifier] is double
        assert times == 2

    def test_more_than_the_limit_are_refused(
        self, one: CapableClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Many:
            def __init__(self, number: int) -> None:
                self.number = number

        monkeypatch.setattr(
            one, "encode", lambda obj: CallbackState(f"many{obj.number}")
        )
        with pytest.raises(SerializeError, match="too many callbacks"):
            one.call("keep", *map(Many, range(MOST_CALLBACKS + 1)))
        assert one.call("add", 1, 1) == 2

    @pytest.mark.parametrize("names", [{NATIVE}, {NATIVE, MULTIPLEX}])
    def test_without_the_capability_the_call_is_refused(
        self,
        start: Callable[..., Daemon],
        capable: Callable[..., CapableClient],
        caller: Caller,
        names: set[str],
    ) -> None:
        client = capable(start().register(caller, "caller"), names)
        with pytest.raises(SerializeError, match="'callbacks' is not in force"):
            client.call("keep", double)
        assert client.call("add", 1, 1) == 2


class TestLater:
    def test_it_is_called_from_other_threads_while_the_client_is_idle(
        self, one: CapableClient, caller: Caller
    ) -> None:
        one.call("keep", double)
        thread = threading.Thread(target=caller.outcome, args=(caller.kept[0], 4))
        thread.start()
        while caller.outcomes.empty() and thread.is_alive():
            if not one.functions or caller.outcomes.qsize():
                break
            one.receive()
            thread.join(0.01)
        thread.join()
        assert caller.outcomes.get() == 8

    def test_it_fails_when_the_client_has_gone(
        self, one: CapableClient, caller: Caller
    ) -> None:
        one.call("keep", double)
        one.close()
        function = caller.kept[0]
        eventually(lambda: not function._table._link.connection.client.established)
        with pytest.raises(ConnectionClosedError, match="has ended"):
            function(1)


class TestEnds:
    @each_way
    def test_one_that_waits_fails_when_the_client_goes(
        self, one: CapableClient, caller: Caller, method: str
    ) -> None:
        one.answers_callbacks = False
        one.send("outcome" if method == "call" else "stopped", double)
        one.wait_for_call()
        one.close()
        error = caller.outcomes.get(timeout=10)
        assert isinstance(error, ConnectionClosedError | asyncio.CancelledError)

    def test_a_cancelled_coroutine_cancels_its_callback(
        self, one: CapableClient, caller: Caller
    ) -> None:
        one.answers_callbacks = False
        number = one.send("stopped", double)
        frame, _ = one.wait_for_call()
        one.cancel(number)
        with pytest.raises(CallCancelledError):
            one.answer(number)
        while frame.sequence not in one.cancelled:
            one.receive()
        one.session.send_result(frame, "too late")
        one.flush()
        assert one.call("add", 1, 1) == 2

    @pytest.mark.parametrize("method", ["outcome", "stopped"])
    def test_it_waits_no_longer_than_the_caller(
        self, one: CapableClient, caller: Caller, method: str
    ) -> None:
        one.answers_callbacks = False
        number = one.send(method, double, timeout=0.2)
        frame, _ = one.wait_for_call()
        assert 0 < (one.session.remaining(frame) or 0) <= 0.2
        error = caller.outcomes.get(timeout=10)
        assert isinstance(error, TimeoutError | asyncio.CancelledError)
        if method == "stopped":
            with pytest.raises(TimeoutError):
                one.answer(number)

    def test_the_configuration_bounds_it_as_well(
        self,
        start: Callable[..., Daemon],
        capable: Callable[..., CapableClient],
        caller: Caller,
        settings: Configuration,
    ) -> None:
        settings.COMMTIMEOUT = 0.3
        client = capable(start().register(caller, "caller"))
        client.answers_callbacks = False
        with pytest.raises(TimeoutError, match="has not answered"):
            client.call("call", double, 1)

    @pytest.mark.parametrize("method", ["outcome", "stopped"])
    def test_the_end_of_the_daemon_wakes_it(
        self,
        start: Callable[..., Daemon],
        capable: Callable[..., CapableClient],
        caller: Caller,
        method: str,
    ) -> None:
        daemon = start()
        client = capable(daemon.register(caller, "caller"))
        client.answers_callbacks = False
        client.send(method, double)
        client.wait_for_call()
        daemon.shutdown()
        error = caller.outcomes.get(timeout=10)
        assert isinstance(error, CommunicationError | asyncio.CancelledError)

    def test_an_answer_to_nothing_ends_the_connection(self, one: CapableClient) -> None:
        one.answers_callbacks = False
        number = one.send("call", double, 1)
        frame, _ = one.wait_for_call()
        one.session._running.add(77)
        one.session.send_result(frame._replace(sequence=77), 1)
        one.flush()
        with pytest.raises(CommunicationError):
            one.answer(number)


class _NoTable:
    client = "nobody"

    def drop(self, _object_id: str, _times: int) -> None:
        return
