from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import traceback
import weakref
from typing import Any

import pytest

from pyro_protocol.errors import PyroError, RemoteError
from pyro_protocol.serializers import serializers
from pyro_protocol.serializers.exception_names import _KNOWN
from pyro_protocol.serializers.remote_errors import _combined, assemble, remote_class


class SensorError(ValueError):
    pass


class FileError(FileNotFoundError):
    pass


class CodecError(UnicodeDecodeError):
    pass


class CommandError(subprocess.CalledProcessError):
    pass


class SeveralErrors(ExceptionGroup[Exception]):
    pass


class FinalError(ValueError):
    def __init_subclass__(cls) -> None:
        raise TypeError("no subclasses")


ERRORS = [
    SensorError("hot", 7),
    FileError(2, "no such file", "a.txt"),
    CodecError("utf8", b"\xff", 0, 1, "reason"),
    CommandError(1, ["ls"]),
    SeveralErrors("several", [KeyError("k"), SensorError("s")]),
]
every = pytest.mark.parametrize("error", ERRORS, ids=lambda one: type(one).__name__)


def received(error: Exception) -> Any:
    serializer = serializers["native"]
    return serializer.loads(serializer.dumps(error))


@every
def test_what_arrives_is_both_remote_and_its_base(error: Exception) -> None:
    result = received(error)
    base = type(error).__bases__[0]
    assert isinstance(result, RemoteError)
    assert isinstance(result, base)
    with pytest.raises(base):
        raise result
    assert str(result) == f"{__name__}.{type(error).__name__}: {error}"


@every
@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))],
    ids=["copied", "copied deeply", "pickled"],
)
def test_a_copy_has_class_and_contents(error: Exception, again: Any) -> None:
    result = received(error)
    copied = again(result)
    assert type(copied) is type(result)
    assert str(copied) == str(result)
    assert repr(copied.args) == repr(result.args)
    assert vars(copied) == vars(result)


def test_a_plain_remote_error_can_be_copied_and_pickled_too() -> None:
    error = RemoteError("no", 5, remote_type="app.Odd", attributes={"code": 7})
    for result in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(result) is RemoteError
        assert result.args == error.args
        assert vars(result) == vars(error)


def test_the_fields_of_the_base_are_there() -> None:
    file = received(ERRORS[1])
    assert (file.errno, file.filename) == (2, "a.txt")
    assert received(ERRORS[3]).returncode == 1


def test_it_is_shown_as_what_it_was() -> None:
    result = received(SensorError("hot"))
    vars(result)["_pyroTraceback"] = ["remote line\n"]
    assert traceback.format_exception_only(result) == [
        f"pyro_protocol.errors.RemoteError[ValueError]: {__name__}.SensorError: hot\n"
    ]
    assert repr(result) == "RemoteError[ValueError]('hot')"


def test_it_can_be_raised_from_another_and_caught_with_a_star() -> None:
    result = received(SensorError("hot"))
    caught: list[Exception] = []
    try:
        raise result from KeyError("reason")
    except* ValueError as group:
        caught += group.exceptions
    assert caught == [result]
    assert type(result.__cause__) is KeyError


def test_there_is_one_class_for_each_base() -> None:
    assert remote_class(ValueError) is remote_class(ValueError)
    for base in (Exception, PyroError, RemoteError):
        assert remote_class(base) is RemoteError


def test_there_is_a_class_for_every_known_base() -> None:
    for base in {*_KNOWN.values()}:
        combined = remote_class(base)
        assert issubclass(combined, base)
        assert issubclass(combined, RemoteError)


def test_a_class_that_refuses_subclasses_is_left_alone() -> None:
    assert remote_class(FinalError) is RemoteError


def test_classes_made_dynamically_are_not_kept_for_ever() -> None:
    clazz = type("Dynamic", (ValueError,), {})
    reference = weakref.ref(clazz)
    assert issubclass(remote_class(clazz), clazz)
    del clazz
    _combined.cache_clear()
    gc.collect()
    assert reference() is None


def test_arguments_that_the_interpreter_refuses_are_refused() -> None:
    with pytest.raises(TypeError):
        assemble(UnicodeDecodeError, ("one",))
    with pytest.raises(ValueError, match="non-empty"):
        assemble(ExceptionGroup, ("g", []))


def test_the_constructor_of_a_class_does_not_run() -> None:
    class PickyError(OSError):
        def __init__(self) -> None:
            raise AssertionError

    error = assemble(PickyError, (2, "no", "file"))
    assert (error.errno, error.filename, error.args) == (2, "file", (2, "no"))
