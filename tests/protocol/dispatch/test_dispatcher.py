from __future__ import annotations

import asyncio
import logging
import threading
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import behavior, callback, expose
from pyro_protocol.dispatch import (
    Call,
    CallFailure,
    ClientConnection,
    Dispatcher,
    ObjectRegistry,
    StreamStarted,
    StreamTable,
)
from pyro_protocol.errors import (
    ConnectionClosedError,
    DaemonError,
    NamingError,
    PyroError,
    show_remote_traceback,
)
from pyro_protocol.serializers import ExceptionWrapper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

GET, SET = "__getattr__", "__setattr__"


class Unmarked:
    def method(self) -> str:
        return "leaked"

    def __call__(self) -> str:
        return "leaked"


@expose
class Target:
    def __init__(self) -> None:
        self._level = 7
        self.helper = ExposedHelper()
        self.function = expose(lambda: "leaked")
        self.getter_runs = 0

    def add(self, a: int, b: int = 10) -> int:
        return a + b

    def fail(self) -> None:
        raise ValueError("boom", 42)

    def leave(self, error: type[BaseException]) -> None:
        raise error("bye")

    def stop(self) -> None:
        raise StopIteration("end")

    def items(self, *values: object) -> Iterator[object]:
        yield from values

    def lazy(self) -> object:
        return map(str, [1])

    def view(self) -> object:
        return {"a": 1}.keys()

    async def later(self, value: object) -> object:
        await asyncio.sleep(0)
        if isinstance(value, type) and issubclass(value, BaseException):
            raise value
        return value

    async def later_items(self) -> object:
        return iter([1, 2])

    async def items_one_by_one(self) -> AsyncIterator[int]:
        yield 1

    @classmethod
    def klass(cls) -> str:
        return cls.__name__

    @staticmethod
    def static(value: object) -> object:
        return value

    @callback
    def called_back(self) -> None:
        raise ValueError("in the callback")

    @property
    def level(self) -> int:
        self.getter_runs += 1
        return self._level

    @level.setter
    def level(self, value: int) -> None:
        self._level = value

    @property
    def items_property(self) -> Iterator[int]:
        return iter([1])

    def _private(self) -> str:
        return "leaked"

    def __len__(self) -> int:
        return 3

    def __repr__(self) -> str:
        return "leaked"


@expose
class ExposedHelper:
    def __call__(self) -> str:
        return "leaked"


class Guarded:
    """Has properties that nobody may read, not even to find out about them."""

    secret_runs = 0

    @property
    def secret(self) -> Callable[[], str]:
        type(self).secret_runs += 1
        return expose(lambda: "leaked")

    @expose  # type: ignore[prop-decorator] # mypy knows no such property
    @property
    def readable(self) -> int:
        return 1

    @readable.setter
    def readable(self, value: int) -> None:
        raise AssertionError("was written")

    def hidden(self) -> str:
        return "leaked"


class Server:
    """A dispatcher with what it needs around it."""

    def __init__(self, **options: Any) -> None:
        self.registry = ObjectRegistry(threading.RLock)
        numbers = count(1)
        self.streams = StreamTable(
            lambda: 0.0, lambda: f"stream-{next(numbers)}", most_per_client=2
        )
        self.dispatcher = Dispatcher(self.registry, self.streams, **options)
        self.client = ClientConnection(("10.0.0.1", 4444))
        self.target = Target()
        self.registry.register(self.target, "target")

    def call(
        self, name: str, *args: object, object_id: str = "target", **kwargs: object
    ) -> Any:
        return self.dispatcher.invoke(
            self.client, Call(object_id, name, args, kwargs or None)
        )

    def batch(self, *calls: object) -> list[Any]:
        result: list[Any] = self.dispatcher.invoke(
            self.client, Call("target", "<batch>", calls, None, batch=True)
        )
        return result

    def failing(self, name: str, *args: object, object_id: str = "target") -> Exception:
        with pytest.raises(CallFailure) as caught:
            self.call(name, *args, object_id=object_id)
        return caught.value.error


@pytest.fixture
def server() -> Server:
    return Server()


def traceback_of(error: BaseException) -> str:
    return "".join(error._pyroTraceback)  # type: ignore[attr-defined] # documented


