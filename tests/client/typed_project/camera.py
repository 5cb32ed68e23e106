"""Stubs of PYRO:camera@127.0.0.1:9090, written by pyro-stubs."""

from __future__ import annotations

import builtins as _builtins
import dataclasses
import datetime
import decimal
import enum
import uuid
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from typing import (
    Any,
    Literal,
    NamedTuple,
    NotRequired,
    Protocol,
    Self,
    TypeAlias,
    TypedDict,
)


class Mode(enum.Enum):
    """How the camera finds its exposure."""

    AUTO = "auto"
    MANUAL = "manual"


Celsius: TypeAlias = "float"


@dataclasses.dataclass
class Frame:
    """One picture."""

    taken: datetime.datetime
    data: bytes
    size: Size
    mode: Mode = Mode.AUTO
    tags: _builtins.list[str] = dataclasses.field(default_factory=_builtins.list[Any])
    number: uuid.UUID | None = dataclasses.field(default=None, kw_only=True)


class Options(TypedDict):
    """What can be set."""

    gain: float
    binning: NotRequired[int]


class Size(NamedTuple):
    """How many pixels."""

    width: int
    height: int = 480


class Camera(Protocol):
    """A camera on the bench.

    It takes pictures; a path is written C:\\pictures, "so" to say \\\"\"\"so\\\"\"\".
    """

    gain: float
    """How strong the signal is made."""

    @property
    def temperature(self) -> Celsius:
        """How warm the sensor is."""
        ...

    def __getitem__(self, index: int) -> str: ...

    def __len__(self) -> int: ...

    def focus(
        self,
        *distances: int,
        **settings: float,
    ) -> dict[str, _builtins.list[int]]:
        """Find the sharpest picture."""
        ...

    def frames(self, most: int = 10) -> Iterator[Frame]:
        """Take one picture after the other."""
        ...

    def list(self, kind: str = "all") -> _builtins.list[str]:
        """List what was stored."""
        ...

    def price(self, options: Options) -> decimal.Decimal:
        """Tell what it costs."""
        ...

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
        ...

    # One way: callers do not wait for it.
    def stop(self) -> None:
        """Stop at once."""
        ...

    def temperatures(self) -> Iterator[Celsius]:
        """Watch how warm the sensor is."""
        ...

    def twin(self) -> Self:
        """Give the camera next to this one."""
        ...

    def unexplained(self, anything: Any, other: Any = None) -> Any: ...


class AsyncCamera(Protocol):
    """A camera on the bench.

    It takes pictures; a path is written C:\\pictures, "so" to say \\\"\"\"so\\\"\"\".
    """

    @property
    def gain(self) -> Awaitable[float]:
        """How strong the signal is made."""
        ...

    @property
    def temperature(self) -> Awaitable[Celsius]:
        """How warm the sensor is."""
        ...

    async def _pyro_set(self, name: Literal["gain"], value: Any) -> None:
        """Set an attribute."""
        ...

    async def focus(
        self,
        *distances: int,
        **settings: float,
    ) -> dict[str, _builtins.list[int]]:
        """Find the sharpest picture."""
        ...

    def frames(self, most: int = 10) -> AsyncIterator[Frame]:
        """Take one picture after the other."""
        ...

    async def list(self, kind: str = "all") -> _builtins.list[str]:
        """List what was stored."""
        ...

    async def price(self, options: Options) -> decimal.Decimal:
        """Tell what it costs."""
        ...

    async def snap(
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
        ...

    # One way: callers do not wait for it.
    async def stop(self) -> None:
        """Stop at once."""
        ...

    def temperatures(self) -> AsyncIterator[Celsius]:
        """Watch how warm the sensor is."""
        ...

    async def twin(self) -> Self:
        """Give the camera next to this one."""
        ...

    async def unexplained(self, anything: Any, other: Any = None) -> Any: ...
