"""What an async proxy gives: members of the remote object, and calls of them."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Coroutine, Generator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.context import call_state
from pyro_protocol.transport.asyncio_calls import SMALLEST_REFERENCE

from .async_streams import AsyncStreamIterator

if TYPE_CHECKING:
    from contextvars import Context

    from pyro_protocol.context import CallState
    from pyro_protocol.wire import Frame

    from .async_binding import AsyncBinding
    from .async_channel import AsyncClientChannel

__all__ = ["CallFuture", "RemoteCall", "RemoteMember", "Telling"]

Caller = Callable[[str, tuple[Any, ...], Mapping[str, Any]], Coroutine[Any, Any, Any]]
# What the class does before it takes answers.
_set_result: Final = asyncio.Future.set_result


class Telling:
    """Stands in for the event loop of calls whose answers arrive together.

    In one step it tells of all that have ended, where the loop would need one for each.

    Args:
        loop: the event loop.
    """

    __slots__ = ("_ended", "_loop", "call_exception_handler", "get_debug")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ended: list[tuple[Callable[[Any], object], CallFuture, Context]] = []
        self.call_exception_handler: Callable[[dict[str, Any]], None] = (
            loop.call_exception_handler
        )
        self.get_debug: Callable[[], bool] = loop.get_debug

    def call_soon(
        self, callback: Callable[[Any], object], call: CallFuture, *, context: Context
    ) -> None:
        """Have a function called when the event loop has its next turn."""
        if not self._ended:
            self._loop.call_soon(self._tell)
        self._ended.append((callback, call, context))

    def _tell(self) -> None:
        ended, self._ended = iter(self._ended), []
        try:
            for callback, call, context in ended:
                try:
                    context.run(callback, call)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:  # noqa: BLE001 - as event loops do
                    about = {
                        "message": f"Exception in callback {callback!r}",
                        "exception": error,
                    }
                    self.call_exception_handler(about)
        finally:
            # What has ended the program has not ended these.
            for callback, call, context in ended:
                self._loop.call_soon(callback, call, context=context)


class _Call(asyncio.Future[Any]):
    """What a call consists of, so that one that is awaited can become a future."""

    __slots__ = (
        "_args",
        "_binding",
        "_channel",
        "_kwargs",
        "_made_in",
        "_method",
        "_running",
        "_task",
    )

    _binding: AsyncBinding | None
    _method: str
    _args: tuple[Any, ...]
    _kwargs: dict[str, Any]
    _running: Generator[Any, Any, Any] | None
    # Only of a future: the connection, the context of the call,
    _channel: AsyncClientChannel
    _made_in: CallState | None
    # and what makes the call, if it could not leave with others.
    _task: asyncio.Task[Any] | None

    def __repr__(self) -> str:
        return f"<remote call of {self._method!r}>"


class CallFuture(_Call):
    """A call that leaves with all others of a turn of the event loop, without a task.

    `RemoteCall` becomes this where asyncio takes futures.
    """

    __slots__ = ()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop."""
        return self._channel.loop

    def set_result(self, frame: Frame, /) -> None:
        """Take the answer; for the connection."""
        channel = self._channel
        binding: Any = self._binding
        serializer = channel.serializer
        if frame.annotations and self._made_in and not self._made_in.client:
            # A task would share that as well.
            self._made_in.response_annotations = dict(frame.annotations)
        try:
            if (
                not frame.flags
                and len(frame.payload) < SMALLEST_REFERENCE
                and frame.serializer_id == serializer.id
            ):
                value = serializer.loads(frame.payload)
            else:
                value = binding.result_of(channel, frame)
        except StopIteration as error:
            # As of a generator, which no future takes.
            failure = RuntimeError("the call has raised StopIteration")
            failure.__cause__ = error
            self.set_exception(failure)
        except Exception as error:  # noqa: BLE001 - raised where the result is wanted
            self.set_exception(error)
        else:
            self._binding = None
            _set_result(self, value)

    def go_on_alone(self) -> None:
        """Be made in a task; for a connection that has no place for the call."""
        binding: Any = self._binding
        again = RemoteCall(binding, self._method, *self._args, **self._kwargs)
        self._task = self.get_loop().create_task(again)
        self._task.add_done_callback(self._take_over)

    def _take_over(self, task: asyncio.Task[Any]) -> None:
        """End as a task has ended."""
        self._binding = self._task = None
        if task.cancelled():
            super().cancel()
        elif (error := task.exception()) is not None:
            self.set_exception(error)
        else:
            _set_result(self, task.result())

    def cancel(self, msg: Any = None) -> bool:
        """Give up the call; whether it had not ended."""
        if self._task is not None:
            return self._task.cancel(msg)
        if not super().cancel(msg):
            return False
        self._binding = None
        self._channel.forget(self)
        return True


class RemoteCall(_Call, Coroutine[Any, Any, Any]):
    """A call of a remote method, made when it is awaited.

    It can be given to all that takes a coroutine, such as `asyncio.create_task`, and
    be iterated over with ``async for`` if the method returns an iterator. It can be
    awaited once.

    What takes futures, such as `asyncio.gather`, finds one, if it is a usual call.
    """

    __slots__ = ()

    def __init__(
        self, binding: AsyncBinding, method: str, /, *args: Any, **kwargs: Any
    ) -> None:
        self._binding = binding
        self._method = method
        self._args = args
        self._kwargs = kwargs
        self._running = None

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

    def _become_future(self) -> bool | None:
        """Become a future, if that is possible; returns None if not."""
        binding = self._binding
        if binding is None or self._running is not None:
            return None
        call: Any = self
        channel = binding.call_soon(call, self._method, self._args, self._kwargs)
        if channel is None:
            return None
        call.__class__ = CallFuture
        asyncio.Future.__init__(call, loop=channel.telling)
        self._channel = channel
        self._made_in = call_state.get()
        self._task = None
        return False

    # asyncio asks for it before it makes a task, which costs more than all else about a
    # call. Why another class: what asyncio takes for a coroutine is no future to it.
    _asyncio_future_blocking: Any = property(_become_future)

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
