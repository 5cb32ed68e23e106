from __future__ import annotations

import gc
import json
import subprocess
import sys
import weakref
from dataclasses import dataclass
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum, auto
from typing import Any, NamedTuple, Self

import pytest
from msgpack import ExtType, packb

from pyro_protocol.config import config
from pyro_protocol.errors import SecurityError, SerializeError
from pyro_protocol.serializers import (
    register_class,
    register_class_to_dict,
    register_dict_to_class,
    serializers,
    unregister_class,
)
from pyro_protocol.serializers.allowed import allow_class, allowed_class, class_name
from pyro_protocol.serializers.native import NativeSerializer

NATIVE = serializers["native"]
WITH_CLASS_DICTS = ["serpent", "json", "msgpack", "marshal"]


def arrives(value: object, name: str = "native") -> Any:
    return serializers[name].loads(serializers[name].dumps(value))


@dataclass
class Point:
    x: int
    y: object = 0


@dataclass(frozen=True, slots=True)
class Frozen:
    points: tuple[Point, ...] = ()


class Pair(NamedTuple):
    left: object
    right: object = None


class Colour(Enum):
    RED = (1, "r")
    BLUE = (2, "b")


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Word(StrEnum):
    YES = auto()


class Access(Flag):
    READ = auto()
    WRITE = auto()


class Mode(IntFlag):
    A = 1
    B = 2


class Outer:
    @dataclass
    class Inner:
        value: int


RECORDS: list[Any] = [
    Point(1, [2, {3}]),
    Point(1, Point(2)),
    Frozen((Point(1), Point(2))),
    Pair(1, Pair("a")),
    Colour.BLUE,
    Size.LARGE,
    Word.YES,
    Access.READ | Access.WRITE,
    Access(0),
    Mode.A | Mode.B,
    Mode(8),
    Outer.Inner(5),
]
CLASSES = [Point, Frozen, Pair, Colour, Size, Word, Access, Mode, Outer.Inner]


@pytest.mark.parametrize("value", RECORDS, ids=repr)
def test_an_object_of_a_registered_class_stays_what_it_is(value: Any) -> None:
    for clazz in CLASSES:
        register_class(clazz)
    for sent in (value, [value], {"k": (value,)}, Pair(value, Point(value, value))):
        result = arrives(sent)
        assert result == sent
        assert repr(result) == repr(sent)
        assert type(result) is type(sent)
    assert NATIVE.loads_call(NATIVE.dumps_call("o", "m", (value,), {"k": value})) == (
        "o",
        "m",
        [value],
        {"k": value},
    )
    assert type(arrives(ValueError(value)).args[0]) is type(value)


def test_an_enumeration_can_be_a_key() -> None:
    register_class(Colour)
    register_class(Frozen)
    value = {Colour.RED: 1, Frozen(): 2}
    assert arrives(value) == value


def test_what_is_not_registered_is_refused_or_plain() -> None:
    with pytest.raises(SerializeError, match=r"class: .*test_allowed\.Point; see reg"):
        arrives(Point(1))
    assert arrives([Pair(1, 2), Size.LARGE, Colour.RED, Access.WRITE]) == [
        (1, 2),
        2,
        (1, "r"),
        2,
    ]
    assert type(arrives(Pair(1, 2))) is tuple
    assert type(arrives(Size.LARGE)) is int


@pytest.mark.parametrize("name", ["native", *WITH_CLASS_DICTS])
def test_what_is_not_registered_can_arrive_as_a_dictionary(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "UNKNOWN_CLASSES", "dict")
    expected = {"x": 1, "y": 0, "__class__": f"{__name__}.Point"}
    assert arrives([Point(1, 0)], name) == [expected]
    outer = arrives([Point(1, Point(1, 0))], name)[0]
    assert outer["y"] == expected
    text = json.dumps({"__class__": "__main__.X", "a": 1})
    assert serializers["json"].loads(text.encode()) == json.loads(text)


def test_a_reader_may_take_unknown_classes_as_dictionaries() -> None:
    reader = NativeSerializer(unknown_as_dict=True)
    data = NATIVE.dumps([Point(1, Point(2, 3))])
    inner = {"x": 2, "y": 3, "__class__": f"{__name__}.Point"}
    assert reader.loads(data) == [
        {"x": 1, "y": inner, "__class__": f"{__name__}.Point"}
    ]


@pytest.mark.parametrize("name", WITH_CLASS_DICTS)
def test_a_registered_dataclass_is_built_of_a_class_dictionary(name: str) -> None:
    register_class(Point)
    assert arrives([Point(1, Point(2))], name) == [Point(1, Point(2))]
    register_class(Outer.Inner)
    assert arrives([Outer.Inner(3)], name) == [Outer.Inner(3)]


def test_a_class_can_have_another_name() -> None:
    register_class(Point, "shop.Point")
    assert class_name(Point) == "shop.Point"
    data = NATIVE.dumps(Point(1))
    assert b"shop.Point" in data
    assert NATIVE.loads(data) == Point(1)
    unregister_class(Point)
    with pytest.raises(SerializeError, match=r"shop\.Point"):
        NATIVE.loads(data)
    assert class_name(Point) == f"{__name__}.Point"


def test_registering_is_a_decorator() -> None:
    @register_class
    @dataclass
    class One:
        a: int

    @register_class(name="two")
    class Two(NamedTuple):
        b: int

    assert arrives([One(1), Two(2)]) == [One(1), Two(2)]
    assert class_name(Two) == "two"
    assert class_name(One).endswith("test_registering_is_a_decorator.<locals>.One")


