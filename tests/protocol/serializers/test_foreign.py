from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, Flag
from typing import Any, NamedTuple

import pytest

from pyro_protocol.serializers import (
    ForeignMember,
    ForeignRecord,
    register_class,
    serializers,
    unregister_class,
)
from pyro_protocol.serializers.allowed import allow_class
from pyro_protocol.serializers.native import NativeSerializer
from pyro_protocol.wire.frame import SplitPayload

NATIVE = serializers["native"]


def arrives(value: object) -> Any:
    return NATIVE.loads(NATIVE.dumps(value))


@dataclass
class Room:
    name: str
    degrees: float = 20.0
    tags: list[str] = field(default_factory=list)


class Place(NamedTuple):
    x: int
    y: int = 0


class Mode(Enum):
    ECO = "eco"
    BOOST = (1, 2)


class Right(Flag):
    READ = 1
    WRITE = 2


@pytest.fixture
def _registered() -> None:
    for clazz in (Room, Place, Mode, Right):
        register_class(clazz, clazz.__name__)


@pytest.mark.usefixtures("_registered")
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (ForeignRecord("Room", {"name": "hall"}), Room("hall")),
        (ForeignRecord("Place", {"y": 2, "x": 1}, "namedtuple"), Place(1, 2)),
        (ForeignRecord("Place", {"x": 1}, "namedtuple"), Place(1)),
        (ForeignMember("Mode", "ECO", "eco"), Mode.ECO),
        (ForeignMember("Mode", "BOOST"), Mode.BOOST),
        (ForeignMember("Mode", None, "eco"), Mode.ECO),
        (ForeignMember("Right", None, 3), Right.READ | Right.WRITE),
        (
            {"rooms": [ForeignRecord("Room", {"name": "a", "degrees": 1.5})]},
            {"rooms": [Room("a", 1.5)]},
        ),
    ],
)
def test_what_stands_for_an_object_arrives_as_an_object_of_the_class(
    sent: object, expected: object
) -> None:
    assert arrives(sent) == expected
    assert type(arrives(sent)) is type(expected)


@pytest.mark.usefixtures("_registered")
def test_what_is_within_a_record_keeps_its_type() -> None:
    room = arrives(ForeignRecord("Room", {"name": bytearray(b"a"), "tags": ("b",)}))
    assert type(room.name) is bytearray
    assert room.tags == ("b",)


@pytest.mark.usefixtures("_registered")
def test_records_of_which_a_set_is_made_are_told_apart_by_their_fields() -> None:
    places = {ForeignRecord("Place", {"x": x % 2}, "namedtuple") for x in range(4)}
    assert arrives(places) == {Place(0), Place(1)}
    with pytest.raises(TypeError, match="unhashable"):
        hash(ForeignRecord("Place", {"x": []}))


@pytest.mark.usefixtures("_registered")
def test_large_buffers_within_a_record_stand_apart_as_anywhere_else() -> None:
    large = bytes(200_000)
    room = ForeignRecord("Room", {"name": large})
    sent = NativeSerializer().encode_call("object", "method", [room], {})
    assert isinstance(sent, SplitPayload)
    assert len(sent.buffers) == 1
    arguments = NATIVE.loads_call(sent)[2]
    assert arguments[0].name == large


@pytest.mark.parametrize("name", ["serpent", "json", "msgpack", "marshal"])
def test_other_formats_write_what_they_write_for_an_object(name: str) -> None:
    register_class(Room, "Room")
    serializer = serializers[name]
    record = ForeignRecord("Room", {"name": "hall", "degrees": 1.0})
    place = ForeignRecord("Place", {"x": 1}, "namedtuple")
    sent = [[record], place, ForeignMember("Mode", "ECO", "eco")]
    rooms, place_, mode = serializer.loads(serializer.dumps(sent))
    assert rooms == [Room("hall", 1.0)]
    assert list(place_) == [1]
    assert mode == "eco"


class House:
    class Door(NamedTuple):
        width: int


def test_a_described_class_is_allowed_by_its_name_in_descriptions() -> None:
    register_class(House.Door, "door")
    allow_class(House.Door)
    try:
        sent = ForeignRecord(f"{__name__}.House.Door", {"width": 3}, "namedtuple")
        assert type(arrives(sent)) is House.Door
    finally:
        unregister_class(House.Door)
