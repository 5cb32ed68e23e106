"""Hooks: what a program has called around the calls of a server."""

from __future__ import annotations

import logging
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from ..logs import log_exception

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from .details import CallDetails

__all__ = ["CallHook", "HookTable"]

_logger = logging.getLogger("pyro.server")


class CallHook:
    """Takes notice of calls; override what is needed.

    It need not be the base class: any object with some of these methods will do. What
    a hook raises is logged, and changes nothing.

    Each call of a batch is a call, and so are oneway calls. Items of streams are
    none: a call that starts a stream is done when the stream has been opened.
    Methods that are coroutines are done when they have returned. The hooks run where
    the call does, in a worker thread or in the event loop, and must not wait there.
    """

    def before_call(self, call: CallDetails) -> None:
        """Take notice that a call begins.

        It may still be refused, or fail because there is no such object or method.
        """

    def after_call(self, call: CallDetails, result: Any, seconds: float) -> None:
        """Take notice that a call has ended well.

        Args:
            call: the call.
            result: what it returned; a `StreamStarted` for a stream.
            seconds: how long it took, the wait for its turn included.
        """

    def on_error(self, call: CallDetails, error: BaseException, seconds: float) -> None:
        """Take notice that a call has failed, or was refused.

        Args:
            call: the call.
            error: what it raised.
            seconds: how long it took.
        """

    def running(self, call: CallDetails) -> AbstractContextManager[Any] | None:
        """Return what is to be entered while the call runs, such as a trace.

        It is entered and left in the same thread or task. A call that does not end
        where it began enters it a second time, in the event loop.
        """


class HookTable:
    """The hooks of one server, by what they take notice of.

    Args:
        hooks: the hooks, in the order in which a call meets them; at its end it
            meets them in the opposite order.

    Raises:
        TypeError: an object has none of the methods of a hook.
    """

    def __init__(self, hooks: tuple[object, ...] = ()) -> None:
        for hook in hooks:
            if not any(callable(getattr(hook, name, None)) for name in _METHODS):
                raise TypeError(f"{hook!r} is no hook: it has no {', '.join(_METHODS)}")
        self.hooks: tuple[object, ...] = hooks
        self._before = _methods(hooks, "before_call")
        self._after = _methods(hooks[::-1], "after_call")
        self._error = _methods(hooks[::-1], "on_error")
        self._running = _methods(hooks, "running")

    def before(self, call: CallDetails) -> None:
        """Tell the hooks that a call begins."""
        for one in self._before:
            _guarded(one, call)

    def after(self, call: CallDetails, result: Any, seconds: float) -> None:
        """Tell the hooks that a call has ended well."""
        for one in self._after:
            _guarded(one, call, result, seconds)

    def failed(self, call: CallDetails, error: BaseException, seconds: float) -> None:
        """Tell the hooks that a call has failed."""
        for one in self._error:
            _guarded(one, call, error, seconds)

    def running(self, call: CallDetails) -> AbstractContextManager[None]:
        """Return what is inside of all that the hooks want to be entered."""
        return self._inside(call) if self._running else _NOWHERE

    @contextmanager
    def _inside(self, call: CallDetails) -> Iterator[None]:
        entered = []
        for one in self._running:
            manager = _guarded(one, call)
            if manager is not None and _guarded(_enter, manager):
                entered.append(manager)
        try:
            yield
        finally:
            for manager in reversed(entered):
                _guarded(_leave, manager)


_NOWHERE: Final = nullcontext()
_METHODS: Final = ("before_call", "after_call", "on_error", "running")


def _methods(hooks: tuple[object, ...], name: str) -> tuple[Callable[..., Any], ...]:
    found = (getattr(hook, name, None) for hook in hooks)
    return tuple(one for one in found if callable(one))


def _guarded(method: Callable[..., Any], *args: Any) -> Any:
    """Call a part of a hook; what goes wrong there is no matter of the call."""
    try:
        return method(*args)
    except (Exception, SystemExit):  # noqa: BLE001 - logged, whatever it is
        log_exception(_logger, "a hook failed: %r", method)
        return None


def _enter(manager: AbstractContextManager[Any]) -> bool:
    manager.__enter__()
    return True


def _leave(manager: AbstractContextManager[Any]) -> None:
    manager.__exit__(None, None, None)
