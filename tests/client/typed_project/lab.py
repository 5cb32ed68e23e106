"""What a laboratory serves; its classes say more than most, for the stubs to tell."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple, NewType, NotRequired, Self, TypedDict

from pyro_protocol import expose, oneway

Celsius = NewType("Celsius", float)


class Mode(enum.Enum):
    """How the camera finds its exposure."""

    AUTO = "auto"
    MANUAL = "manual"


class Size(NamedTuple):
    """How many pixels."""

    width: int
    height: int = 480


class Options(TypedDict):
    """What can be set."""

    gain: float
    binning: NotRequired[int]


@dataclass
class Frame:
    """One picture."""

    taken: dt.datetime
    data: bytes
    size: Size
    mode: Mode = Mode.AUTO
    tags: list[str] = field(default_factory=list)
    number: uuid.UUID | None = field(default=None, kw_only=True)


@expose
class Camera:
    r"""A camera on the bench.

    It takes pictures; a path is written C:\pictures, "so" to say \"""so\""".
    """

    def __init__(self) -> None:
        self._gain = 1.0
        self._stopped = False

    @property
    def gain(self) -> float:
        """How strong the signal is made."""
        return self._gain

    @gain.setter
    def gain(self, value: float) -> None:
        self._gain = value

    @property
    def temperature(self) -> Celsius:
        """How warm the sensor is."""
        return Celsius(21.5)

    def snap(
        self,
        exposure: float,
        /,
        mode: Mode = Mode.AUTO,
        *,
        size: Size | None = None,
        tags: Sequence[str] = (),
        compression: Literal["none", "lossless"] = "none",
    ) -> Frame:
        """Take a picture.

        Args:
            exposure: seconds.
            mode: how to find the exposure.
            size: how many pixels, or None for all.
            tags: what to call it.
            compression: how to make it smaller.
        """
        taken = dt.datetime(2026, 5, 4, 12, 0, tzinfo=dt.UTC)
        return Frame(taken, b"\0" * 4, size or Size(2, 2), mode, [*tags, compression])

    def frames(self, most: int = 10) -> Iterator[Frame]:
        """Take one picture after the other."""
        for number in range(most):
            yield self.snap(number)

    async def temperatures(self) -> AsyncIterator[Celsius]:
        """Watch how warm the sensor is."""
        for degrees in (20.0, 21.0):
            yield Celsius(degrees)

    async def focus(self, *distances: int, **settings: float) -> dict[str, list[int]]:
        """Find the sharpest picture."""
        await asyncio.sleep(0)
        return {
            "distances": [*distances],
            "settings": [int(v) for v in settings.values()],
        }

    def price(self, options: Options) -> Decimal:
        """Tell what it costs."""
        return Decimal("9.50") * options.get("binning", 1)

    def list(self, kind: str = "all") -> list[str]:
        """List what was stored."""
        return [kind]

    def twin(self) -> Self:
        """Give the camera next to this one."""
        return self

    @oneway
    def stop(self) -> None:
        """Stop at once."""
        self._stopped = True

    def unexplained(self, anything, other=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 - what stubs make of it
        return anything or other

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> str:
        return str(index)
