"""``Pyro4.futures``: calls in the background, whose results are asked for later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyro_client.futures import Future as ClientFuture
from pyro_client.futures import FutureResult

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Future", "FutureResult"]


class Future(ClientFuture):
    """A function that will be called in the background, once.

    Args:
        somecallable: the function.

    Raises:
        TypeError: it cannot be called.
    """

    def __init__(self, somecallable: Callable[..., Any]) -> None:
        super().__init__(somecallable)
        self._given_up = False

    def __call__(self, /, *args: Any, **kwargs: Any) -> FutureResult:
        """Start the function with these arguments.

        Raises:
            RuntimeError: it was called before, or has been cancelled.
        """
        if self._given_up:
            raise RuntimeError("the future has been cancelled")
        return super().__call__(*args, **kwargs)

    def cancel(self) -> bool:
        """Keep the function from starting.

        Returns:
            Whether there was time for that; False if it has started.
        """
        self._given_up = super().cancel()
        return self._given_up
