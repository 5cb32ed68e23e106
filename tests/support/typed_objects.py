"""An object with annotations of every kind, to be described and called over the web."""

from __future__ import annotations

import datetime as dt
import uuid  # noqa: TC003 - Pyro resolves annotations
from collections.abc import AsyncIterator, Iterator  # noqa: TC003 - Pyro resolves annotations
from dataclasses import dataclass, field
from decimal import Decimal  # noqa: TC003 - Pyro resolves annotations
from enum import Enum, IntFlag
from fractions import Fraction  # noqa: TC003 - Pyro resolves annotations
from typing import Any, Literal, NamedTuple, TypedDict

from pyro_protocol import expose, oneway

__all__ = ["Laboratory", "Level", "Mode", "Note", "Pair", "Probe", "Rights"]


class Mode(Enum):
    """How warm it is to be."""

    ECO = "eco"
    COMFORT = "comfort"


class Level(Enum):
    """How urgent something is."""

    LOW = 1
    HIGH = 2


class Rights(IntFlag):
    """What somebody may do."""

    READ = 1
    WRITE = 2
    ADMIT = 4


@dataclass
class Probe:
    """A measured value.

    Attributes:
        value: in degrees.
    """

    value: float
    mode: Mode = Mode.ECO
    tags: list[str] = field(default_factory=list)
    before: Probe | None = None


class Pair(NamedTuple):
    """Two things that belong together."""

    name: str
    amount: int = 1


class Note(TypedDict, total=False):
    """What may be known."""

    text: str
    probe: Probe


@expose
class Laboratory:
    """Gives back what it gets.

    Its methods show that nothing is lost on the way.
    """

    def __init__(self) -> None:
        self._probe = Probe(20.5)
        self._label = "new"
        self._blob = b"\x89PNG\r\n\x1a\n"

    @property
    def probe(self) -> Probe:
        """The last probe."""
        return self._probe

    @probe.setter
    def probe(self, value: Probe) -> None:
        self._probe = value

    @property
    def label(self) -> str | None:
        """What is written on it."""
        return self._label

    @label.setter
    def label(self, value: str | None) -> None:
        self._label = value or ""

    @property
    def blob(self) -> bytes:
        """Some bytes."""
        return self._blob

    @property
    def rights(self) -> Rights:
        """What everybody may do."""
        return Rights.READ | Rights.WRITE

    def numbers(
        self, whole: int, real: float = 1.5, *, certain: bool = False
    ) -> tuple[int, float, bool]:
        """Give back numbers.

        Args:
            whole: a whole number.
            real: a real one.
            certain: whether that is so.
        """
        return whole, real, certain

    def text(self, text: str, more: str | None = None) -> str:
        """Put two texts together."""
        return text + (more or "")

    def moments(
        self,
        at: dt.datetime,
        day: dt.date | None = None,
        clock: dt.time | None = None,
        lasting: dt.timedelta = dt.timedelta(seconds=5),
    ) -> tuple[dt.datetime, dt.date | None, dt.time | None, dt.timedelta]:
        """Give back points in time."""
        return at, day, clock, lasting

    def exact(
        self, price: Decimal, share: Fraction, impedance: complex, key: uuid.UUID
    ) -> dict[str, Decimal | Fraction | complex | uuid.UUID]:
        """Give back what has no word of its own in JSON."""
        return {"price": price, "share": share, "impedance": impedance, "key": key}

    def picture(self, data: bytes, name: str = "picture") -> bytes:
        """Give back bytes."""
        del name
        return data

    def choices(
        self,
        mode: Mode,
        level: Level = Level.LOW,
        size: Literal["s", "m", 3] | None = "m",
    ) -> tuple[Mode, Level, Literal["s", "m", 3] | None]:
        """Give back one of a few."""
        return mode, level, size

    def allow(self, rights: Rights) -> Rights:
        """Give back a combination."""
        return rights

    def collections(
        self,
        numbers: list[int],
        names: set[str] | None = None,
        places: tuple[float, float] = (0.0, 0.0),
    ) -> tuple[list[int], set[str] | None, tuple[float, float]]:
        """Give back several."""
        return numbers, names, places

    def counts(
        self, counts: dict[str, int], by_number: dict[int, bool]
    ) -> dict[str, int]:
        """Give back the counts by name."""
        assert all(type(key) is int for key in by_number)
        return counts

    def record(self, probe: Probe) -> Probe:
        """Give back a record."""
        assert isinstance(probe, Probe)
        return probe

    def pairs(self, pair: Pair, others: list[Pair] | None = None) -> list[Pair]:
        """Give back named tuples."""
        return [pair, *(others or ())]

    def note(self, note: Note) -> Note:
        """Give back a dictionary with known keys."""
        return note

    def either(self, value: int | list[int] | Probe) -> int | list[int] | Probe:
        """Give back what it is."""
        return value

    def anything(self, value: Any) -> Any:
        """Give back anything."""
        return value

    def add(self, first: int, /, *more: int, factor: int = 1) -> int:
        """Add numbers."""
        return (first + sum(more)) * factor

    def options(self, **options: bool) -> dict[str, bool]:
        """Give back options."""
        return options

    def plain(self, a, b="b"):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        return [a, b]

    def count(self, up_to: int = 3) -> Iterator[int]:
        """Count up, but not too far."""
        yield from range(min(up_to, 5))

    async def watch(self) -> AsyncIterator[Probe]:
        """Tell of a probe."""
        yield self._probe

    def nothing(self) -> None:
        """Do nothing."""

    @oneway
    def later(self, minutes: int = 1) -> None:
        """Do nothing, later."""