class TestCalls:
    def test_a_method_is_called_with_its_arguments(self, server: Server) -> None:
        assert server.call("add", 1) == 11
        assert server.call("add", 1, 2) == 3
        assert server.call("add", a=1, b=2) == 3
        assert server.call("add", 1, b=2) == 3

    @pytest.mark.parametrize("kwargs", [None, {}])
    def test_without_keyword_arguments_there_may_be_none_or_an_empty_map(
        self, server: Server, kwargs: dict[str, object] | None
    ) -> None:
        call = Call("target", "add", [1, 2], kwargs)

        assert server.dispatcher.invoke(server.client, call) == 3

    def test_class_static_and_special_methods_are_called(self, server: Server) -> None:
        assert server.call("klass") == "Target"
        assert server.call("static", 5) == 5
        assert server.call("__len__") == 3

    def test_an_unknown_object_is_named(self, server: Server) -> None:
        error = server.failing("add", object_id="nobody")

        assert type(error) is DaemonError
        assert "unknown object 'nobody'" in str(error)

    @pytest.mark.parametrize(
        "name", ["_private", "__init__", "__repr__", "__class__", "_level"]
    )
    def test_a_private_name_is_refused_as_such(self, server: Server, name: str) -> None:
        error = server.failing(name)

        assert type(error) is AttributeError
        assert "private" in str(error)
        assert repr(name) in str(error)

    @pytest.mark.parametrize(
        "name",
        ["nothing", "helper", "function", "level", "getter_runs", "add.__func__", ""],
    )
    def test_a_name_that_is_no_exposed_method_is_refused(
        self, server: Server, name: str
    ) -> None:
        error = server.failing(name)

        assert type(error) is AttributeError
        assert f"object 'target' has no exposed method {name!r}" in str(error)

    def test_a_misspelt_method_is_recognised(self, server: Server) -> None:
        assert "did you mean 'add'?" in str(server.failing("ad"))
        assert "did you mean" not in str(server.failing("completely_different"))
        assert "did you mean 'level'?" in str(server.failing(GET, "levle"))

    def test_looking_up_a_method_runs_no_property(self, server: Server) -> None:
        server.registry.register(Guarded(), "guarded")
        Guarded.secret_runs = 0

        for name in ("secret", "hidden", "readable"):
            assert type(server.failing(name, object_id="guarded")) is AttributeError
        assert (
            type(server.failing(GET, "secret", object_id="guarded")) is AttributeError
        )
        assert (
            type(server.failing(SET, "secret", 1, object_id="guarded"))
            is AttributeError
        )

        assert Guarded.secret_runs == 0

    def test_a_hidden_method_is_not_suggested_to_strangers(
        self, server: Server
    ) -> None:
        server.registry.register(Guarded(), "guarded")

        assert "hidden'?" not in str(server.failing("hiden", object_id="guarded"))

    def test_an_object_of_an_unmarked_class_offers_nothing(
        self, server: Server
    ) -> None:
        server.registry.register(Unmarked(), "unmarked")

        for name in ("method", "__call__"):
            assert type(server.failing(name, object_id="unmarked")) is AttributeError

    def test_wrong_arguments_are_the_callers_error(self, server: Server) -> None:
        assert type(server.failing("add", 1, 2, 3)) is TypeError

    def test_a_member_exposed_only_by_a_subclass_of_the_registered_class_is_reachable(
        self, server: Server
    ) -> None:
        class Base:
            pass

        class Derived(Base):
            @expose
            def more(self) -> str:
                return "more"

        server.registry.register(
            behavior("single", lambda clazz: Derived())(Base), "base"
        )

        assert server.call("more", object_id="base") == "more"


class TestAttributes:
    def test_an_exposed_property_is_read_and_written(self, server: Server) -> None:
        assert server.call(GET, "level") == 7
        assert server.call(SET, "level", 8) is None
        assert server.call(GET, "level") == 8

    def test_an_iterator_that_is_an_attribute_becomes_a_stream(
        self, server: Server
    ) -> None:
        assert server.call(GET, "items_property") == StreamStarted("stream-1")

    @pytest.mark.parametrize("name", ["helper", "getter_runs", "add", "nothing"])
    def test_what_is_no_exposed_property_is_refused(
        self, server: Server, name: str
    ) -> None:
        assert f"no exposed attribute {name!r}" in str(server.failing(GET, name))
        assert f"no exposed writable attribute {name!r}" in str(
            server.failing(SET, name, 1)
        )

    def test_a_private_attribute_is_refused_as_such(self, server: Server) -> None:
        assert "private attribute '_level'" in str(server.failing(GET, "_level"))

    def test_exposing_the_getter_does_not_make_the_setter_callable(
        self, server: Server
    ) -> None:
        server.registry.register(Guarded(), "guarded")

        assert server.call(GET, "readable", object_id="guarded") == 1
        error = server.failing(SET, "readable", 2, object_id="guarded")
        assert "no exposed writable attribute 'readable'" in str(error)

    @pytest.mark.parametrize(
        ("name", "args"),
        [
            (GET, ()),
            (GET, ("level", 1)),
            (GET, (5,)),
            (GET, (["level"],)),
            (SET, ("level",)),
        ],
    )
    def test_malformed_attribute_access_is_answered(
        self, server: Server, name: str, args: Sequence[object]
    ) -> None:
        assert isinstance(
            server.failing(name, *args), AttributeError | TypeError | ValueError
        )


