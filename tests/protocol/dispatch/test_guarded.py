from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from contextvars import ContextVar
from itertools import count
from types import CoroutineType
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import expose, requires
from pyro_protocol.dispatch import (
    DAEMON_NAME,
    Authorizer,
    Call,
    CallDetails,
    CallFailure,
    ClientConnection,
    DaemonObject,
    Dispatcher,
    GuardedDispatcher,
    HookTable,
    Identity,
    ObjectRegistry,
    StreamStarted,
    StreamTable,
)
from pyro_protocol.errors import SecurityError
from pyro_protocol.serializers import ExceptionWrapper

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

GET, SET = "__getattr__", "__setattr__"
inside: ContextVar[str] = ContextVar("inside", default="nothing")


@expose
class Lamp:
    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self._level = 1
        self.shone = 0

    def shine(self, level: int = 1) -> int:
        self.shone += 1
        return level

    def burn_out(self) -> None:
        raise ValueError("no bulb")

    def leave(self) -> None:
        raise SystemExit("bye")

    @requires("electrician")
    def open(self) -> None:
        pass

    async def glow(self) -> str:
        await asyncio.sleep(0)
        return inside.get()

    async def fizzle(self) -> None:
        await asyncio.sleep(0)
        raise ValueError("no gas")

    async def colours(self) -> Iterator[str]:
        await asyncio.sleep(0)
        return iter(["red"])

    def flashes(self) -> Iterator[int]:
        yield from range(3)

    def where(self) -> str:
        return inside.get()

    @property
    def level(self) -> int:
        return self._level

    @level.setter
    def level(self, value: int) -> None:
        self._level = value


