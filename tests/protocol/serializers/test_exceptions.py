from __future__ import annotations

import sqlite3
import struct
from typing import Any

import pytest

from pyro_protocol import errors
from pyro_protocol.errors import PyroError, RemoteError, SerializeError
from pyro_protocol.serializers import ExceptionWrapper, Serializer, serializers
from pyro_protocol.serializers.exceptions import (
    CHAIN_LIMIT,
    exception_to_dict,
    wire_name,
)

EVERY = list(serializers.values())
every = pytest.mark.parametrize("serializer", EVERY, ids=lambda one: one.name)
by_key = pytest.mark.parametrize(
    "serializer",
    [one for one in EVERY if one.name != "native"],
    ids=lambda one: one.name,
)


class UserError(ValueError):
    pass


def arrives(serializer: Serializer, value: object) -> Any:
    return serializer.loads(serializer.dumps(value))


def received(serializer: Serializer, name: str, *args: object, **more: object) -> Any:
    data = {"__class__": name, "__exception__": True, "args": args, "attributes": {}}
    return arrives(serializer, {**data, **more})


def test_the_keys_are_in_the_order_of_pyro5() -> None:
    error = ValueError("x")
    error._pyroTraceback = ["line"]  # type: ignore[attr-defined]  # as a server does
    assert list(exception_to_dict(error).items()) == [
        ("__class__", "builtins.ValueError"),
        ("__exception__", True),
        ("args", ("x",)),
        ("attributes", {"_pyroTraceback": ["line"]}),
    ]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (ValueError, "builtins.ValueError"),
        (TimeoutError, "builtins.TimeoutError"),
        (OSError, "builtins.OSError"),
        (struct.error, "struct.error"),
        (sqlite3.OperationalError, "sqlite3.OperationalError"),
        (UserError, f"{__name__}.UserError"),
        (errors.TimeoutError, "Pyro5.errors.TimeoutError"),
        (errors.SerializeError, "Pyro5.errors.SerializeError"),
        (errors.LocalProtocolError, "Pyro5.errors.ProtocolError"),
        (errors.RemoteProtocolError, "Pyro5.errors.ProtocolError"),
        (errors.ServerBusyError, "Pyro5.errors.DaemonError"),
        (errors.RemoteError, "Pyro5.errors.PyroError"),
    ],
)
def test_classes_travel_under_names_that_pyro5_knows(
    kind: type[BaseException], name: str
) -> None:
    assert wire_name(kind) == name


@every
@pytest.mark.parametrize(
    "error",
    [
        ValueError("x", 1),
        KeyError("k"),
        OSError(2, "no"),
        StopIteration("v"),
        RecursionError(),
        UserWarning("w"),
        struct.error("s"),
        sqlite3.IntegrityError("s"),
        errors.NamingError("n"),
        errors.TimeoutError("t"),
        errors.MessageTooLargeError("m"),
        errors.SecurityError("s"),
    ],
)
def test_known_classes_arrive_as_themselves(
    serializer: Serializer, error: Exception
) -> None:
    result = arrives(serializer, [error])[0]
    assert type(result) is type(error)
    assert result.args == error.args


@by_key
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ValueError", ValueError),
        ("exceptions.ValueError", ValueError),
        ("NamingError", errors.NamingError),
        ("TimeoutError", errors.TimeoutError),
        ("builtins.TimeoutError", TimeoutError),
        ("builtins.IOError", OSError),
    ],
)
def test_older_and_shorter_names_are_known_too(
    serializer: Serializer, name: str, kind: type[Exception]
) -> None:
    assert type(received(serializer, name, "x")) is kind


@by_key
def test_errors_of_pyro_and_struct_need_no_flag(serializer: Serializer) -> None:
    for name in ("Pyro5.errors.NamingError", "struct.error"):
        error = arrives(serializer, {"__class__": name, "args": ["x"]})
        assert isinstance(error, Exception)
        assert error.args == ("x",)


@every
def test_our_own_errors_arrive_as_the_nearest_that_pyro5_has_except_in_native(
    serializer: Serializer,
) -> None:
    error = arrives(serializer, errors.ServerBusyError("b"))
    native = serializer.name == "native"
    assert type(error) is (errors.ServerBusyError if native else errors.DaemonError)


