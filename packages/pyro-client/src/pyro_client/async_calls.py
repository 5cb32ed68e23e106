"""What an async proxy gives: members of the remote object, and calls of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Coroutine, Generator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from .async_streams import AsyncStreamIterator

if TYPE_CHECKING:
    from .async_binding import AsyncBinding

__all__ = ["RemoteCall", "RemoteMember"]

Caller = Callable[[str, tuple[Any, ...], Mapping[str, Any]], Coroutine[Any, Any, Any]]


class RemoteCall(Coroutine[Any, Any, Any]):
    """A call of a remote method, made when it is awaited.

    It can be given to all that takes a coroutine, such as `asyncio.create_task`, and
    be iterated over with ``async for`` if the method returns an iterator. It can be
    awaited once.
    """

    __slots__ = ("_args", "_binding", "_kwargs", "_method", "_running")

    def __init__(
        self, binding: AsyncBinding, method: str, /, *args: Any, **kwargs: Any
    ) -> None:
        self._binding: AsyncBinding | None = binding
        self._method = method
        self._args = args
        self._kwargs = kwargs
        self._running: Generator[Any, Any, Any] | None = None

    def __await__(self) -> Generator[Any, Any, Any]:
        binding = self._binding
        if binding is None:
            raise RuntimeError(
                f"the call of {self._method!r} was awaited already; call it again"
            )
        self._binding = None
        return binding.call(self._method, self._args, self._kwargs)

    def __aiter__(self) -> AsyncStreamIterator:
        return AsyncStreamIterator(self)

    def send(self, value: Any) -> Any:
        """Go on with the call; for event loops."""
        running = self._running
        if running is None:
            running = self._running = self.__await__()
        return running.send(value)

    def throw(self, *exc_info: Any) -> Any:
        """Raise an exception where the call waits; for event loops."""
        running = self._running
        if running is None:
            running = self._running = self.__await__()
        return running.throw(*exc_info)

    def close(self) -> None:
        """Make the call no more, or wait for it no longer."""
        self._binding = None
        if self._running is not None:
            self._running.close()

    def __repr__(self) -> str:
        return f"<remote call of {self._method!r}>"

    def __del__(self) -> None:
        if getattr(self, "_binding", None) is not None:
            warnings.warn(
                f"the call of {self._method!r} was never awaited, and so not made",
                RuntimeWarning,
                stacklevel=2,
                source=self,
            )


# A partial object, because that makes the call without a Python frame of its own.
class RemoteMember(partial[RemoteCall]):
    """A method or an attribute of a remote object.

    Calling it gives a `RemoteCall`; awaiting it gives the value of the attribute.
    """

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, Any]:
        binding, name = self.args
        return binding.read(name).__await__()  # type: ignore[no-any-return] # not known to partial

    def __getattr__(self, name: str) -> RemoteMember:
        # A dotted name is for the server to refuse; guessing here would hide it. But
        # tools look for private names in whatever they show.
        if name.startswith("_"):
            raise AttributeError(name)
        binding, own = self.args
        return RemoteMember(self.func, binding, f"{own}.{name}")

    def __repr__(self) -> str:
        return f"<remote member {self.args[1]!r}>"
