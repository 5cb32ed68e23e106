"""An object whose methods say in detail what they take."""

from __future__ import annotations

# ruff: noqa: TC003 - what annotations name has to be there when they are resolved
import datetime as dt
import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict
from uuid import UUID

from pyro_protocol import expose, oneway

__all__ = ["NAME", "Corner", "House", "Mode", "Plan", "Right", "Room", "Shape"]

NAME = "http.house"


class Mode(enum.Enum):
    """How it heats."""

    ECO = "eco"
    BOOST = "boost"
    LEVEL = 3
    PAIR = (1, 2)


class Right(enum.Flag):
    """What somebody may do."""

    READ = 1
    WRITE = 2
    OWN = 4


class Corner(NamedTuple):
    """A place."""

    x: float
    y: float = 0.0


@dataclass
class Room:
    """A room."""

    name: str
    mode: Mode = Mode.ECO
    corners: list[Corner] = field(default_factory=list)
    inner: Room | None = None


@dataclass(frozen=True)
class Shape:
    """One that can be in a set."""

    sides: int


class Plan(TypedDict):
    """When it heats."""

    start: dt.datetime
    rooms: NotRequired[list[Room]]


def seen(*values: Any) -> str:
    """Return values in a way that tells their types."""
    return ", ".join(map(repr, values))


class House:
    """Tells what it was called with.

    Attributes:
        notes: what oneway methods were called with.
        picture: the bytes that were written to the attribute.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._degrees = 20.0
        self._mode = Mode.ECO
        self._picture = b""

    @expose
    def add(self, a: int, b: int = 1) -> int:
        """Return the sum."""
        return a + b

    @expose
    def numbers(
        self,
        f: float = 0.0,
        flag: bool = False,
        c: complex = 0j,
        d: Decimal = Decimal(0),
        q: Fraction | None = None,
    ) -> str:
        return seen(f, flag, c, d, q)

    @expose
    def times(
        self,
        day: dt.date | None = None,
        at: dt.datetime | None = None,
        hour: dt.time | None = None,
        span: dt.timedelta | None = None,
    ) -> str:
        return seen(day, at, hour, span)

    @expose
    def texts(self, text: str = "", anything: Any = None, plain=None) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001 - what is tested
        return seen(text, anything, plain)

    @expose
    def choose(
        self,
        mode: Mode = Mode.ECO,
        right: Right = Right.READ,
        literal: Literal["a", 1, True] | None = "a",
        either: Mode | int | None = None,
    ) -> str:
        return seen(mode, right, literal, either)

    @expose
    def collect(
        self,
        items: list[int] | None = None,
        unique: set[Mode] | None = None,
        pair: tuple[int, str] | None = None,
        by_number: dict[int, Room] | None = None,
        shapes: set[Shape] | None = None,
    ) -> str:
        return seen(items, unique, pair, by_number, shapes)

    @expose
    def furnish(self, room: Room, corner: Corner | None = None) -> str:
        return seen(room, corner)

    @expose
    def plan(self, plan: Plan) -> str:
        return seen(plan)

    @expose
    def either(self, what: Room | Corner | list[Room] | float) -> str:
        return seen(what)

    @expose
    def identify(self, who: UUID) -> str:
        return seen(who)

    @expose
    def positional(self, a: int, b: int = 2, /, c: int = 3) -> str:
        return seen(a, b, c)

    @expose
    def named(self, *, a: int, b: str = "b") -> str:
        return seen(a, b)

    @expose
    def total(self, first: int, *values: float, scale: float = 1.0) -> str:
        return seen(first, values, scale)

    @expose
    def open(self, a: int = 0, **others: Any) -> str:
        return seen(a, others)

    @expose
    def weigh(self, **weights: float) -> str:
        return seen(weights)

    @expose
    def store(self, data: bytes, name: str = "") -> str:
        return seen(data, name)

    @expose
    def write(self, text: str, size: int = 0) -> str:
        return seen(text, size)

    @expose
    def call(self, args: list[int], kwargs: dict[str, int] | None = None) -> str:
        return seen(args, kwargs)

    @expose
    def echo(self, value: Any) -> Any:
        return value

    @expose
    def room(self, name: str) -> Room:
        return Room(name, Mode.BOOST, [Corner(1.0)])

    @expose
    @oneway
    def note(self, text: str) -> None:
        self.notes.append(text)

    @expose
    def notes_so_far(self) -> list[str]:
        return list(self.notes)

    @expose
    def fail(self, why: str) -> None:
        raise ValueError(why)

    @expose
    def stream(self, count: int) -> Iterator[int]:
        yield from range(count)

    @expose  # type: ignore[prop-decorator] # mypy does not know such, Pyro does
    @property
    def degrees(self) -> float:
        return self._degrees

    @expose  # type: ignore[misc] # as above
    @degrees.setter
    def degrees(self, value: float) -> None:
        if value > 100:
            raise ValueError("too hot")
        self._degrees = value

    @expose  # type: ignore[prop-decorator] # mypy does not know such, Pyro does
    @property
    def mode(self) -> Mode:
        return self._mode

    @expose  # type: ignore[misc] # as above
    @mode.setter
    def mode(self, value: Mode) -> None:
        assert isinstance(value, Mode)
        self._mode = value

    @expose  # type: ignore[prop-decorator] # mypy does not know such, Pyro does
    @property
    def picture(self) -> bytes:
        return self._picture

    @expose  # type: ignore[misc] # as above
    @picture.setter
    def picture(self, value: bytes) -> None:
        self._picture = value

    @expose  # type: ignore[prop-decorator] # mypy does not know such, Pyro does
    @property
    def rooms(self) -> int:
        return 3
