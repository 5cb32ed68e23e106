from __future__ import annotations

import logging
import threading
import uuid
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from pyro_protocol import expose
from pyro_protocol.context import CallState, call_state
from pyro_protocol.dispatch import (
    Call,
    CallFailure,
    ClientConnection,
    Dispatcher,
    Identity,
    ObjectRegistry,
    StreamTable,
)
from pyro_protocol.dispatch.disclosure import without_traceback
from pyro_protocol.errors import NamingError, PyroError, RemoteError
from pyro_protocol.serializers import ExceptionWrapper, serializers

if TYPE_CHECKING:
    from collections.abc import Iterator

NUMBER = uuid.UUID(int=7)


class OwnError(Exception):
    """Is made of other arguments than those it keeps."""

    def __init__(self, code: int, *, hint: str) -> None:
        super().__init__(f"code {code}")
        self.code = code
        self.hint = hint


class SlottedError(Exception):
    __slots__ = ("code",)

    code: int


def raised(error: BaseException, cause: BaseException | None = None) -> Any:
    try:
        raise error from cause  # noqa: TRY301 - that is all there is to do
    except BaseException as caught:  # noqa: BLE001 - whatever it is
        return caught


def traceback_of(error: Any) -> str:
    return "".join(error._pyroTraceback)


def everything_of(error: Exception) -> str:
    """Return all that travels of an exception, in every serializer."""
    forms = [bytes(serializers[one].dumps(error)) for one in ("native", "serpent")]
    return b"".join(forms).decode("utf-8", "replace")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("boom", 42),
        NamingError("no such name"),
        FileNotFoundError(2, "No such file", "there"),
        UnicodeDecodeError("ascii", b"\xff", 0, 1, "out of range"),
        StopIteration("end"),
        KeyError("key"),
        OwnError(5, hint="none"),
    ],
)
def test_class_text_and_attributes_stay(error: Exception) -> None:
    result = without_traceback(raised(error), NUMBER)

    assert result is not error
    assert type(result) is type(error)
    assert str(result) == str(error)
    assert result.args == error.args
    attributes = {**vars(result)}
    assert attributes.pop("_pyroTraceback") == [
        f"(not sent; see the log of the server, correlation id {NUMBER})\n"
    ]
    assert attributes == vars(error)
    assert result.__traceback__ is None


def test_attributes_in_slots_stay() -> None:
    error = SlottedError("x")
    error.code = 5

    result = without_traceback(error, None)

    assert isinstance(result, SlottedError)
    assert result.code == 5


def test_causes_contexts_and_notes_stay_here() -> None:
    error = raised(ValueError("outer"), raised(KeyError("inner secret")))
    error.add_note("secret note")
    error._pyroTraceback = ["secret line"]

    result = without_traceback(error, NUMBER)

    assert result.__cause__ is None
    assert result.__context__ is None
    assert "secret" not in everything_of(result)


def test_what_was_raised_is_left_as_it_is() -> None:
    error = raised(ValueError("outer"), raised(KeyError("inner")))
    error.add_note("note")
    before = (error.__traceback__, error.__cause__, [*error.__notes__], {**vars(error)})

    without_traceback(error, NUMBER)

    assert before == (
        error.__traceback__,
        error.__cause__,
        error.__notes__,
        vars(error),
    )


def test_exceptions_inside_of_an_exception_lose_theirs_too() -> None:
    inner: Any = raised(ValueError("inner"), KeyError("secret cause"))
    inner._pyroTraceback = ["secret line"]
    error: Any = PyroError("outer", inner, [inner])
    error.reason = inner
    error.reasons = {"first": (inner,)}

    result: Any = without_traceback(error, NUMBER)

    assert "secret" not in everything_of(result)
    assert str(result.reason) == "inner"
    assert str(result.reasons["first"][0]) == "inner"
    assert str(result.args[2][0]) == "inner"
    assert error.reason is inner


def test_members_of_groups_lose_theirs_too() -> None:
    inner: Any = raised(ValueError("inner"), KeyError("secret cause"))
    inner._pyroTraceback = ["secret line"]
    error = ExceptionGroup("group", [inner, ExceptionGroup("more", [inner])])

    result = without_traceback(error, NUMBER)

    assert isinstance(result, ExceptionGroup)
    assert result.message == "group"
    assert str(result.exceptions[0]) == "inner"
    assert "secret" not in everything_of(result)


