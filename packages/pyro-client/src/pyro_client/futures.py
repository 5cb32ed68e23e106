"""Calls in the background, whose results are asked for later, as Pyro4 has them."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from pyro_protocol.logs import log_exception

from .background import giving_way, in_background

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable

    from .binding import Binding
    from .proxy import Proxy

__all__ = [
    "BackgroundCall",
    "Future",
    "FutureResult",
    "asyncproxy",
    "call_in_background",
]

_logger = logging.getLogger("pyro.client")


class FutureResult:
    """The result of a call that runs in the background.

    Functions can be chained to it with `then`: each gets the result of the one before,
    and what the last returns is the `value`. They run in the background thread, one
    after the other; what is added when all is done runs at once, in the thread that
    adds it. When one fails, the rest is skipped. Nobody hears of the failure until the
    value is asked for, but what was given to `iferror`.

    Threads may share it.
    """

    __slots__ = (
        "_changed",
        "_error",
        "_future",
        "_handler",
        "_known",
        "_links",
        "_value",
        "_worker",
    )

    def __init__(self) -> None:
        self._changed = threading.Condition()
        # What is still to be run, each with the result of the one before.
        self._links: deque[Callable[[Any], Any]] = deque()
        self._handler: Callable[[BaseException], object] | None = None
        self._future: concurrent.futures.Future[Any] | None = None
        # Whether the call itself has ended, or was cancelled.
        self._known = False
        # The thread that runs the chain; 0 for one that is not known yet, None if
        # there is nothing left to run.
        self._worker: int | None = 0
        self._value: Any = None
        self._error: BaseException | None = None

    @property
    def value(self) -> Any:
        """The result of the call and its chain; waits for it.

        Raises:
            BaseException: the call or a function of the chain raised it.
            RuntimeError: the call was cancelled, or this is asked for within the chain.
        """
        self.wait()
        if self._error is not None:
            raise self._error
        return self._value

    @property
    def ready(self) -> bool:
        """Whether `value` is there without waiting; also if it is an error."""
        return self._worker is None

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the call and its chain have ended.

        Args:
            timeout: how many seconds to wait at most; None for no limit.

        Returns:
            Whether they have.

        Raises:
            RuntimeError: a function of the chain waits for itself.
        """
        with self._changed:
            if self._worker is None:
                return True
            if self._worker == threading.get_ident():
                raise RuntimeError(
                    "a function of the chain would wait for its own end; what it needs "
                    "is its first argument"
                )
        with giving_way(), self._changed:
            return self._changed.wait_for(lambda: self._worker is None, timeout)

    def then(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Self:
        """Chain a function, which is called with the result so far.

        Args:
            call: the function; what it returns is the result from now on.
            args: further arguments, after the result.
            kwargs: keyword arguments.

        Returns:
            This object.
        """
        with self._changed:
            self._links.append(lambda result: call(result, *args, **kwargs))
            if self._worker is not None:
                return self
            self._worker = threading.get_ident()
            self._future = None
        self._run_chain()
        return self

    def iferror(self, handler: Callable[[BaseException], object]) -> Self:
        """Have a function called with the exception, if there is one.

        Asking for the value raises it nevertheless. Another handler replaces this one.

        Returns:
            This object.
        """
        with self._changed:
            self._handler = handler
            if self._worker is not None or self._error is None:
                return self
            self._worker = threading.get_ident()
            self._future = None
        self._run_chain()
        return self

    def set_cancelled(self) -> bool:
        """Give up the result: asking for it raises a RuntimeError.

        A call that is running goes on; its result is dropped.

        Returns:
            Whether the call had not ended yet.
        """
        return self._settle(None, RuntimeError("the call was cancelled"))

    @property
    def future(self) -> concurrent.futures.Future[Any]:
        """The same as a future of the standard library.

        For `concurrent.futures.wait`, `asyncio.wrap_future` and so on. It is for what
        has been chained until it is done; cancelling it has no effect.
        """
        from concurrent.futures import Future as StandardFuture  # noqa: PLC0415 - costs time

        with self._changed:
            future = self._future
            if future is None:
                future = self._future = StandardFuture()
                # From now on it cannot be cancelled.
                future.set_running_or_notify_cancel()
                if self._worker is not None:
                    return future
            else:
                return future
        self._tell(future)
        return future

    def run(self, call: Callable[[], Any]) -> None:
        """Make the call whose result this is, in this thread."""
        try:
            value = call()
        except BaseException as error:  # noqa: BLE001 - raised where it is asked for
            self._settle(None, error)
        else:
            self._settle(value, None)

    def _settle(self, value: Any, error: BaseException | None) -> bool:
        """Take the outcome of the call itself, unless there is one already."""
        with self._changed:
            if self._known:
                return False
            self._known = True
            self._value, self._error = value, error
            self._worker = threading.get_ident()
        self._run_chain()
        return True

    def _run_chain(self) -> None:
        future = None
        while True:
            with self._changed:
                error, handler = self._error, self._handler
                if error is not None:
                    self._links.clear()
                    self._handler = None
                if not self._links and (error is None or handler is None):
                    self._worker = None
                    future = self._future
                    self._changed.notify_all()
                    break
                link = self._links.popleft() if error is None else None
            if link is None:
                _call_handler(handler, error)
                continue
            try:
                self._value = link(self._value)
            except BaseException as raised:  # noqa: BLE001 - raised where it is asked for
                self._error = raised
        if future is not None:
            self._tell(future)

    def _tell(self, future: concurrent.futures.Future[Any]) -> None:
        if self._error is not None:
            future.set_exception(self._error)
        else:
            future.set_result(self._value)

    def __repr__(self) -> str:
        if not self.ready:
            state = "waiting"
        elif self._error is not None:
            state = f"failed with {type(self._error).__name__}"
        else:
            state = "ready"
        return f"<{type(self).__name__} at 0x{id(self):x}; {state}>"


class Future:
    """A function that will be called in the background, once.

    Calling this object starts it and returns a `FutureResult` at once. What is chained
    with `then` runs after it, in the same thread.

    Args:
        somecallable: the function.

    Raises:
        TypeError: it cannot be called.
    """

    def __init__(self, somecallable: Callable[..., Any]) -> None:
        if not callable(somecallable):
            raise TypeError(f"{somecallable!r} cannot be called")
        self._call = somecallable
        self._result = FutureResult()
        self._changed = threading.Condition()
        self._pause = 0.0
        # When it is to start, by the clock; None before it was called.
        self._due: float | None = None
        self._started = False
        self._cancelled = False

    def __call__(self, /, *args: Any, **kwargs: Any) -> FutureResult:
        """Start the function with these arguments.

        Raises:
            RuntimeError: it was called before.
        """
        with self._changed:
            if self._due is not None:
                raise RuntimeError("a future can be called once; make another one")
            self._due = time.monotonic() + self._pause
            cancelled = self._cancelled
        if not cancelled:
            in_background(partial(self._evaluate, partial(self._call, *args, **kwargs)))
        return self._result

    def _evaluate(self, call: Callable[[], Any]) -> None:
        if not self._start():
            with giving_way(), self._changed:
                while not self._start():
                    if self._cancelled:
                        return
                    self._changed.wait((self._due or 0.0) - time.monotonic())
        self._result.run(call)

    def _start(self) -> bool:
        """Take note that the function starts, if it is time for that."""
        with self._changed:
            if not self._cancelled and time.monotonic() >= (self._due or 0.0):
                self._started = True
            return self._started

    def delay(self, seconds: float) -> bool:
        """Have the function start only after so many seconds.

        They count from the moment of the call; from now on, if that was before.

        Returns:
            Whether there was time for that; False if it has started.
        """
        with self._changed:
            if self._started:
                return False
            self._pause = seconds
            if self._due is not None:
                self._due = time.monotonic() + seconds
                self._changed.notify_all()
            return True

    def cancel(self) -> bool:
        """Keep the function from starting; its result is a RuntimeError then.

        Returns:
            Whether there was time for that; False if it has started.
        """
        with self._changed:
            if self._started:
                return False
            self._cancelled = True
            self._changed.notify_all()
        self._result.set_cancelled()
        return True

    def then(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Self:
        """Chain a function; see `FutureResult.then`.

        Returns:
            This object.
        """
        self._result.then(call, *args, **kwargs)
        return self

    def iferror(self, handler: Callable[[BaseException], object]) -> Self:
        """Have a function called with the exception; see `FutureResult.iferror`.

        Returns:
            This object.
        """
        self._result.iferror(handler)
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._call!r}; {self._result!r}>"


class BackgroundCall:
    """What a proxy in asynchronous mode makes its calls with.

    Args:
        call: makes a call, and waits.
        binding: what it is made with.
    """

    __slots__ = ("__self__", "_call")

    def __init__(self, call: Callable[..., Any], binding: Binding) -> None:
        self._call = call
        # As a method of the binding would have it.
        self.__self__: Binding = binding

    def __call__(self, /, *args: Any, **kwargs: Any) -> FutureResult:
        """Make a call in the background."""
        return call_in_background(partial(self._call, *args, **kwargs))


def call_in_background(call: Callable[[], Any]) -> FutureResult:
    """Call a function in the background, and return what will have its result."""
    result = FutureResult()
    in_background(partial(result.run, call))
    return result


def asyncproxy(proxy: Proxy, asynchronous: bool = True) -> Proxy:
    """Set a proxy to asynchronous mode, or back; see ``Proxy._pyroAsync``.

    Returns:
        The proxy.
    """
    return proxy._pyroAsync(asynchronous)


def _call_handler(
    handler: Callable[[BaseException], object] | None, error: BaseException | None
) -> None:
    if handler is None or error is None:
        return
    try:
        handler(error)
    except Exception:  # noqa: BLE001 - logged
        log_exception(_logger, f"the error handler {handler!r} failed")
