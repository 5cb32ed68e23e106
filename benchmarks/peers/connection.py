"""A client's connection through a proxy of the service, as most libraries have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from peers.service import (
    BATCH_SIZE,
    IN_FLIGHT,
    ONEWAY_SIZE,
    RECORDS,
    STREAM_SIZE,
    number_array,
    unchanged,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ProxyConnection"]


class ProxyConnection:
    """A connection through a proxy of `Service`.

    Args:
        proxy: has the methods of `Service`.
        decode: turns what the library delivers for a bytes result into bytes.
        close: releases the proxy.
        new_batch: returns what collects calls, and sends them when it is called
            itself, if the library has such batches.
    """

    def __init__(
        self,
        proxy: Any,
        decode: Callable[[Any], bytes] = unchanged,
        close: Callable[[], object] = lambda: None,
        new_batch: Callable[[Any], Any] | None = None,
    ) -> None:
        self._proxy = proxy
        self._decode = decode
        self._close = close
        self._new_batch = new_batch
        self._held: list[Any] = []

    def call(self) -> object:
        """Add two numbers remotely."""
        return self._proxy.add(2, 3)

    def together(self) -> object:
        """Add two numbers ``IN_FLIGHT`` times, here one after the other."""
        add = self._proxy.add
        return [add(2, 3) for _ in range(IN_FLIGHT)]

    def records(self) -> object:
        """Return the list of records that the server has sent back."""
        return self._proxy.echo(RECORDS)

    def array(self) -> object:
        """Return the size of the array that the server has sent back."""
        return self._proxy.echo(number_array()).nbytes

    def batch(self) -> object:
        """Add two numbers ``BATCH_SIZE`` times in one message; return the results."""
        if self._new_batch is None:
            raise NotImplementedError("there are no batches")
        batch = self._new_batch(self._proxy)
        for _ in range(BATCH_SIZE):
            batch.add(2, 3)
        return list(batch())

    def stream(self) -> object:
        """Receive ``STREAM_SIZE`` numbers of a remote generator; return their sum."""
        return sum(self._proxy.items(STREAM_SIZE))

    def oneway(self) -> object:
        """Make ``ONEWAY_SIZE`` oneway calls; return when they were executed."""
        note, noted = self._proxy.note, self._proxy.noted
        expected = noted() + ONEWAY_SIZE
        for number in range(ONEWAY_SIZE):
            note(number)
        # A server may execute them beside the calls that follow.
        while noted() < expected:
            pass
        return ONEWAY_SIZE

    def hold(self, count: int) -> None:
        """Open so many streams, of which one item each is read, and keep them."""
        for _ in range(count):
            stream = iter(self._proxy.items(STREAM_SIZE))
            next(stream)
            self._held.append(stream)

    def upload(self, data: bytes) -> int:
        """Send ``data``; return how many bytes the server received."""
        count: int = self._proxy.upload(data)
        return count

    def download(self, size: int) -> bytes:
        """Return a payload of the server."""
        return self._decode(self._proxy.download(size))

    def close(self) -> None:
        """Release the proxy."""
        self._close()