@every
def test_an_unknown_class_arrives_as_a_remote_error(serializer: Serializer) -> None:
    error = UserError("m", 1)
    vars(error).update(extra=7, _pyroTraceback=["one", "two"], __notes__=["note"])
    result = arrives(serializer, {"e": error})["e"]
    assert type(result) is RemoteError
    assert result.remote_type == f"{__name__}.UserError"
    assert result.args == ("m", 1)
    assert result.attributes["extra"] == 7
    assert list(vars(result)["_pyroTraceback"]) == ["one", "two"]
    assert result.__notes__ == ["note"]


@every
def test_a_remote_error_travels_on_as_what_it_was(serializer: Serializer) -> None:
    error = UserError("m")
    vars(error).update(extra=7, _pyroTraceback=["one"])
    result = arrives(serializer, arrives(serializer, error))
    assert result.remote_type == f"{__name__}.UserError"
    assert result.args == ("m",)
    assert result.attributes["extra"] == 7
    assert list(vars(result)["_pyroTraceback"]) == ["one"]


@by_key
def test_an_exception_of_a_main_program_is_no_security_error(
    serializer: Serializer,
) -> None:
    result = received(serializer, "__main__.Oops", "x")
    assert type(result) is RemoteError
    assert result.remote_type == "__main__.Oops"


@by_key
@pytest.mark.parametrize(
    "name",
    [
        "builtins.SystemExit",
        "SystemExit",
        "builtins.KeyboardInterrupt",
        "exceptions.GeneratorExit",
        "builtins.BaseException",
        "builtins.BaseExceptionGroup",
        "asyncio.exceptions.CancelledError",
        "builtins.eval",
        "os.system",
        "sqlite3.connect",
        "sqlite3.dbapi2.Error",
        "Pyro5.errors.get_pyro_traceback",
        "pyro_protocol.errors.RemoteError",
    ],
)
def test_what_is_no_known_exception_arrives_as_a_remote_error(
    serializer: Serializer, name: str
) -> None:
    result = received(serializer, name, "x")
    assert type(result) is RemoteError
    assert result.remote_type == name


@by_key
@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("builtins.UnicodeDecodeError", ("one",)),
        ("builtins.ExceptionGroup", ("g", [1])),
        ("builtins.ExceptionGroup", ("g", [])),
        (
            "builtins.UnicodeDecodeError",
            ("u", {"encoding": "base64", "data": "x"}, 0, 1, "r"),
        ),
        ("builtins.SyntaxError", ("s", 5)),
    ],
)
def test_arguments_that_a_class_refuses_make_a_remote_error(
    serializer: Serializer, name: str, args: tuple[object, ...]
) -> None:
    result = received(serializer, name, *args)
    assert type(result) is RemoteError
    assert len(result.args) == len(args)


@by_key
@pytest.mark.parametrize(
    "part", [{"args": "text"}, {"args": None}, {"attributes": [1]}, {"attributes": "x"}]
)
def test_a_malformed_exception_is_refused(
    serializer: Serializer, part: dict[str, object]
) -> None:
    with pytest.raises(SerializeError, match="malformed exception"):
        received(serializer, "builtins.ValueError", **part)


@by_key
def test_a_peer_sets_no_attribute_that_means_something_here(
    serializer: Serializer,
) -> None:
    attributes = {
        "__class__": "builtins.KeyError",
        "__cause__": 5,
        "__traceback__": "x",
        "__notes__": [5],
        "args": ["changed"],
        "outcome": "not_sent",
        "own": 1,
    }
    del attributes["__class__"]
    error = received(
        serializer, "Pyro5.errors.ConnectionClosedError", "a", attributes=attributes
    )
    assert vars(error) == {"own": 1}
    assert error.args == ("a",)
    assert error.__cause__ is None
    assert error.outcome == "unknown"


@by_key
def test_an_attribute_that_cannot_be_set_is_left_out(serializer: Serializer) -> None:
    inner = exception_to_dict(KeyError("k"))
    attributes = {"exceptions": 5, "other": 1}
    error = received(
        serializer, "builtins.ExceptionGroup", "g", [inner], attributes=attributes
    )
    assert isinstance(error, ExceptionGroup)
    assert vars(error)["other"] == 1