def test_what_came_from_another_server_loses_its_traceback() -> None:
    error = RemoteError("lost", remote_type="lab.Lost")
    error.attributes = {
        "code": 5,
        "_pyroTraceback": ["secret"],
        "__notes__": ["secret"],
    }

    result = without_traceback(error, NUMBER)

    assert isinstance(result, RemoteError)
    assert result.remote_type == "lab.Lost"
    assert result.attributes == {"code": 5}
    assert "secret" not in everything_of(result)


def test_an_exception_that_cannot_be_copied_is_told_of() -> None:
    class OddError(Exception):
        @property
        def args(self) -> NoReturn:  # type: ignore[override] # the oddity under test
            raise ValueError("no args")

        def __str__(self) -> str:
            return "odd text"

    result = without_traceback(OddError(), NUMBER)

    assert type(result) is PyroError
    assert str(result).endswith("OddError: odd text")


def test_an_exception_that_contains_itself_ends_somewhere() -> None:
    error: Any = ValueError("loop")
    error.me = error.again = [error, error]
    error.me.append(error.me)
    for _ in range(100):
        error.deep = (error.deep,) * 2 if hasattr(error, "deep") else ()

    result: Any = without_traceback(error, NUMBER)

    assert str(result) == "loop"
    assert result.me[0] is result
    assert result.me[2] is result.me


@expose
class Target:
    def fail(self) -> None:
        secret_place = 1
        raise ValueError("boom") from KeyError(f"secret {secret_place}")

    def refuse(self) -> None:
        raise NamingError("no such name")


class Server:
    def __init__(self, tracebacks: str) -> None:
        registry = ObjectRegistry(threading.RLock)
        streams = StreamTable(lambda: 0.0, lambda: "stream")
        self.told: list[Exception] = []
        self.dispatcher = Dispatcher(
            registry,
            streams,
            tracebacks=tracebacks,
            error_handler=lambda *args: self.told.append(args[-1]),
        )
        self.client = ClientConnection(("10.0.0.1", 4444))
        registry.register(Target(), "target")

    def failing(self, name: str) -> Any:
        with pytest.raises(CallFailure) as caught:
            self.dispatcher.invoke(self.client, Call("target", name, (), None))
        return caught.value.error


@pytest.fixture
def _in_a_call() -> Iterator[None]:
    token = call_state.set(CallState(ClientConnection(), correlation=NUMBER.bytes))
    yield
    call_state.reset(token)


@pytest.mark.parametrize(
    ("tracebacks", "identity", "sent"),
    [
        ("always", None, True),
        ("always", Identity("bob"), True),
        ("authenticated", None, False),
        ("authenticated", Identity("bob"), True),
        ("never", None, False),
        ("never", Identity("bob"), False),
    ],
)
@pytest.mark.usefixtures("_in_a_call")
def test_tracebacks_go_to_whom_the_policy_says(
    tracebacks: str, identity: Identity | None, sent: bool
) -> None:
    server = Server(tracebacks)
    server.client.identity = identity

    error = server.failing("fail")

    assert type(error) is ValueError
    assert str(error) == "boom"
    assert ("secret_place" in traceback_of(error)) is sent
    assert ("secret" in everything_of(error)) is sent


@pytest.mark.parametrize("name", ["fail", "refuse"])
@pytest.mark.usefixtures("_in_a_call")
def test_the_log_has_the_reference_that_the_caller_gets(
    caplog: pytest.LogCaptureFixture, name: str
) -> None:
    server = Server("never")
    with caplog.at_level(logging.INFO, "pyro.server"):
        error = server.failing(name)

    assert str(NUMBER) in traceback_of(error)
    assert str(NUMBER) in caplog.text


@pytest.mark.usefixtures("_in_a_call")
def test_the_program_itself_gets_the_whole_exception() -> None:
    server = Server("never")

    server.failing("fail")

    assert isinstance(server.told[0].__cause__, KeyError)


@pytest.mark.usefixtures("_in_a_call")
def test_exceptions_in_batches_are_treated_alike() -> None:
    server = Server("never")
    call = Call("target", "<batch>", [("fail", (), {})], None, batch=True)

    (wrapper,) = server.dispatcher.invoke(server.client, call)

    assert isinstance(wrapper, ExceptionWrapper)
    assert isinstance(wrapper.exception, Exception)
    assert "secret" not in everything_of(wrapper.exception)
