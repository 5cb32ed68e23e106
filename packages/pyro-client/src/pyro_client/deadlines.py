"""Time limits for single calls."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

from pyro_protocol.context import CallState, call_state, current_context
from pyro_protocol.errors import PyroError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .binding import Binding

__all__ = ["TimedBinding", "with_timeout"]

P = TypeVar("P")


def with_timeout(proxy: P, seconds: float | None) -> P:
    """Return a view of a proxy whose calls may take so many seconds.

    It shares the connection of the proxy, and all of its settings but this. The time
    counts for each call by itself: for connecting if that is needed, for all of the
    answer, and on a server of our family for the call as well, which is stopped or
    told how long it has. Streams are not bounded by it, once they have begun::

        position = with_timeout(robot, 0.5).position()

    Args:
        proxy: a `Proxy`, an `AsyncProxy`, or what `connect` has returned.
        seconds: how long a call may take; None for no bound, whatever the proxy says.

    Raises:
        ValueError: ``seconds`` is not more than 0.
        PyroError: it is no proxy.
    """
    if seconds is not None and not seconds > 0:
        raise ValueError(f"a call needs more than 0 seconds, not {seconds!r}")
    view = getattr(type(proxy), "_pyro_with_timeout", None)
    if view is None:
        raise PyroError(f"{type(proxy).__name__} is no proxy, and has no time limits")
    result: P = view(proxy, seconds)
    return result


class TimedBinding:
    """A binding whose calls have a time limit of their own.

    Args:
        whole: the binding.
        seconds: the limit; None for no bound.
    """

    __slots__ = ("_pyro_seconds", "_pyro_whole")

    def __init__(self, whole: Binding, seconds: float | None) -> None:
        object.__setattr__(self, "_pyro_whole", whole)
        object.__setattr__(
            self, "_pyro_seconds", math.inf if seconds is None else seconds
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pyro_whole, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._pyro_whole, name, value)

    def _run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return _run_within(self._pyro_seconds, function, args, kwargs)

    def call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a remote method; see `Binding.call`."""
        return self._run(self._pyro_whole.call, method, *args, **kwargs)

    def invoke(self, *args: Any, **kwargs: Any) -> Any:
        """Send one request; see `Binding.invoke`."""
        return self._run(self._pyro_whole.invoke, *args, **kwargs)

    def access(self, *args: Any) -> Any:
        """Read or write an attribute; see `Binding.access`."""
        return self._run(self._pyro_whole.access, *args)

    def invoke_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Send several calls in one request; see `Binding.invoke_batch`."""
        return self._run(self._pyro_whole.invoke_batch, *args, **kwargs)

    def connect(self, **kwargs: Any) -> Any:
        """Return the connection; see `Binding.connect`."""
        return self._run(self._pyro_whole.connect, **kwargs)

    def need_metadata(self) -> None:
        """Connect if it is not known what there is; see `Binding.need_metadata`."""
        self._run(self._pyro_whole.need_metadata)


def _run_within(
    seconds: float,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Call something while a time limit holds for the calls that it makes."""
    before = call_state.get()
    state = CallState()
    if before is not None:
        for name in CallState.__slots__:
            setattr(state, name, getattr(before, name))
    state.time_limit = seconds
    token = call_state.set(state)
    try:
        return function(*args, **kwargs)
    finally:
        call_state.reset(token)
        if state.client is None and state.response_annotations is not None:
            current_context.response_annotations = state.response_annotations
