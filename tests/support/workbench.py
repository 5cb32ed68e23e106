"""An object with one method for each thing a call can do."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from pyro_protocol import SerializedBlob, current_context, expose, oneway

from .hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CustomError", "Drawer", "Workbench"]


class CustomError(ValueError):
    """An exception that only the server knows."""


@expose
class Drawer:
    """A list of values with the special methods of a sequence."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]

    def __setitem__(self, index: int, value: Any) -> None:
        self.items[index] = value

    def __delitem__(self, index: int) -> None:
        del self.items[index]

    def __iter__(self) -> Iterator[Any]:
        yield from self.items

    def __contains__(self, value: Any) -> bool:
        return value in self.items

    def __add__(self, other: list[Any]) -> list[Any]:
        return self.items + other


@expose
class Workbench:
    """Served by tests; its state is there for the test to look at.

    Attributes:
        started: released when `slow` has begun.
        release: lets `slow` go on.
        noted: released when `note` has run.
        notes: what `note` was given.
        stream_ends: released when a generator of `count` has ended.
        lent: what `lend` returns.
        calls: how many times `add` has run.
    """

    def __init__(self) -> None:
        self._level = 1
        self.started = threading.Semaphore(0)
        self.release = threading.Event()
        self.noted = threading.Semaphore(0)
        self.notes: list[Any] = []
        self.stream_ends = threading.Semaphore(0)
        self.calls = 0
        self.lent: Any = None

    def add(self, a: Any, b: Any) -> Any:
        self.calls += 1
        return a + b

    def echo(self, value: Any) -> Any:
        return value

    def arguments(self, /, *args: Any, **kwargs: Any) -> list[Any]:
        return [list(args), kwargs]

    def repeat(self, text: str, times: int) -> str:
        return text * times

    def nothing(self) -> None:
        return

    def fail(self, message: str = "the vice is stuck") -> None:
        raise ValueError(message, 7)

    def fail_with_attributes(self) -> None:
        error = OSError(2, "no such drawer")
        error.shelf = 3  # type: ignore[attr-defined] # what the test looks for
        raise error

    def fail_custom(self) -> None:
        raise CustomError("only known here", 5)

    def fail_exit(self) -> None:
        raise SystemExit(3)

    async def slow(self) -> str:
        self.started.release()
        await asyncio.to_thread(self.release.wait, DEADLINE)
        return "finally"

    def has_started(self) -> bool:
        return self.started.acquire(blocking=False)

    def let_go(self) -> None:
        self.release.set()

    @oneway
    def note(self, value: Any) -> None:
        self.notes.append(value)
        self.noted.release()

    def count(self, most: int) -> Iterator[int]:
        try:
            yield from range(most)
        finally:
            self.stream_ends.release()

    def stumble(self) -> Iterator[int]:
        yield 1
        raise KeyError("stumbled")

    @property
    def level(self) -> int:
        return self._level

    @level.setter
    def level(self, value: int) -> None:
        self._level = value

    @property
    def fixed(self) -> str:
        return "cannot be set"

    @property
    def numbers(self) -> Iterator[int]:
        return iter([1, 2, 3])

    @property
    def broken(self) -> None:
        raise LookupError("no value today")

    def annotations(self) -> dict[str, str]:
        return {
            name: bytes(data).decode("ascii")
            for name, data in current_context.annotations.items()
        }

    def annotate(self, text: str) -> None:
        current_context.response_annotations = {"TEST": text.encode()}

    def correlation_id(self) -> str:
        return str(current_context.correlation_id)

    def blob(self, blob: SerializedBlob) -> list[Any]:
        return [blob.info, blob.deserialized()]

    def lend(self) -> Any:
        return self.lent

    def count_of(self, drawer: Any) -> int:
        return len(drawer)
