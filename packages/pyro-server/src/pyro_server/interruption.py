"""Ctrl-C, for a loop that is not to miss it."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["CtrlC"]


class CtrlC:
    """Takes note of Ctrl-C meanwhile, which raises KeyboardInterrupt as ever.

    Python drops that exception where it strikes in a finalizer or in the callback of a
    weak reference, and a loop would go on as if nothing had been pressed.

    A program's own handler of SIGINT is left in place, and so are all handlers in other
    threads than the main one, as they belong to that.

    Attributes:
        pressed: whether Ctrl-C was pressed.
    """

    __slots__ = ("pressed",)

    def __init__(self) -> None:
        self.pressed: bool = False

    def __enter__(self) -> Self:
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_exc_info: object) -> None:
        if signal.getsignal(signal.SIGINT) == self._note:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def is_awaited(self) -> bool:
        """Return whether Ctrl-C was not pressed yet."""
        return not self.pressed

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        # Here, as the exception may come before anything else can restore it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.pressed = True
        raise KeyboardInterrupt