@every
def test_names_of_files_and_modules_survive(serializer: Serializer) -> None:
    error = arrives(serializer, FileNotFoundError(2, "no", "a.txt", None, b"b.txt"))
    assert (error.filename, error.filename2) == ("a.txt", "b.txt")
    module = arrives(serializer, ImportError("i", name="n", path="p"))
    assert (module.name, module.path) == ("n", "p")


@every
def test_groups_arrive_with_what_is_in_them(serializer: Serializer) -> None:
    error = ExceptionGroup("g", [ValueError(1), ExceptionGroup("h", [UserError(2)])])
    result = arrives(serializer, error)
    assert isinstance(result, ExceptionGroup)
    value, (user,) = result.exceptions[0], result.exceptions[1].exceptions
    assert value.args == (1,)
    assert type(user) is RemoteError


@pytest.mark.parametrize("name", ["serpent", "marshal", "msgpack", "native"])
def test_an_error_of_decoding_text_arrives_with_its_bytes(name: str) -> None:
    error = arrives(serializers[name], UnicodeDecodeError("utf8", b"\xff", 0, 1, "r"))
    assert error.args == ("utf8", b"\xff", 0, 1, "r")


@every
def test_a_wrapper_arrives_as_a_wrapper(serializer: Serializer) -> None:
    result = arrives(serializer, [1, ExceptionWrapper(UserError("x"))])
    assert type(result[1]) is ExceptionWrapper
    assert type(result[1].exception) is RemoteError


@by_key
@pytest.mark.parametrize("content", [None, 5, {"a": 1}])
def test_a_wrapper_of_something_else_is_refused(
    serializer: Serializer, content: object
) -> None:
    data = {"__class__": "Pyro5.core._ExceptionWrapper", "exception": content}
    with pytest.raises(SerializeError, match="holds no exception"):
        arrives(serializer, data)


def raised(*causes: BaseException, suppress: bool = False) -> BaseException:
    """Return the last error, raised from the one before it, and so on."""
    previous: BaseException | None = None
    for error in causes:
        error.__cause__ = previous
        previous = error
    assert previous is not None
    if suppress:
        previous.__suppress_context__ = True
    return previous


def test_native_carries_causes() -> None:
    error = raised(UserError(1), KeyError(2), ValueError(3))
    result = arrives(serializers["native"], error)
    assert type(result.__cause__) is KeyError
    assert type(result.__cause__.__cause__) is RemoteError
    assert result.__cause__.__cause__.args == (1,)


def test_native_carries_contexts_unless_they_are_suppressed() -> None:
    error = ValueError(3)
    error.__context__ = KeyError(2)
    result = arrives(serializers["native"], error)
    assert result.__context__.args == (2,)
    assert result.__cause__ is None
    assert result.__suppress_context__ is False
    error.__suppress_context__ = True
    result = arrives(serializers["native"], error)
    assert result.__context__ is None
    assert result.__suppress_context__ is True


def test_native_carries_only_so_many_causes() -> None:
    error = raised(*(ValueError(number) for number in range(CHAIN_LIMIT + 10)))
    result = arrives(serializers["native"], error)
    length = 0
    while result.__cause__ is not None:
        result = result.__cause__
        length += 1
    assert length == CHAIN_LIMIT


def test_native_carries_causes_that_go_round_in_a_circle() -> None:
    first, second = ValueError(1), ValueError(2)
    first.__cause__, second.__cause__ = second, first
    result = arrives(serializers["native"], first)
    assert result.__cause__.args == (2,)
    assert result.__cause__.__cause__ is None


@by_key
@pytest.mark.parametrize(
    "chain",
    [5, [5], [{}], [{"__class__": 5}], [{"__class__": "x"}] * (CHAIN_LIMIT + 1)],
)
def test_a_malformed_chain_is_refused(serializer: Serializer, chain: object) -> None:
    with pytest.raises(SerializeError, match=r"malformed|unsupported"):
        received(serializer, "builtins.ValueError", chain=chain)


def test_pyro5_peers_are_sent_no_chain() -> None:
    error = raised(KeyError(2), ValueError(3))
    assert "chain" not in exception_to_dict(error)


@every
def test_an_argument_that_cannot_travel_is_an_error(serializer: Serializer) -> None:
    with pytest.raises(SerializeError, match="cannot serialize object with"):
        serializer.dumps(PyroError(object()))
