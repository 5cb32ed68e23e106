from __future__ import annotations

import pytest

from pyro_protocol.errors import RemoteError, TimeoutError  # noqa: A004 - documented
from pyro_protocol.serializers.exception_checks import (
    PLACE_LIMIT,
    acceptable_arguments,
    acceptable_attribute,
    field_values,
    is_field,
)


class SlottedError(Exception):
    __slots__ = ("code",)


@pytest.mark.parametrize(
    ("clazz", "args"),
    [
        (ValueError, (range(10**12), object())),
        (SyntaxError, ("m", ("f", 1, 2, "text", 1, -1))),
        (SyntaxError, ()),
        (UnicodeDecodeError, ("utf8", b"x", 0, 1, "r")),
        (ExceptionGroup, ("g", [ValueError()])),
    ],
)
def test_what_a_constructor_does_not_look_into_is_accepted(
    clazz: type[BaseException], args: tuple[object, ...]
) -> None:
    assert acceptable_arguments(clazz, args)


@pytest.mark.parametrize(
    ("clazz", "args"),
    [
        (UnicodeDecodeError, ("utf8", b"x", -5, -4, "r")),
        (UnicodeTranslateError, ("x", -5, -4, "r")),
        (SyntaxError, ("m", range(6))),
        (IndentationError, ("m", "details")),
        (SyntaxError, ("m", ("f", 1, PLACE_LIMIT + 1, "text"))),
        (SyntaxError, ("m", ("f", 1.5))),
        (SyntaxError, ("m", ("f",) * 7)),
        (SyntaxError, (b"m",)),
        (ExceptionGroup, ("g", range(10**12))),
    ],
)
def test_what_would_harm_when_it_is_looked_into_is_refused(
    clazz: type[BaseException], args: tuple[object, ...]
) -> None:
    assert not acceptable_arguments(clazz, args)


@pytest.mark.parametrize(
    ("error", "name", "value"),
    [
        (ValueError(), "anything", object()),
        (ValueError(), "outcome", "mine"),
        (ValueError(), "__notes__", ["note"]),
        (SlottedError(), "code", 5),
        (OSError(), "filename", b"file"),
        (OSError(), "filename", None),
        (SyntaxError(), "lineno", 5),
        (SyntaxError(), "end_offset", -1),
    ],
)
def test_ordinary_attributes_may_be_set(
    error: Exception, name: str, value: object
) -> None:
    assert acceptable_attribute(error, name, value)


@pytest.mark.parametrize(
    ("error", "name", "value"),
    [
        (ValueError(), "args", ()),
        (ValueError(), "__cause__", KeyError()),
        (ValueError(), "__traceback__", None),
        (ValueError(), "__notes__", "note"),
        (ValueError(), "__notes__", [5]),
        (ValueError(), "with_traceback", None),
        (TimeoutError(), "outcome", "not_sent"),
        (RemoteError(), "remote_type", "app.Odd"),
        (RemoteError(), "attributes", {}),
        (OSError(), "filename", [1]),
        (AttributeError(), "obj", 5),
        (ImportError(), "name_from", "x"),
        (SyntaxError(), "lineno", -5),
        (SyntaxError(), "offset", PLACE_LIMIT + 1),
        (SyntaxError(), "print_file_and_line", 1),
        (ExceptionGroup("g", [ValueError()]), "exceptions", ()),
        (ExceptionGroup("g", [ValueError()]), "split", None),
    ],
)
def test_what_python_or_this_library_works_with_may_not(
    error: Exception, name: str, value: object
) -> None:
    assert not acceptable_attribute(error, name, value)


def test_the_fields_of_builtin_exceptions_are_known() -> None:
    error = FileNotFoundError(2, "no", "file")
    assert dict(field_values(error)) == {
        "errno": 2,
        "strerror": "no",
        "filename": "file",
        "filename2": None,
    } or "winerror" in dict(field_values(error))
    assert is_field(error, "filename")
    assert not is_field(error, "other")
    assert dict(field_values(ValueError(1))) == {}


def test_a_field_of_an_unexpected_type_is_left_out() -> None:
    assert "name" not in dict(field_values(AttributeError("a", name=5)))  # type: ignore[call-arg, arg-type, unused-ignore] # the point
