"""Immutable records: they behave as dataclasses do."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest

from pyro_protocol.frozen import Frozen, NamedTuple, computed


class Point(Frozen):
    """A place."""

    x: int
    y: int = 0
    tags: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Model:
    """The same as a dataclass."""

    x: int
    y: int = 0
    tags: tuple[str, ...] = ()


class Positive(Frozen):
    number: int
    double: int = computed()

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("too small")
        object.__setattr__(self, "double", 2 * self.number)


class Pair(NamedTuple):
    """Two values."""

    first: int
    second: str = "none"

    def swapped(self) -> tuple[str, int]:
        return self.second, self.first


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((1,), {}), ((1, 2), {}), ((), {"x": 1}), ((1,), {"tags": ("a",), "y": 3})],
)
def test_it_is_made_and_shown_as_a_dataclass_is(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    point, model = Point(*args, **kwargs), Model(*args, **kwargs)

    assert repr(point) == repr(model).replace("Model", "Point")
    assert hash(point) == hash(model)
    assert dataclasses.asdict(point) == dataclasses.asdict(model)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1, 2, (), 4), {}), ((1,), {"x": 1}), ((1,), {"z": 1})],
)
def test_values_that_do_not_fit_are_refused(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    with pytest.raises(TypeError, match="Point"):
        Point(*args, **kwargs)


def test_instances_of_one_class_with_equal_fields_are_equal() -> None:
    assert Point(1, 2) == Point(1, y=2)
    assert Point(1, 2) != Point(2, 2)
    other: object = Model(1, 2)
    assert Point(1, 2) != other


def test_it_does_not_change() -> None:
    point: Any = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="x"):
        point.x = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="x"):
        del point.x
    with pytest.raises(AttributeError):
        point.other = 2
    assert not hasattr(point, "__dict__")


def test_copies_and_pickles_are_equal() -> None:
    point = Point(1, tags=("a",))
    assert pickle.loads(pickle.dumps(point)) == point
    assert copy.copy(point) == copy.deepcopy(point) == point


def test_the_functions_for_dataclasses_take_it() -> None:
    assert dataclasses.replace(Point(1), y=3) == Point(1, 3)
    assert Point(1).__replace__(y=3) == Point(1, 3)
    point_class: Any = Point
    assert dataclasses.is_dataclass(point_class)
    names = [field.name for field in dataclasses.fields(Point)]
    assert names == ["x", "y", "tags"]
    assert [field.name for field in dataclasses.fields(Positive)] == ["number"]


def test_patterns_match_it_by_position() -> None:
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)


def test_what_is_computed_is_no_field() -> None:
    assert Positive(4).double == 8
    assert repr(Positive(4)) == "Positive(number=4)"
    with pytest.raises(ValueError, match="too small"):
        Positive(-1)


def test_one_that_contains_itself_can_be_shown() -> None:
    inside: list[object] = []

    class Holder(Frozen):
        items: list[object]

    holder = Holder(inside)
    inside.append(holder)
    assert "..." in repr(holder)


def test_a_named_tuple_is_one_of_the_collections() -> None:
    pair = Pair(1)
    assert pair == (1, "none")
    assert repr(pair) == "Pair(first=1, second='none')"
    assert pair._replace(second="x").swapped() == ("x", 1)
    assert (Pair.__doc__, Pair.__module__) == ("Two values.", __name__)
    assert pickle.loads(pickle.dumps(pair)) == pair
    assert not hasattr(pair, "__dict__")
