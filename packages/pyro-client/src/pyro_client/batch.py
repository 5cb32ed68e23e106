"""Batches: several calls in one request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from pyro_protocol.errors import show_remote_traceback
from pyro_protocol.serializers.exceptions import ExceptionWrapper

if TYPE_CHECKING:
    from .proxy import Proxy

__all__ = ["BatchProxy", "batch"]

QueuedCall = tuple[str, Sequence[Any], Mapping[str, Any]]


class _QueuedMethod:
    __slots__ = ("_calls", "_name")

    def __init__(self, calls: list[QueuedCall], name: str) -> None:
        self._calls = calls
        self._name = name

    def __call__(self, /, *args: Any, **kwargs: Any) -> None:
        self._calls.append((self._name, args, kwargs))


class BatchProxy:
    """Collects calls, and sends them together when it is called itself.

    Each call on it returns None and is queued. Calling the batch sends the queue
    and empties it; the calls are run in order, up to the first that fails.

    Args:
        proxy: the proxy of the object to call.
    """

    def __init__(self, proxy: Proxy) -> None:
        self._pyro_proxy = proxy
        self._pyro_calls: list[QueuedCall] = []

    def __getattr__(self, name: str) -> _QueuedMethod:
        if name.startswith(("_pyro", "__")):
            raise AttributeError(f"a batch has no attribute {name!r}")
        return _QueuedMethod(self._pyro_calls, name)

    @overload
    def __call__(self, oneway: Literal[False] = False) -> Iterator[Any]: ...

    @overload
    def __call__(self, oneway: Literal[True]) -> None: ...

    @overload
    def __call__(self, oneway: bool) -> Iterator[Any] | None: ...

    def __call__(self, oneway: bool = False) -> Iterator[Any] | None:
        """Send the queued calls.

        Args:
            oneway: whether not to wait, and to get no results.

        Returns:
            An iterator over the results, which raises the exception of a failed
            call at its place and then ends; None for a oneway batch.

        Raises:
            CommunicationError: the connection failed.
        """
        calls = list(self._pyro_calls)
        # Emptied, not replaced: method objects of the batch add to this list.
        self._pyro_calls.clear()
        results = self._pyro_proxy._pyroInvokeBatch(calls, oneway=oneway)
        return None if oneway else _results(results)

    def __copy__(self) -> BatchProxy:
        result = BatchProxy(self._pyro_proxy)
        result._pyro_calls = list(self._pyro_calls)
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        return

    def __len__(self) -> int:
        return len(self._pyro_calls)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<batch of {len(self._pyro_calls)} calls for {self._pyro_proxy!r}>"


def _results(results: Sequence[Any]) -> Iterator[Any]:
    for result in results:
        if isinstance(result, ExceptionWrapper):
            show_remote_traceback(result.exception)
            try:
                raise result.exception
            finally:
                # Or exception and frame would refer to each other.
                del result, results
        yield result


def batch(proxy: Proxy) -> BatchProxy:
    """Return a `BatchProxy` for a proxy."""
    return BatchProxy(proxy)
