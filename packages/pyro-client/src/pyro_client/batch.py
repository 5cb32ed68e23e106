"""Batches: several calls in one request."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, Literal, Self, overload

from pyro_protocol.errors import show_remote_traceback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pyro_protocol.serializers.exceptions import ExceptionWrapper

    from .futures import FutureResult
    from .proxy import Proxy

__all__ = ["BatchProxy", "batch"]

QueuedCall = tuple[str, tuple[Any, ...], dict[str, Any]]
"""Name, positional arguments, keyword arguments."""

# One for all calls: a dictionary each would take more memory than the arguments.
_NO_KEYWORDS: Final[dict[str, Any]] = {}


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

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith(("_pyro", "__")):
            raise AttributeError(f"a batch has no attribute {name!r}")
        method = _queueing(self._pyro_calls.append, name)
        # Found there the next time, without coming here.
        self.__dict__[name] = method
        return method

    @overload
    def __call__(
        self, oneway: Literal[False] = False, asynchronous: Literal[False] = False
    ) -> Iterator[Any]: ...

    @overload
    def __call__(
        self, oneway: Literal[True], asynchronous: Literal[False] = False
    ) -> None: ...

    @overload
    def __call__(
        self, oneway: bool = False, *, asynchronous: Literal[True]
    ) -> FutureResult: ...

    @overload
    def __call__(
        self, oneway: bool = False, asynchronous: bool = False
    ) -> Iterator[Any] | FutureResult | None: ...

    def __call__(
        self, oneway: bool = False, asynchronous: bool = False
    ) -> Iterator[Any] | FutureResult | None:
        """Send the queued calls.

        Args:
            oneway: whether not to wait, and to get no results.
            asynchronous: whether to send them in the background.

        Returns:
            An iterator over the results, which raises the exception of a failed
            call at its place and then ends; None for a oneway batch. Of an
            asynchronous one a `FutureResult`, which has that as its value.

        Raises:
            CommunicationError: the connection failed.
        """
        calls = list(self._pyro_calls)
        # Emptied, not replaced: method objects of the batch add to this list.
        self._pyro_calls.clear()
        if asynchronous:
            from .futures import call_in_background  # noqa: PLC0415 - costs time

            return call_in_background(partial(_send, self._pyro_proxy, calls, oneway))
        return _send(self._pyro_proxy, calls, oneway)

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


def _send(
    proxy: Proxy, calls: Sequence[QueuedCall], oneway: bool
) -> Iterator[Any] | None:
    results = proxy._pyroInvokeBatch(calls, oneway=oneway)
    return None if oneway else _results(results)


def _queueing(append: Callable[[QueuedCall], object], name: str) -> Callable[..., None]:
    # A closure: a partial function would pass all arguments on once more.
    def queue(*args: Any, **kwargs: Any) -> None:
        append((name, args, kwargs or _NO_KEYWORDS))

    return queue


def _results(results: Sequence[Any]) -> Iterator[Any]:
    """Return an iterator that raises the exception among the results at its place."""
    if _wrapper_class() not in map(type, results):
        return iter(results)
    return _results_of_failed(results)


def _results_of_failed(results: Sequence[Any]) -> Iterator[Any]:
    for result in results:
        if isinstance(result, _wrapper_class()):
            show_remote_traceback(result.exception)
            try:
                raise result.exception
            finally:
                # Or exception and frame would refer to each other.
                del result, results
        yield result


@cache
def _wrapper_class() -> type[ExceptionWrapper]:
    # Whoever has got results has imported it; importing a proxy does without.
    from pyro_protocol.serializers.exceptions import ExceptionWrapper  # noqa: PLC0415

    return ExceptionWrapper


def batch(proxy: Proxy) -> BatchProxy:
    """Return a `BatchProxy` for a proxy."""
    return BatchProxy(proxy)
