"""An object whose methods give streams, and a client that reads one over HTTP."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Final, Self

from pyro_protocol import expose

from .hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["SOURCES", "Reader", "Sources"]

SOURCES: Final = "http.sources"
"""The name under which tests register it."""


class _Endless(Iterator[str]):
    """Gives the same text for ever; tells when it is closed, also before it began."""

    def __init__(self, sources: Sources, size: int) -> None:
        self._sources = sources
        self._size = size

    def __next__(self) -> str:
        self._sources.produced += 1
        return "x" * self._size

    def close(self) -> None:
        self._sources.closed.release()


class Sources:
    """An object whose methods give streams of every kind.

    Attributes:
        begun: filled when `mute` has begun.
        closed: filled when a generator has ended, or was closed.
        produced: how many items `endless` has given.
        go_on: lets `pausing` go on.
    """

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.closed = threading.Semaphore(0)
        self.produced = 0
        self.go_on = threading.Event()

    def wait_until_closed(self) -> None:
        """Wait until one more generator has ended."""
        assert self.closed.acquire(timeout=DEADLINE), "the generator was not closed"

    @expose
    def count(self, most: int = 3) -> Generator[int, None, str]:
        try:
            yield from range(most)
            return "all"
        finally:
            self.closed.release()

    @expose
    def endless(self, size: int = 1) -> Iterator[str]:
        return _Endless(self, size)

    @expose
    async def silent(self) -> AsyncIterator[str]:
        try:
            yield "begins"
            await asyncio.Event().wait()
        finally:
            self.closed.release()

    @expose
    async def mute(self) -> AsyncIterator[str]:
        try:
            self.begun.release()
            await asyncio.Event().wait()
            yield "never"
        finally:
            self.closed.release()

    @expose
    async def pausing(self) -> AsyncIterator[str]:
        await asyncio.to_thread(self.go_on.wait, DEADLINE)
        yield "at last"

    @expose
    def nothing(self) -> Iterator[int]:
        yield from ()

    @expose
    def fail_at_once(self) -> Iterator[int]:
        raise KeyError("nothing there")
        yield 1

    @expose
    def fail_later(self) -> Iterator[int]:
        yield 1
        raise TimeoutError("too late")

    @expose
    def values(self) -> Iterator[Any]:
        yield {"nan": float("nan"), "bytes": b"\x00"}
        yield "two\nlines\r\n"
        yield None

    @expose
    def unusable(self) -> Iterator[Any]:
        try:
            yield 1
            # Python refuses to write so many digits.
            yield 1 << 50_000
            yield 3
        finally:
            self.closed.release()

    @expose
    def unusable_at_once(self) -> Iterator[Any]:
        try:
            yield 1 << 50_000
        finally:
            self.closed.release()


class Reader:
    """Reads an answer over a connection of its own, as it comes.

    Args:
        location: where the web server is, ``host:port``.
        path: what to ask for.
        accept: the form it takes.
    """

    def __init__(self, location: str, path: str, accept: str = "*/*") -> None:
        self._client = http.client.HTTPConnection(location, timeout=DEADLINE)
        try:
            self._client.request("GET", path, headers={"Accept": accept})
            self.response = self._client.getresponse()
        except BaseException:
            self._client.close()
            raise

    def line(self) -> bytes:
        """Return the next line; waits for it."""
        return self.response.readline()

    def leave(self) -> None:
        """Close the connection."""
        self.response.close()
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.leave()