class TestFailures:
    def test_the_exception_of_a_method_carries_its_traceback(
        self, server: Server
    ) -> None:
        error = server.failing("fail")

        assert type(error) is ValueError
        assert error.args == ("boom", 42)
        assert "in fail" in traceback_of(error)
        assert "in invoke" not in traceback_of(error)

    def test_the_detailed_traceback_is_sent_if_wanted(self) -> None:
        error = Server(detailed_traceback=True).failing("add", "x", 5)

        assert "    a = 'x'\n" in traceback_of(error)
        assert "self._level = 7" in traceback_of(error)

    @pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
    def test_an_exception_that_would_end_the_caller_is_replaced(
        self, server: Server, kind: type[BaseException]
    ) -> None:
        error = server.failing("leave", kind)

        assert type(error) is PyroError
        assert f"target.leave ended with {kind.__name__}: bye" in str(error)
        assert "in leave" in traceback_of(error)

    def test_stop_iteration_reaches_the_caller(self, server: Server) -> None:
        error = server.failing("stop")

        assert type(error) is StopIteration
        assert error.args == ("end",)

    def test_the_note_of_an_earlier_remote_traceback_does_not_travel_on(
        self, server: Server
    ) -> None:
        class Relay:
            @expose
            def relay(self) -> None:
                error = ValueError("from elsewhere")
                error._pyroTraceback = ["remote line\n"]  # type: ignore[attr-defined] # documented
                show_remote_traceback(error)
                raise error

        server.registry.register(Relay(), "relay")

        error = server.failing("relay", object_id="relay")

        assert not hasattr(error, "__notes__")
        assert "remote line" in traceback_of(error)

    def test_an_exception_that_takes_no_attributes_is_sent_as_it_is(
        self, server: Server
    ) -> None:
        class RigidError(Exception):
            def __setattr__(self, name: str, value: object) -> None:
                raise AttributeError(name)

        class Raising:
            @expose
            def method(self) -> None:
                raise RigidError("rigid")

        server.registry.register(Raising(), "raising")

        assert type(server.failing("method", object_id="raising")) is RigidError

    def test_an_error_while_the_instance_is_made_reaches_the_caller(
        self, server: Server
    ) -> None:
        @expose
        class Broken:
            def __init__(self) -> None:
                raise ZeroDivisionError("in the constructor")

            def method(self) -> None: ...

        server.registry.register(Broken, "broken")

        error = server.failing("method", object_id="broken")

        assert type(error) is ZeroDivisionError
        assert "in __init__" in traceback_of(error)

    def test_the_failure_of_a_method_is_logged_with_its_traceback(
        self, server: Server, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO):
            server.failing("fail")

        (record,) = caplog.records
        assert record.levelno == logging.ERROR
        assert (
            "target.fail called by <client 10.0.0.1:4444> raised ValueError"
            in caplog.text
        )
        assert record.exc_info is not None

    def test_the_mistake_of_a_caller_is_logged_without_alarm(
        self, server: Server, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO):
            server.failing("nothing")
            server.failing("add", object_id="nobody")

        assert [record.levelno for record in caplog.records] == [logging.INFO] * 2

    def test_the_end_of_a_stream_is_not_logged(
        self, server: Server, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            server.failing("stop")

        assert caplog.records == []


class TestErrorHandler:
    def setup_method(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.server = Server(error_handler=self.handler)

    def handler(
        self,
        client: ClientConnection,
        method: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Any,
        error: Exception,
    ) -> None:
        self.told.append((client, method, args, kwargs, error))

    def test_it_is_told_of_the_exception_of_a_method(self) -> None:
        error = self.server.failing("add", "x", 5)

        ((client, method, args, kwargs, told),) = self.told
        assert client is self.server.client
        assert method == self.server.target.add
        assert args == ("x", 5)
        assert kwargs == {}
        assert told is error

    def test_it_is_told_of_the_exceptions_in_a_batch(self) -> None:
        self.server.batch(("fail", (), {}))

        assert self.told[0][1] == self.server.target.fail

    def test_it_is_not_told_of_calls_that_reached_no_method(self) -> None:
        self.server.failing("nothing")
        self.server.failing("add", object_id="nobody")
        self.server.failing(GET, "nothing")

        assert self.told == []

    def test_it_gets_the_instance_that_failed_and_no_other_is_made(self) -> None:
        made = []

        @behavior("percall")
        @expose
        class Percall:
            def __init__(self) -> None:
                made.append(self)

            def fail(self) -> None:
                raise ZeroDivisionError

        self.server.registry.register(Percall, "percall")
        self.server.failing("fail", object_id="percall")

        assert len(made) == 1
        assert self.told[0][1] == made[0].fail

    def test_a_constructor_that_fails_is_not_run_again_for_it(self) -> None:
        runs = []

        @expose
        class Broken:
            def __init__(self) -> None:
                runs.append(1)
                raise ZeroDivisionError

            def method(self) -> None: ...

        self.server.registry.register(Broken, "broken")
        self.server.failing("method", object_id="broken")

        assert runs == [1]

    def test_its_own_failure_is_logged_and_the_caller_gets_the_first_one(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken(*_args: object) -> None:
            raise ZeroDivisionError

        server = Server(error_handler=broken)

        with caplog.at_level(logging.ERROR):
            assert type(server.failing("fail")) is ValueError

        assert "error handler failed" in caplog.text


class TestStreams:
    @pytest.mark.parametrize("name", ["items", "lazy"])
    def test_an_iterator_becomes_a_stream(self, server: Server, name: str) -> None:
        result = server.call(name)

        assert result == StreamStarted("stream-1")
        assert result.stream_id in server.streams
        assert len(server.client.streams) == 1

    def test_a_view_of_a_dict_is_a_value(self, server: Server) -> None:
        assert list(server.call("view")) == ["a"]

    def test_streaming_can_be_switched_off(self) -> None:
        server = Server(streaming=False)

        assert server.call("items", 1) == StreamStarted(None)
        assert len(server.streams) == 0

    def test_a_client_with_too_many_streams_is_told_so(self, server: Server) -> None:
        server.call("items")
        server.call("items")

        assert "too many open streams" in str(server.failing("items"))


class TestBatches:
    def test_the_results_come_in_order(self, server: Server) -> None:
        assert server.batch(("add", (1,), {"b": 2}), ["klass", [], None]) == [
            3,
            "Target",
        ]

    def test_an_empty_batch_has_no_results(self, server: Server) -> None:
        assert server.batch() == []

    @pytest.mark.parametrize(
        ("call", "kind"),
        [
            (("fail", (), {}), ValueError),
            (("nothing", (), {}), AttributeError),
            (("_private", (), {}), AttributeError),
            ((GET, ("level",), {}), AttributeError),
            (("items", (), {}), PyroError),
            (("leave", (SystemExit,), {}), PyroError),
            (("stop", (), {}), StopIteration),
            (("add",), PyroError),
            ((["add"], (1,), {}), AttributeError),
            ((5, (1,), {}), AttributeError),
            (("add", 5, {}), TypeError),
            (("add", (), 5), TypeError),
            (5, TypeError),
            (None, TypeError),
            # Little to send, and a lot to go through.
            (("add", range(2), {}), TypeError),
            (range(3), TypeError),
        ],
    )
    def test_the_first_failure_ends_the_batch_and_keeps_the_results_before(
        self, server: Server, call: object, kind: type[Exception]
    ) -> None:
        results = server.batch(("add", (1, 2), {}), call, ("__setattr__", (), {}))

        first, wrapper = results
        assert first == 3
        assert isinstance(wrapper, ExceptionWrapper)
        assert type(wrapper.exception) is kind
        assert traceback_of(wrapper.exception)

    def test_the_calls_of_a_batch_are_limited(self) -> None:
        server = Server(most_batch_calls=2)
        call: tuple[object, ...] = ("add", (1, 2), {})

        assert server.batch(call, call) == [3, 3]
        with pytest.raises(CallFailure, match="at most 2 calls, not 3"):
            server.batch(call, call, call)

    def test_a_batch_for_an_unknown_object_fails_as_a_whole(
        self, server: Server
    ) -> None:
        call = Call("nobody", "<batch>", [("add", (1, 2), {})], None, batch=True)

        with pytest.raises(CallFailure, match="unknown object"):
            server.dispatcher.invoke(server.client, call)

    def test_all_calls_of_a_batch_have_the_same_instance(self, server: Server) -> None:
        @behavior("percall")
        @expose
        class Counter:
            value = 0

            def up(self) -> int:
                self.value += 1
                return self.value

        server.registry.register(Counter, "counter")
        call = Call(
            "counter", "<batch>", [("up", (), {}), ("up", (), {})], None, batch=True
        )

        assert server.dispatcher.invoke(server.client, call) == [1, 2]


class TestCoroutines:
    @staticmethod
    def outcome(server: Server, name: str, *args: object) -> Any:
        async def complete() -> Any:
            return await server.call(name, *args)

        call = Call("target", name, args, None)
        try:
            result = asyncio.run(complete())
        except Exception as error:  # noqa: BLE001 - whatever it is
            raise server.dispatcher.failure(server.client, call, error) from None
        return server.dispatcher.conclude(server.client, call, result)

    def test_the_caller_awaits_it(self, server: Server) -> None:
        assert self.outcome(server, "later", 5) == 5

    def test_an_exception_in_a_coroutine_is_that_of_the_call(
        self, server: Server
    ) -> None:
        with pytest.raises(CallFailure) as caught:
            self.outcome(server, "later", ZeroDivisionError)

        assert type(caught.value.error) is ZeroDivisionError
        assert "in later" in traceback_of(caught.value.error)

    def test_an_iterator_returned_by_a_coroutine_becomes_a_stream(
        self, server: Server
    ) -> None:
        assert self.outcome(server, "later_items") == StreamStarted("stream-1")

    def test_an_asynchronous_generator_becomes_a_stream(self, server: Server) -> None:
        assert server.call("items_one_by_one") == StreamStarted("stream-1")

    def test_a_batch_with_a_coroutine_is_awaited(self, server: Server) -> None:
        calls: list[Any] = [
            ("later", (5,), {}),
            ("later", (6,), {}),
            ("add", (1, 2), {}),
        ]

        async def complete() -> Any:
            return await server.batch(*calls)  # type: ignore[misc] # it has to wait

        assert asyncio.run(complete()) == [5, 6, 3]

    def test_a_failing_coroutine_ends_the_batch(self, server: Server) -> None:
        calls: list[Any] = [("later", (ZeroDivisionError,), {}), ("add", (1, 2), {})]

        async def complete() -> Any:
            return await server.batch(*calls)  # type: ignore[misc] # it has to wait

        (only,) = asyncio.run(complete())
        assert type(only) is ExceptionWrapper
        assert type(only.exception) is ZeroDivisionError


class TestLog:
    @expose
    class Broken:
        @property
        def level(self) -> int:
            raise ZeroDivisionError("no level today")

        def nested(self) -> None:
            raise ConnectionClosedError("the other device is gone")

        def refuse(self) -> None:
            raise NamingError("no such name")

    @pytest.fixture
    def levels(
        self, server: Server, caplog: pytest.LogCaptureFixture
    ) -> Callable[..., str]:
        caplog.set_level(logging.INFO, "pyro.server")
        server.registry.register(self.Broken(), "broken")

        def levels(name: str, *args: object) -> str:
            caplog.clear()
            server.failing(name, *args, object_id="broken")
            (record,) = caplog.records
            assert (record.exc_info is not None) is (record.levelname == "ERROR")
            return f"{record.levelname} {record.getMessage()}"

        return levels

    def test_what_the_program_raises_is_an_error_with_its_traceback(
        self, levels: Callable[..., str]
    ) -> None:
        assert levels(GET, "level").startswith("ERROR broken.level called by ")
        assert levels("nested").startswith("ERROR broken.nested called by ")

    def test_what_is_an_answer_is_no_error(self, levels: Callable[..., str]) -> None:
        assert levels(GET, "unknown").startswith("INFO broken.unknown called by ")
        assert levels("unknown").startswith("INFO broken.unknown called by ")
        assert levels("refuse").startswith("INFO broken.refuse called by ")
