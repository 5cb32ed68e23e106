"""Signals that arrive in a loop, like everything else that it waits for."""

from __future__ import annotations

import contextlib
import signal
import socket

__all__ = ["SignalInbox"]


class SignalInbox:
    """Takes signals in, meanwhile, for a selector to wait for.

    Handlers of signals may interrupt anything; what is done in a loop instead can
    touch everything. Must be made and closed in the main thread.

    Args:
        numbers: the signals.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        self._undo = contextlib.ExitStack()
        self._reader, self._writer = socket.socketpair()
        for sock in (self._reader, self._writer):
            sock.setblocking(False)  # noqa: FBT003 - the name tells
            self._undo.callback(sock.close)
        before = signal.set_wakeup_fd(self._writer.fileno())
        self._undo.callback(signal.set_wakeup_fd, before)
        for number in numbers:
            handler = signal.signal(number, lambda *_: None)
            self._undo.callback(signal.signal, number, handler)

    def fileno(self) -> int:
        """Return the descriptor that can be read when something has arrived."""
        return self._reader.fileno()

    def wake(self) -> None:
        """Make it readable without a signal; can be called by any thread."""
        with contextlib.suppress(OSError):
            self._writer.send(b"\0")

    def take(self) -> list[signal.Signals]:
        """Return the signals that have arrived since."""
        with contextlib.suppress(BlockingIOError):
            return [
                signal.Signals(number) for number in self._reader.recv(4096) if number
            ]
        return []

    def close(self) -> None:
        """Let the signals do what they did before."""
        self._undo.close()
