from __future__ import annotations

import importlib
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING, Self

import pytest

from pyro_protocol import errors
from pyro_protocol.serializers import register_class, serializers, unregister_class
from pyro_protocol.serializers.exception_names import (
    _KNOWN,
    _STANDARD,
    BASES_LIMIT,
    base_names,
    find_exception,
    native_name,
    wire_name,
)
from pyro_protocol.serializers.exceptions import exception_from_dict

if TYPE_CHECKING:
    from collections.abc import Iterator


class AppError(Exception):
    pass


class SensorError(AppError, ValueError):
    def __init__(self, text: str, code: int) -> None:
        super().__init__(f"{text} {code}")
        self.code = code


def standard_classes() -> list[type[Exception]]:
    found = []
    for module, names in _STANDARD.items():
        try:
            namespace = vars(importlib.import_module(module))
        except ImportError:
            # This Python was built without it.
            continue
        found += [namespace[name] for name in names if name in namespace]
    return found


def test_every_class_of_the_table_is_found_by_the_name_it_travels_under() -> None:
    classes = standard_classes()
    assert len(classes) > 200
    for clazz in classes:
        assert find_exception(wire_name(clazz)) is clazz
        assert find_exception(native_name(clazz)) is clazz


def test_most_classes_of_the_table_are_there() -> None:
    # Some came with later versions of Python.
    listed = sum(map(len, _STANDARD.values()))
    assert len(standard_classes()) > 0.9 * listed


@pytest.mark.parametrize(
    "name",
    [
        "SystemExit",
        "builtins.KeyboardInterrupt",
        "builtins.BaseException",
        "builtins.BaseExceptionGroup",
        "builtins.object",
        "asyncio.CancelledError",
        "asyncio.exceptions.CancelledError",
        "urllib.error.HTTPError",
        "subprocess.Popen",
        "json.dumps",
        "os.system",
        "this.Error",
        "antigravity.Error",
        "pyro_protocol.errors.RemoteError",
        ".",
        "",
        "error",
    ],
)
def test_nothing_else_is_found(name: str) -> None:
    assert find_exception(name) is None


def test_nothing_is_imported_for_a_name_that_is_not_in_the_table() -> None:
    program = (
        "import sys\n"
        "from pyro_protocol.serializers.exception_names import find_exception\n"
        "before = set(sys.modules)\n"
        "for name in ('this.Error', 'wave.open', 'turtle.Terminator', 'x' * 1000):\n"
        "    assert find_exception(name) is None\n"
        "assert set(sys.modules) == before\n"
        "assert find_exception('wave.Error').__module__ == 'wave'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


def test_our_own_errors_have_their_names_in_the_native_format_only() -> None:
    assert native_name(errors.ServerBusyError) == "pyro_protocol.errors.ServerBusyError"
    assert wire_name(errors.ServerBusyError) == "Pyro5.errors.DaemonError"


def test_bases_are_named_from_the_nearest_on() -> None:
    assert base_names(SensorError) == (f"{__name__}.AppError", "builtins.ValueError")
    assert base_names(ValueError) == ()
    assert base_names(SystemExit) == ()
    assert base_names(errors.NamingError) == ("pyro_protocol.errors.PyroError",)


def test_only_so_many_bases_are_named() -> None:
    clazz: type[Exception] = Exception
    for number in range(BASES_LIMIT + 5):
        clazz = type(f"Level{number}", (clazz,), {})
    assert len(base_names(clazz)) == BASES_LIMIT


@pytest.fixture
def allowed() -> Iterator[None]:
    register_class(SensorError)
    yield
    unregister_class(SensorError)


@pytest.mark.usefixtures("allowed")
@pytest.mark.parametrize("name", list(serializers))
def test_an_allowed_class_arrives_as_itself(name: str) -> None:
    serializer = serializers[name]
    error = SensorError("hot", 7)
    result = serializer.loads(serializer.dumps(error))
    assert type(result) is SensorError
    assert (result.args, result.code, str(result)) == (("hot 7",), 7, "hot 7")


def test_an_allowed_base_is_as_good_as_a_builtin_one() -> None:
    register_class(AppError, "our.Error")
    try:
        serializer = serializers["native"]
        result = serializer.loads(serializer.dumps(SensorError("hot", 7)))
    finally:
        unregister_class(AppError)
    assert isinstance(result, errors.RemoteError)
    assert isinstance(result, AppError)
    assert result.remote_bases[0] == "our.Error"


def test_no_code_of_a_class_runs_when_an_exception_arrives() -> None:
    ran = []

    class WatchingError(Exception):
        def __new__(cls, *_args: object) -> Self:
            ran.append("new")
            return super().__new__(cls)

        def __init__(self, *_args: object) -> None:
            ran.append("init")

        def __setattr__(self, name: str, value: object) -> None:
            ran.append("setattr")

        @property
        def shown(self) -> int:
            return 5

        @shown.setter
        def shown(self, value: int) -> None:
            ran.append("property")

    register_class(WatchingError, "Watching")
    try:
        error = WatchingError("a")
        vars(error).update(x=1, shown=2)
        serializer = serializers["native"]
        data = serializer.dumps(error)
        ran.clear()
        result = serializer.loads(data)
    finally:
        unregister_class(WatchingError)
    assert type(result) is WatchingError
    assert vars(result) == {"x": 1}
    assert ran == []


HOSTILE = [
    (),
    ("a",),
    (-1, 10**30, None),
    ("a", b"b", -5, 10**9, "r"),
    ("m", ("f", 1, 2, "t", 1, 10**9)),
    ("m", [ValueError("member")]),
    ({"a": 1}, [], range(3), 2.5),
]
NAMES = ["name", "filename", "lineno", "offset", "text", "start", "object", "msg"]
NAMES += ["errno", "reason", "code", "cmd", "returncode", "value", "name_from"]


@pytest.mark.parametrize("args", HOSTILE, ids=range(len(HOSTILE)))
def test_whatever_a_peer_makes_of_a_known_class_can_be_shown(
    args: tuple[object, ...],
) -> None:
    names = [wire_name(clazz) for clazz in standard_classes()]
    names += [name for name in _KNOWN if name.startswith(("builtins.", "Pyro5."))]
    for name in names:
        for value in (None, "text", 5, -5, 10**30, b"x", ["list"], {"a": 1}):
            form = {"args": args, "attributes": dict.fromkeys(NAMES, value)}
            error = exception_from_dict(name, form, lambda one: one)
            assert isinstance(error, Exception)
            assert repr(error)
            assert "".join(traceback.format_exception(error))
