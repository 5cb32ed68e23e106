from __future__ import annotations

import asyncio
import io
import json
import os
import queue
import re
import socket
import sqlite3
import struct
import traceback
from configparser import NoOptionError
from dataclasses import FrozenInstanceError
from decimal import DivisionByZero
from importlib.metadata import PackageNotFoundError
from pathlib import PurePath
from subprocess import CalledProcessError, TimeoutExpired
from typing import Any
from urllib.error import URLError
from xmlrpc.client import Fault

import pytest

from pyro_protocol import errors
from pyro_protocol.errors import PyroError, RemoteError, SerializeError
from pyro_protocol.serializers import ExceptionWrapper, Serializer, serializers
from pyro_protocol.serializers.exceptions import exception_to_dict, wire_name

EVERY = list(serializers.values())
every = pytest.mark.parametrize("serializer", EVERY, ids=lambda one: one.name)
by_key = pytest.mark.parametrize(
    "serializer",
    [one for one in EVERY if one.name != "native"],
    ids=lambda one: one.name,
)


class UserError(ValueError):
    pass


class Posix(os.PathLike[str]):
    def __init__(self, path: str) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return self.path


def json_error() -> Exception:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("[")
    return caught.value


def pattern_error() -> Exception:
    with pytest.raises(re.error) as caught:
        re.compile("(")
    return caught.value


def plain(value: object) -> object:
    """Return a value as far as it survives in every format."""
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return value


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
    assert isinstance(result, RemoteError)
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
    assert isinstance(result, RemoteError)
    assert result.remote_type == name
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
    attributes = {"exceptions": 5, "message": "m", "other": 1}
    error = received(
        serializer, "builtins.ExceptionGroup", "g", [inner], attributes=attributes
    )
    assert isinstance(error, ExceptionGroup)
    assert vars(error) == {"other": 1}
    assert error.message == "g"


@every
def test_names_of_files_and_modules_survive(serializer: Serializer) -> None:
    error = arrives(serializer, FileNotFoundError(2, "no", "a.txt", None, "b.txt"))
    assert (error.filename, error.filename2) == ("a.txt", "b.txt")
    module = arrives(serializer, ImportError("i", name="n", path="p"))
    assert (module.name, module.path) == ("n", "p")


@every
@pytest.mark.parametrize("name", [b"b.txt", PurePath("b.txt"), Posix("b.txt")])
def test_names_of_files_that_are_no_text_survive(
    serializer: Serializer, name: bytes | os.PathLike[str]
) -> None:
    error = arrives(serializer, FileNotFoundError(2, "no", name))
    kept = serializer.name == "native" and not isinstance(name, Posix)
    assert error.filename == (name if kept else os.fsdecode(name))


@every
def test_groups_arrive_with_what_is_in_them(serializer: Serializer) -> None:
    error = ExceptionGroup("g", [ValueError(1), ExceptionGroup("h", [UserError(2)])])
    result = arrives(serializer, error)
    assert isinstance(result, ExceptionGroup)
    value, (user,) = result.exceptions[0], result.exceptions[1].exceptions
    assert value.args == (1,)
    assert isinstance(user, RemoteError)


@pytest.mark.parametrize("name", ["serpent", "marshal", "msgpack", "native"])
def test_an_error_of_decoding_text_arrives_with_its_bytes(name: str) -> None:
    error = arrives(serializers[name], UnicodeDecodeError("utf8", b"\xff", 0, 1, "r"))
    assert error.args == ("utf8", b"\xff", 0, 1, "r")


@every
def test_a_wrapper_arrives_as_a_wrapper(serializer: Serializer) -> None:
    result = arrives(serializer, [1, ExceptionWrapper(UserError("x"))])
    assert type(result[1]) is ExceptionWrapper
    assert isinstance(result[1].exception, RemoteError)


@by_key
@pytest.mark.parametrize("content", [None, 5, {"a": 1}])
def test_a_wrapper_of_something_else_is_refused(
    serializer: Serializer, content: object
) -> None:
    data = {"__class__": "Pyro5.core._ExceptionWrapper", "exception": content}
    with pytest.raises(SerializeError, match="holds no exception"):
        arrives(serializer, data)


@every
@pytest.mark.parametrize(
    "error",
    [
        pytest.param(json_error(), id="json"),
        pytest.param(CalledProcessError(1, ["ls", "-l"], "out", "err"), id="process"),
        pytest.param(TimeoutExpired("ls", 1.5), id="timeout"),
        pytest.param(OSError(2, "no", "file"), id="os"),
        pytest.param(socket.gaierror(-2, "unknown"), id="socket"),
        pytest.param(io.UnsupportedOperation("read"), id="io"),
        pytest.param(DivisionByZero("x"), id="decimal"),
        pytest.param(asyncio.LimitOverrunError("far", 7), id="asyncio"),
        pytest.param(queue.Empty(), id="queue"),
        pytest.param(NoOptionError("option", "section"), id="configparser"),
        pytest.param(URLError("reason"), id="urllib"),
        pytest.param(pattern_error(), id="re"),
        pytest.param(SyntaxError("bad", ("f.py", 1, 2, "a b", 1, 3)), id="syntax"),
        pytest.param(Fault(1, "fault"), id="xmlrpc"),
        pytest.param(FrozenInstanceError("frozen"), id="dataclasses"),
        pytest.param(PackageNotFoundError("name"), id="metadata"),
        pytest.param(StopIteration("value"), id="stop"),
        pytest.param(KeyError(), id="key"),
    ],
)
def test_exceptions_with_a_constructor_of_their_own_arrive_whole(
    serializer: Serializer, error: Exception
) -> None:
    result = arrives(serializer, error)
    assert type(result) is type(error)
    assert plain(result.args) == plain(error.args)
    assert plain(vars(result)) == plain(vars(error))
    assert str(result) == str(error)


