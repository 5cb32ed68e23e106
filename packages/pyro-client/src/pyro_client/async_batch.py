"""Batches in an event loop: several calls in one request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

from pyro_protocol.errors import show_remote_traceback
from pyro_protocol.serializers.exceptions import ExceptionWrapper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .async_proxy import AsyncProxy

__all__ = ["AsyncBatchProxy", "BatchCall", "BatchResults"]

QueuedCall = tuple[str, Sequence[Any], "Mapping[str, Any]"]


class BatchResults(Sequence[Any]):
    """What the calls of a batch have returned, up to the first that has failed.

    Going through it, or asking for the result of the call that has failed, raises the
    exception of that call at its place; what was returned before is there.

    Attributes:
        completed: the results of the calls that have succeeded.
        error: the exception of the call that has failed, or None. The calls after it
            were not run.
    """

    __slots__ = ("completed", "error")

    def __init__(self, results: Sequence[Any]) -> None:
        completed = list(results)
        self.error: Exception | None = None
        if completed and isinstance(completed[-1], ExceptionWrapper):
            self.error = completed.pop().exception
            show_remote_traceback(self.error)
        self.completed: list[Any] = completed

    def __len__(self) -> int:
        return len(self.completed)

    def __getitem__(self, index: Any) -> Any:
        if index == len(self.completed) and self.error is not None:
            raise self.error
        return self.completed[index]

    def __iter__(self) -> Iterator[Any]:
        yield from self.completed
        if self.error is not None:
            raise self.error

    def __repr__(self) -> str:
        failed = "" if self.error is None else f", then {self.error!r}"
        return f"<batch results {self.completed!r}{failed}>"


class BatchCall(Coroutine[Any, Any, BatchResults | None]):
    """The sending of a batch; await it, or go through the results with ``async for``.

    Awaiting it gives `BatchResults`, and None for a oneway batch.
    """

    __slots__ = ("_running",)

    def __init__(self, running: Coroutine[Any, Any, BatchResults | None]) -> None:
        self._running = running

    def __await__(self) -> Generator[Any, Any, BatchResults | None]:
        return self._running.__await__()

    async def __aiter__(self) -> AsyncIterator[Any]:
        results = await self._running
        for one in results or ():
            yield one

    def send(self, value: Any) -> Any:
        """Go on; for event loops."""
        return self._running.send(value)

    def throw(self, *exc_info: Any) -> Any:
        """Raise an exception where it waits; for event loops."""
        return self._running.throw(*exc_info)

    def close(self) -> None:
        """Send it no more, or wait for it no longer."""
        self._running.close()


class _QueuedMethod:
    __slots__ = ("_calls", "_name")

    def __init__(self, calls: list[QueuedCall], name: str) -> None:
        self._calls = calls
        self._name = name

    def __call__(self, /, *args: Any, **kwargs: Any) -> None:
        self._calls.append((self._name, args, kwargs))


class AsyncBatchProxy:
    """Collects calls, and sends them together when it is called itself.

    Each call on it returns None and is queued; nothing of that is awaited. Calling the
    batch takes the queue, and awaiting that sends it; the calls are run in order, up
    to the first that fails.

    Args:
        proxy: the proxy of the object to call.
    """

    def __init__(self, proxy: AsyncProxy) -> None:
        self._pyro_proxy = proxy
        self._pyro_calls: list[QueuedCall] = []

    def __getattr__(self, name: str) -> _QueuedMethod:
        if name.startswith(("_pyro", "__")):
            raise AttributeError(f"a batch has no attribute {name!r}")
        return _QueuedMethod(self._pyro_calls, name)

    def __call__(self, oneway: bool = False) -> BatchCall:
        """Take the queued calls, to be sent when the result is awaited.

        Args:
            oneway: whether not to wait, and to get no results.
        """
        calls = list(self._pyro_calls)
        # Emptied, not replaced: method objects of the batch add to this list.
        self._pyro_calls.clear()
        return BatchCall(self._pyro_send(calls, oneway=oneway))

    async def _pyro_send(
        self, calls: list[QueuedCall], *, oneway: bool
    ) -> BatchResults | None:
        results = await self._pyro_proxy._pyroInvokeBatch(calls, oneway=oneway)
        return None if oneway else BatchResults(results)

    def __copy__(self) -> AsyncBatchProxy:
        result = AsyncBatchProxy(self._pyro_proxy)
        result._pyro_calls = list(self._pyro_calls)
        return result

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        return

    def __len__(self) -> int:
        return len(self._pyro_calls)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<batch of {len(self._pyro_calls)} calls for {self._pyro_proxy!r}>"
