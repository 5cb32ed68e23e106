"""Signals that end the gateway, at whatever moment they come."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["raise_if_interrupted", "take_signals"]

_taken: Final[list[int]] = []


def take_signals() -> None:
    """Have SIGINT and SIGTERM raise KeyboardInterrupt in the main thread from now on.

    A web server may have handlers of its own meanwhile.
    """
    _taken.clear()
    # A shell starts background jobs so that Ctrl-C does not reach them.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _take)
    signal.signal(signal.SIGTERM, _take)


def raise_if_interrupted() -> None:
    """Raise what was raised before, if that was lost.

    Raises:
        KeyboardInterrupt: a signal has come.
    """
    if _taken:
        raise KeyboardInterrupt


def _take(number: int, _frame: FrameType | None) -> None:
    # That is lost in a finalizer, or in one of the callbacks of an import.
    _taken.append(number)
    raise KeyboardInterrupt