@every
def test_an_argument_that_cannot_travel_is_an_error(serializer: Serializer) -> None:
    with pytest.raises(SerializeError, match="cannot serialize object with"):
        serializer.dumps(PyroError(object()))


@every
def test_attributes_that_cannot_travel_are_left_out_with_a_note(
    serializer: Serializer,
) -> None:
    error = ValueError("bad")
    error.add_note("ready")
    vars(error).update(number=1, lock=object(), itself=error, more=[2, "ü"])
    result = arrives(serializer, [error])[0]
    assert (result.number, result.more) == (1, [2, "ü"])
    assert not hasattr(result, "lock")
    assert not hasattr(result, "itself")
    assert result.__notes__ == [
        "ready",
        "(attributes that could not be sent: lock, itself)",
    ]
    assert error.__notes__ == ["ready"]


@every
def test_notes_travel_even_if_they_are_no_proper_text(serializer: Serializer) -> None:
    error = ValueError("bad")
    error.add_note("half \ud800")
    assert arrives(serializer, error).__notes__ == ["half \\ud800"]


@by_key
@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("builtins.ValueError", {"with_traceback": 5, "add_note": 5}),
        ("builtins.ValueError", {"__init__": 5, "__dict__": {"a": 1}}),
        ("builtins.OSError", {"filename": [1], "errno": {}}),
        ("builtins.ImportError", {"name": 5, "name_from": "x"}),
        ("builtins.AttributeError", {"obj": 5, "name": 5}),
        ("builtins.SyntaxError", {"lineno": "x", "offset": 1e9, "text": 5}),
        ("builtins.SyntaxError", {"end_offset": 10**9, "lineno": -5}),
        ("builtins.UnicodeDecodeError", {"start": -5, "end": -5, "object": "text"}),
        ("subprocess.TimeoutExpired", {"cmd": "c", "timeout": 1, "stdout": "s"}),
        ("Pyro5.errors.TimeoutError", {"outcome": "not_sent"}),
    ],
)
def test_a_peer_cannot_set_what_python_relies_on(
    serializer: Serializer, name: str, attributes: dict[str, object]
) -> None:
    args = ("u", b"x", 0, 1, "r") if "Unicode" in name else ("a",)
    if serializer.name == "json" and args != ("a",):
        pytest.skip("json has no bytes")
    before = received(serializer, name, *args)
    after = received(serializer, name, *args, attributes=attributes)
    for key in attributes.keys() - {"cmd", "timeout"}:
        if key == "name_from":
            # Python 3.12 and later import what it is from when they print the error.
            assert getattr(after, key, None) is None
        elif hasattr(before, key) and not callable(getattr(before, key)):
            assert getattr(after, key) == getattr(before, key)
        assert key not in vars(after)
    assert "".join(traceback.format_exception(after))


@by_key
@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("builtins.SyntaxError", ("m", ("f", 1, "x", "text"))),
        ("builtins.SyntaxError", ("m", ("f", 1, 1, "text", 1, 10**9))),
        ("builtins.SyntaxError", (5,)),
        ("builtins.UnicodeTranslateError", ("text", -5, -4, "r")),
        ("subprocess.CalledProcessError", ()),
        ("http.client.IncompleteRead", ()),
        ("xmlrpc.client.Fault", ()),
    ],
)
def test_what_could_not_be_printed_arrives_in_another_way(
    serializer: Serializer, name: str, args: tuple[object, ...]
) -> None:
    result = received(serializer, name, *args)
    assert isinstance(result, RemoteError)
    assert result.remote_type == name
    assert len(result.args) == len(args)
    assert "".join(traceback.format_exception(result))


@every
def test_an_exception_is_not_lost_for_an_unknown_class_among_its_parts(
    serializer: Serializer,
) -> None:
    class Request:
        def __init__(self, url: str) -> None:
            self.url = url

    error = ValueError("bad", Request("first"))
    vars(error).update(request=Request("second"), number=5)
    data = serializer.dumps(error)
    result: Any = serializer.loads_exception(data)
    assert type(result) is ValueError
    assert result.args[1]["url"] == "first"
    assert vars(result)["request"]["url"] == "second"
    assert vars(result)["number"] == 5
    with pytest.raises(SerializeError, match="unsupported serialized class"):
        serializer.loads(data)


@every
def test_what_is_no_exception_is_as_strictly_read_as_ever(
    serializer: Serializer,
) -> None:
    class Request:
        def __init__(self) -> None:
            self.url = "url"

    with pytest.raises(SerializeError, match="unsupported serialized class"):
        serializer.loads_exception(serializer.dumps([Request()]))
    with pytest.raises(SerializeError, match="malformed"):
        serializer.loads_exception(b"\xff\xff")
