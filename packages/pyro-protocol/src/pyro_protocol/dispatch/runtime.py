"""What a dispatcher needs of its host for calls that have to wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Runtime", "Turn"]


class Turn:
    """The turn of a call that waits at a gate.

    It may come before anybody waits for it, and in another thread.
    """

    __slots__ = ("_came", "_wake")

    def __init__(self) -> None:
        self._came = False
        self._wake: Callable[[], object] | None = None

    def come(self) -> None:
        """The turn has come."""
        self._came = True
        if self._wake is not None:
            self._wake()

    def on(self, wake: Callable[[], object]) -> None:
        """Have ``wake`` called when the turn has come, maybe twice, or at once."""
        self._wake = wake
        if self._came:
            wake()


class Runtime(Protocol):
    """How a host waits for the dispatcher, within the coroutine of a call."""

    async def wait_for(self, turn: Turn) -> None:
        """Wait until the turn of a call has come."""

    async def run(self, function: Callable[[], Any]) -> Any:
        """Run what may take its time where it holds up no coroutine.

        Who is cancelled waits until the function has ended, if it has begun, and else
        it is never run: when this is over, nothing of it is going on.

        Raises:
            ServerBusyError: there is no room for it; it was not run.
            BaseException: whatever the function raises.
        """
