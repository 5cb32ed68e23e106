"""Classes that say by hand what is served."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Thermometer(Protocol):
    """What other programs need of the camera."""

    @property
    def temperature(self) -> float: ...

    def stop(self) -> None: ...


class AsyncThermometer(Protocol):
    """The same for asyncio."""

    @property
    def temperature(self) -> Awaitable[float]: ...

    def temperatures(self) -> AsyncIterator[float]: ...

    async def stop(self) -> None: ...


class Stoppable(ABC):
    """What can be stopped."""

    @abstractmethod
    def stop(self) -> None: ...


class Producer(Protocol[T_co]):
    """What gives one thing after the other."""

    def frames(self, most: int = 10) -> Iterator[T_co]: ...
