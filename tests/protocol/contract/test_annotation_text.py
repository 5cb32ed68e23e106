from __future__ import annotations

import collections.abc
import datetime as dt
import typing
from enum import Enum
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import pytest

from pyro_protocol.contract.annotation_text import (
    ANNOTATION_LIMIT,
    ANY,
    AnnotationWriter,
    qualified_name,
)

T = TypeVar("T")
Bound = TypeVar("Bound", bound=int)
Choice = TypeVar("Choice", int, str)
Parameters = typing.ParamSpec("Parameters")
UserId = typing.NewType("UserId", int)


class Colour(Enum):
    RED = 1


class Box(Generic[T]): ...


class Trap:
    """An object that nobody may ask anything."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked for")

    def __repr__(self) -> str:
        raise AssertionError("was asked for")


HERE = __name__


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "int"),
        (None, "None"),
        (type(None), "None"),
        (dt.datetime, "datetime.datetime"),
        (int | None, "int | None"),
        (typing.Optional[int], "int | None"),  # noqa: UP045 - people write it
        (typing.List[dt.date], "list[datetime.date]"),  # noqa: UP006 - as above
        (typing.List, "list"),  # noqa: UP006 - as above
        (tuple[int, ...], "tuple[int, ...]"),
        (tuple[()], "tuple[()]"),
        (tuple, "tuple"),
        (collections.abc.Callable[[int], str], "collections.abc.Callable[[int], str]"),
        (collections.abc.Callable[..., int], "collections.abc.Callable[..., int]"),
        (
            collections.abc.Callable[Parameters, str],
            "collections.abc.Callable[..., str]",
        ),
        (collections.abc.Iterator[float], "collections.abc.Iterator[float]"),
        (typing.AsyncIterator[int], "collections.abc.AsyncIterator[int]"),
        (
            Literal["a", b"b", 1, True, Colour.RED],
            f"typing.Literal['a', b'b', 1, True, {HERE}.Colour.RED]",
        ),
        (Annotated[int, Trap()], "int"),
        (ClassVar[int], "int"),
        (typing.Required[int], "int"),
        (typing.Final, ANY),
        (Any, "typing.Any"),
        (typing.Self, "typing.Self"),
        (T, ANY),
        (Bound, "int"),
        (Choice, "int | str"),
        (Box[int], f"{HERE}.Box[int]"),
        (UserId, f"{HERE}.UserId"),
        ("not.resolved", "not.resolved"),
        (list["Later"], "list[Later]"),  # type: ignore[name-defined] # noqa: F821 - the point
        (typing.ForwardRef("Later"), "Later"),
    ],
)
def test_an_annotation_becomes_text_that_means_the_same_elsewhere(
    annotation: Any, text: str
) -> None:
    assert AnnotationWriter().write(annotation) == text


def test_what_is_no_annotation_is_anything() -> None:
    assert AnnotationWriter().write(5) == ANY
    assert AnnotationWriter().write(Trap()) == ANY
    assert AnnotationWriter().write(dict[str, [Trap()]]) == ANY  # type: ignore[misc,valid-type] # the point


def test_an_annotation_that_is_nested_too_deeply_or_too_long_is_anything() -> None:
    deep: Any = int
    for _ in range(100):
        deep = list[deep]

    assert AnnotationWriter().write(deep) == ANY
    assert AnnotationWriter().write("x" * ANNOTATION_LIMIT) != ANY
    assert AnnotationWriter().write("x" * (ANNOTATION_LIMIT + 1)) == ANY


def test_the_classes_and_aliases_that_were_named_are_kept() -> None:
    writer = AnnotationWriter()

    writer.write(dict[str, Box[Colour] | UserId])

    assert writer.named == {
        "dict": dict,
        "str": str,
        f"{HERE}.Box": Box,
        f"{HERE}.Colour": Colour,
        f"{HERE}.UserId": UserId,
    }


def test_a_qualified_name_has_the_module_unless_that_is_the_builtins() -> None:
    assert qualified_name(int) == "int"
    assert qualified_name(dt.datetime.now) == "datetime.now"
    assert qualified_name(Colour) == f"{HERE}.Colour"