@pytest.mark.parametrize("clazz", [object, int, dict, tuple, Outer, SystemExit, 5, "x"])
def test_only_classes_that_travel_can_be_registered(clazz: Any) -> None:
    with pytest.raises(TypeError, match="register_class_to_dict"):
        register_class(clazz)
    with pytest.raises(TypeError, match="register_class_to_dict"):
        allow_class(clazz)


def test_one_name_means_one_class() -> None:
    register_class(Point, "thing")
    register_class(Point, "thing")
    with pytest.raises(ValueError, match="another name"):
        register_class(Pair, "thing")
    unregister_class(Point)
    register_class(Pair, "thing")
    assert allowed_class("thing") is Pair


def test_a_converter_comes_before_the_class() -> None:
    register_class(Point)
    register_class(Pair)
    register_class(Size)
    name = f"{__name__}.Point"
    register_dict_to_class(name, lambda got, data: (got, data))
    register_dict_to_class(f"{__name__}.Pair", lambda _, data: data["left"])
    register_dict_to_class(f"{__name__}.Size", lambda _, data: data["name"])
    assert arrives(Point(1)) == (name, {"x": 1, "y": 0, "__class__": name})
    assert arrives([Pair(1), Size.LARGE]) == [1, "LARGE"]
    register_class_to_dict(Point, lambda one: {"__class__": "tests.P", "a": one.x})
    register_dict_to_class("tests.P", lambda _, data: data["a"])
    assert arrives(Point(7)) == 7


def test_the_most_specific_converter_comes_before_fields() -> None:
    @dataclass
    class Special(Point):
        pass

    register_class_to_dict(Special, lambda _: {"__class__": "tests.S"})
    register_class_to_dict(Point, lambda _: {"__class__": "tests.P"})
    register_dict_to_class("tests.S", lambda *_: "special")
    register_dict_to_class("tests.P", lambda *_: "point")
    assert arrives([Special(1), Point(1)]) == ["special", "point"]


def test_an_allowed_class_is_not_kept_alive() -> None:
    def make() -> tuple[weakref.ref[type], str]:
        @dataclass
        class Short:
            a: int

        allow_class(Short)
        assert arrives(Short(1)) == Short(1)
        return weakref.ref(Short), class_name(Short)

    reference, name = make()
    gc.collect()
    assert reference() is None
    assert allowed_class(name) is None


RAN: list[str] = []


class Watching(type):
    def __call__(cls, *args: object, **kwargs: object) -> Any:
        RAN.append(f"call {cls.__name__}")
        return super().__call__(*args, **kwargs)

    def __instancecheck__(cls, instance: object) -> bool:
        RAN.append("check")
        return super().__instancecheck__(instance)

    def __getattribute__(cls, name: str) -> Any:
        if name in {"__members__", "_fields", "__dataclass_fields__", "_missing_"}:
            RAN.append(f"look {name}")
        return super().__getattribute__(name)


@dataclass
class Trap(metaclass=Watching):
    a: int = 0

    def __post_init__(self) -> None:
        RAN.append("init")

    def __setattr__(self, name: str, value: object) -> None:
        RAN.append("set")
        super().__setattr__(name, value)


class TrapEnum(Enum):
    A = 1

    @classmethod
    def _missing_(cls, _: object) -> None:
        RAN.append("missing")


class TrapTuple(Pair):
    def __new__(cls, *args: object, **kwargs: object) -> Self:
        RAN.append("new")
        return super().__new__(cls, *args, **kwargs)


@pytest.mark.parametrize("policy", ["refuse", "dict"])
def test_no_code_of_a_class_that_is_not_allowed_runs(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = [
        (name, serializers[name].dumps(value))
        for name in ("native", *WITH_CLASS_DICTS)
        for value in ([Trap(1)], [TrapTuple(1, 2)], {"k": Trap(2)})
    ]
    messages += [("native", NATIVE.dumps([TrapEnum.A]))]
    messages += [("native", NATIVE.dumps(TrapEnum.A)[:-1] + b"\x07")]
    monkeypatch.setattr(config, "UNKNOWN_CLASSES", policy)
    RAN.clear()
    for name, data in messages:
        try:
            serializers[name].loads(data)
        except SerializeError:
            assert policy == "refuse"
    assert RAN == []


def test_a_class_of_the_started_program_is_called_after_it() -> None:
    program = (
        "from dataclasses import dataclass\n"
        "from pyro_protocol.serializers import register_class, serializers\n"
        "@dataclass\n"
        "class Point:\n"
        "    x: int\n"
        "data = serializers['native'].dumps(Point(1))\n"
        "try:\n"
        "    serializers['native'].loads(data)\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, '__main__.Point' in str(error))\n"
        "register_class(Point)\n"
        "print(serializers['native'].loads(data))\n"
        "print(serializers['json'].loads(serializers['json'].dumps(Point(2))))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout.split("\n")[:3] == [
        "SecurityError True",
        "Point(x=1)",
        "Point(x=2)",
    ]


def test_names_with_double_underscores_are_refused_unless_registered() -> None:
    with pytest.raises(SecurityError, match="register_class"):
        serializers["json"].loads(b'{"__class__": "a.__b.C"}')


@pytest.mark.parametrize(
    "data",
    [
        ["D"],
        ["D", 5, {}],
        ["D", "x", 5],
        ["D", "x", {}, 1],
        ["N", "x"],
        ["N", "x", [1]],
        ["N", 5, 5],
        ["E", "x", "y"],
    ],
)
def test_malformed_records_are_refused(data: list[Any]) -> None:
    letter, *rest = data
    with pytest.raises(SerializeError):
        NATIVE.loads(packb([ExtType(1, letter.encode()), *rest]))