class Notes:
    """A hook that notes what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.calls: list[CallDetails] = []

    def before_call(self, call: CallDetails) -> None:
        self.calls.append(call)
        self.lines.append(f"begin {call.access} {call.name}")

    def after_call(self, call: CallDetails, result: Any, seconds: float) -> None:
        assert call in self.calls
        shown = type(result).__name__ if isinstance(result, tuple) else result
        self.lines.append(f"end {call.name}: {shown} in {seconds}")

    def on_error(self, call: CallDetails, error: BaseException, seconds: float) -> None:
        assert call in self.calls
        self.lines.append(f"fail {call.name}: {error!r} in {seconds}")


class Marking:
    """A hook that marks the context of the calls."""

    @contextlib.contextmanager
    def running(self, call: CallDetails) -> Iterator[None]:
        token = inside.set(call.name)
        yield
        inside.reset(token)


class Server:
    """A guarded dispatcher with what it needs around it."""

    def __init__(self, authorize: Authorizer | None = None, *hooks: object) -> None:
        self.registry = ObjectRegistry(threading.RLock)
        self.streams = StreamTable(lambda: 0.0, lambda: "stream", most_per_client=2)
        plain = Dispatcher(self.registry, self.streams)
        ticks = count(0, 10)
        self.notes = Notes()
        self.dispatcher = GuardedDispatcher(
            plain, lambda: next(ticks), authorize, HookTable((self.notes, *hooks))
        )
        self.client = ClientConnection(("10.0.0.1", 4444))
        self.lamp = Lamp()
        self.registry.register(self.lamp, "lamp")

    def describe(self) -> str:
        return "server"

    def call(self, name: str, *args: object, object_id: str = "lamp") -> Any:
        """Call a method to its end, as a connection does."""
        call = Call(object_id, name, args, None)
        result = self.dispatcher.invoke(self.client, call)
        if type(result) is not CoroutineType:
            return result
        return asyncio.run(self._finish(call, result))

    async def _finish(self, call: Call, rest: Coroutine[Any, Any, Any]) -> Any:
        try:
            result = await rest
        except BaseException as error:  # noqa: BLE001 - as connections do
            raise self.dispatcher.failure(self.client, call, error) from None
        return self.dispatcher.conclude(self.client, call, result)

    def failing(self, name: str, *args: object, object_id: str = "lamp") -> Exception:
        with pytest.raises(CallFailure) as caught:
            self.call(name, *args, object_id=object_id)
        return caught.value.error

    def batch(self, *calls: object, object_id: str = "lamp") -> list[Any]:
        call = Call(object_id, "<batch>", calls, None, batch=True)
        results: list[Any] = self.dispatcher.invoke(self.client, call)
        return results


@pytest.fixture
def server() -> Server:
    return Server()


class TestHooks:
    def test_a_call_is_told_about_before_and_after(self, server: Server) -> None:
        assert server.call("shine", 5) == 5

        assert server.notes.lines == ["begin call shine", "end shine: 5 in 10"]

    def test_a_failing_call_is_told_about(self, server: Server) -> None:
        error = server.failing("burn_out")

        assert type(error) is ValueError
        assert server.notes.lines == [
            "begin call burn_out",
            "fail burn_out: ValueError('no bulb') in 10",
        ]

    def test_hooks_are_told_what_was_raised_not_what_the_caller_gets(
        self, server: Server
    ) -> None:
        server.failing("leave")

        assert server.notes.lines[1] == "fail leave: SystemExit('bye') in 10"

    def test_attributes_are_calls_too(self, server: Server) -> None:
        server.call(SET, "level", 7)
        assert server.call(GET, "level") == 7

        assert server.notes.lines == [
            *("begin write level", "end level: None in 10"),
            *("begin read level", "end level: 7 in 10"),
        ]

    @pytest.mark.parametrize(
        ("object_id", "name"), [("lamp", "explode"), ("nobody", "shine")]
    )
    def test_calls_of_nothing_are_told_about(
        self, server: Server, object_id: str, name: str
    ) -> None:
        server.failing(name, object_id=object_id)

        begin, fail = server.notes.lines
        assert begin == f"begin call {name}"
        assert fail.startswith(f"fail {name}: ")

    def test_refused_calls_are_told_about(self, server: Server) -> None:
        server.failing("open")

        assert "SecurityError" in server.notes.lines[1]

    def test_a_coroutine_is_done_when_it_has_returned(self, server: Server) -> None:
        rest = server.dispatcher.invoke(server.client, Call("lamp", "glow", (), None))
        assert server.notes.lines == ["begin call glow"]

        assert asyncio.run(rest) == "nothing"
        assert server.notes.lines[1:] == ["end glow: nothing in 10"]

    def test_a_coroutine_that_fails_is_told_about(self, server: Server) -> None:
        error = server.failing("fizzle")

        assert type(error) is ValueError
        assert server.notes.lines[1:] == ["fail fizzle: ValueError('no gas') in 10"]

    def test_a_coroutine_that_is_cancelled_is_told_about(self, server: Server) -> None:
        rest = server.dispatcher.invoke(server.client, Call("lamp", "glow", (), None))

        async def cancel() -> None:
            task = asyncio.ensure_future(rest)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancel())
        assert server.notes.lines[1:] == ["fail glow: CancelledError() in 10"]

    @pytest.mark.parametrize("name", ["flashes", "colours"])
    def test_a_stream_is_done_when_it_is_open(self, server: Server, name: str) -> None:
        assert server.call(name) == StreamStarted("stream")

        assert server.notes.lines == [
            f"begin call {name}",
            f"end {name}: StreamStarted in 10",
        ]

    def test_a_stream_that_cannot_be_opened_is_a_failure(self, server: Server) -> None:
        server.client.streams.update({"one", "two"})

        assert "too many open streams" in str(server.failing("colours"))
        assert "too many open streams" in server.notes.lines[1]

    def test_the_items_of_streams_are_no_calls(self, server: Server) -> None:
        server.registry.register(DaemonObject(server), DAEMON_NAME)

        server.failing("get_next_stream_item", "unknown", object_id=DAEMON_NAME)
        server.call("close_stream", "unknown", object_id=DAEMON_NAME)
        assert server.notes.lines == []

        server.call("ping", object_id=DAEMON_NAME)
        assert server.notes.lines == ["begin call ping", "end ping: None in 10"]

    def test_each_call_of_a_batch_is_a_call(self, server: Server) -> None:
        results = server.batch(
            ("shine", (3,), {}), ("burn_out", (), {}), ("shine", (), {})
        )

        assert results[0] == 3
        assert server.notes.lines == [
            *("begin call shine", "end shine: 3 in 10"),
            *("begin call burn_out", "fail burn_out: ValueError('no bulb') in 10"),
        ]
        assert all(call.batch for call in server.notes.calls)

    def test_a_call_runs_inside_of_what_the_hooks_enter(self) -> None:
        server = Server(None, Marking())

        assert server.call("where") == "where"
        assert server.call("glow") == "glow"
        assert inside.get() == "nothing"

    def test_a_failing_hook_changes_nothing(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Failing:
            def before_call(self, call: CallDetails) -> None:
                raise ValueError("in the hook")

        server = Server(None, Failing())

        assert server.call("shine", 5) == 5
        assert "a hook failed" in caplog.text


class TestAuthorization:
    def test_everything_is_asked_about_before_it_happens(self) -> None:
        asked: list[tuple[str, str, str]] = []

        def note(call: CallDetails) -> None:
            asked.append((call.access, call.object_id, call.name))

        server = Server(note)
        server.call("shine")
        server.call(GET, "level")
        server.call(SET, "level", 7)
        server.batch(("shine", (), {}))
        server.call("glow")
        server.failing("explode")
        server.failing("shine", object_id="nobody")

        assert asked == [
            ("call", "lamp", "shine"),
            ("read", "lamp", "level"),
            ("write", "lamp", "level"),
            ("call", "lamp", "shine"),
            ("call", "lamp", "glow"),
            ("call", "lamp", "explode"),
            ("call", "nobody", "shine"),
        ]

    def test_a_refusal_reaches_the_caller_with_its_text(self) -> None:
        def refuse(call: CallDetails) -> None:
            raise SecurityError("not after nine o'clock")

        server = Server(refuse)
        error = server.failing("shine")

        assert type(error) is SecurityError
        assert str(error) == "not after nine o'clock"
        assert server.lamp.shone == 0

    @pytest.mark.parametrize("verdict", [True, None])
    def test_true_and_none_let_a_call_happen(self, verdict: bool | None) -> None:
        assert Server(lambda call: verdict).call("shine", 5) == 5

    def test_false_refuses_it(self) -> None:
        server = Server(lambda call: call.identity is not None)

        assert str(server.failing("shine")) == (
            "a client without an identity may not call lamp.shine"
        )
        server.client.identity = Identity("bob")
        assert server.call("shine", 5) == 5

    def test_a_check_that_fails_refuses_the_call_and_tells_only_the_log(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(call: CallDetails) -> None:
            raise KeyError("internal")

        error = Server(fail).failing("shine")

        assert type(error) is SecurityError
        assert "internal" not in str(error)
        assert "internal" in caplog.text

    @pytest.mark.parametrize("verdict", [0, 1, "", "yes", []])
    def test_anything_else_refuses_it(
        self, verdict: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        error = Server(lambda call: verdict).failing("shine")

        assert type(error) is SecurityError
        assert "authorize must return None, True or False" in caplog.text

    def test_a_check_that_is_a_coroutine_refuses_everything(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def check(call: CallDetails) -> None:
            pass

        wrong: Any = check
        assert type(Server(wrong).failing("shine")) is SecurityError
        assert "it returned coroutine" in caplog.text

    def test_no_instance_is_made_for_a_refused_call(self) -> None:
        class Own(Lamp):
            made = 0

        server = Server(lambda call: call.name != "shine")
        server.registry.register(Own, "own")

        server.failing("shine", object_id="own")
        assert Own.made == 0
        server.call("where", object_id="own")
        assert Own.made == 1

    def test_a_batch_ends_at_the_call_that_is_refused(self) -> None:
        server = Server(lambda call: call.args != (2,))

        first, second = server.batch(*[("shine", (one,), {}) for one in (1, 2, 3)])
        assert first == 1
        assert isinstance(second, ExceptionWrapper)
        assert type(second.exception) is SecurityError
        assert server.lamp.shone == 1

    def test_roles_are_demanded_besides(self) -> None:
        server = Server(lambda call: True)

        assert "needs the role 'electrician'" in str(server.failing("open"))

    def test_refusals_are_logged_as_warnings(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        server = Server(lambda call: False)
        with caplog.at_level(logging.WARNING, "pyro.server"):
            server.failing("shine")

        (record,) = caplog.records
        assert "lamp.shine called by <client 10.0.0.1:4444>" in record.message


def test_no_call_is_begun_in_the_event_loop(server: Server) -> None:
    call = Call("lamp", "glow", (), None)

    assert Dispatcher(server.registry, server.streams).awaits(server.client, call)
    assert not server.dispatcher.awaits(server.client, call)


def test_it_shares_everything_with_the_dispatcher_it_is_made_of() -> None:
    registry = ObjectRegistry(threading.RLock)
    streams = StreamTable(lambda: 0.0, lambda: "stream")
    told: list[object] = []
    handler: Callable[..., None] = lambda *args: told.append(args)  # noqa: E731 - short
    plain = Dispatcher(registry, streams, error_handler=handler)
    guarded = GuardedDispatcher(plain, lambda: 0.0)
    client = ClientConnection()
    registry.register(Lamp(), "lamp")

    with pytest.raises(CallFailure):
        guarded.invoke(client, Call("lamp", "burn_out", (), None))

    assert len(told) == 1
    again = GuardedDispatcher(guarded, lambda: 0.0)
    assert again.invoke(client, Call("lamp", "shine", (5,), None)) == 5
