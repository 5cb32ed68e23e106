"""Signals and a supervisor's wishes, as a daemon in this process obeys them."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from .daemon import Daemon

__all__ = ["GRACE_SECONDS", "IMPATIENCE_SECONDS", "STATUS_WISH", "Steering"]

_logger = logging.getLogger("pyro.serve")

STATUS_WISH: Final = b"s"
"""The byte with which a supervisor asks for a note on how things are."""

GRACE_SECONDS: Final = 10.0
"""What a worker may take beyond the drain to close what it has; then it is killed."""

IMPATIENCE_SECONDS: Final = 0.5
"""From when on a signal that comes again means that somebody does not want to wait.

Wrappers such as ``timeout`` and ``uv run`` pass a signal on that the terminal, or they
themselves, have sent to the whole group already; no person is that quick."""

# If there is no supervisor left to kill it.
_SUICIDE_SECONDS: Final = 12.0


class Steering:
    """Ends a daemon, and takes notes of how it is, when it is asked to.

    SIGINT, SIGTERM and the end of a terminal (SIGHUP) finish running calls and end
    it; asked a second time, the process ends at once. SIGUSR1 asks for a note. Until
    `steer` is called there is nothing to finish: KeyboardInterrupt is raised in the
    main thread.

    What is asked for is done by a thread, as a signal handler may interrupt anything.

    Args:
        drain: how many seconds running calls may take.
        last_will: called before the process ends at once.
        supervisor: the connection to a supervisor. With it only SIGTERM ends the
            daemon, and so does the end of the connection; a second one changes
            nothing, since service managers signal a worker as well as the supervisor
            does.
    """

    def __init__(
        self,
        drain: float,
        last_will: Callable[[], None] = lambda: None,
        supervisor: socket.socket | None = None,
    ) -> None:
        self._drain = drain
        self._last_will = last_will
        self._supervisor = supervisor
        self._daemon: Daemon | None = None
        self._before_end: Callable[[], None] = lambda: None
        self._interrupted = False
        # When it was asked to end.
        self._ending: float | None = None
        self._asked: SimpleQueue[str | None] = SimpleQueue()
        self._undo = contextlib.ExitStack()
        self._thread = threading.Thread(
            target=self._obey, name="pyro-steering", daemon=True
        )

    def steer(
        self, daemon: Daemon, before_end: Callable[[], None] = lambda: None
    ) -> None:
        """Obey for this daemon from now on.

        Args:
            daemon: what is ended.
            before_end: called when it is to end, before the drain.

        Raises:
            KeyboardInterrupt: it was to end before this.
        """
        self._before_end = before_end
        self._daemon = daemon
        if self._interrupted:
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        handlers: dict[signal.Signals, Any] = {signal.SIGTERM: self._on_end}
        of_terminal = signal.SIG_IGN if self._supervisor else self._on_end
        handlers[signal.SIGINT] = of_terminal
        if os.name == "posix":
            # As by nohup.
            if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
                handlers[signal.SIGHUP] = of_terminal
            handlers[signal.SIGUSR1] = lambda *_: self._asked.put("status")
        for number, handler in handlers.items():
            before = signal.signal(number, handler)
            self._undo.callback(signal.signal, number, before)
        if os.name == "posix":
            # A supervisor has blocked them until they can be handled.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers)
        self._thread.start()
        if self._supervisor is not None:
            threading.Thread(
                target=self._listen,
                args=(self._supervisor,),
                name="pyro-supervision",
                daemon=True,
            ).start()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._undo.close()
        self._asked.put(None)
        self._thread.join()

    def _on_end(self, number: int, _frame: Any) -> None:
        if self._daemon is None:
            # That is lost in a finalizer, or in one of the callbacks of an import.
            self._interrupted = True
            raise KeyboardInterrupt
        self._asked.put(signal.Signals(number).name)

    def _listen(self, supervisor: socket.socket) -> None:
        """Do what the supervisor asks for, and end when it is gone."""
        with contextlib.suppress(OSError):
            while supervisor.recv(1) == STATUS_WISH:
                self._asked.put("status")
        if self._daemon is None:
            os._exit(1)
        self._asked.put("the supervisor is gone")

    def _obey(self) -> None:
        while (wish := self._asked.get()) is not None:
            if wish == "status":
                self._report()
            elif self._daemon is not None and self._ending is None:
                self._ending = time.monotonic()
                self._end(self._daemon, wish)
            elif self._supervisor is None and self._is_impatient():
                _logger.warning("%s once more: ending at once", wish)
                self._last_will()
                os._exit(1)

    def _is_impatient(self) -> bool:
        since = 0.0 if self._ending is None else self._ending
        return time.monotonic() - since >= IMPATIENCE_SECONDS

    def _end(self, daemon: Daemon, reason: str) -> None:
        again = "" if self._supervisor else "; once more ends it at once"
        _logger.info(
            "%s: finishing running calls, for at most %g s%s",
            reason, self._drain, again,
        )  # fmt: skip
        if self._supervisor is not None:
            timer = threading.Timer(self._drain + _SUICIDE_SECONDS, os._exit, (1,))
            timer.daemon = True
            timer.start()
        self._before_end()
        # Apart, as it waits: whoever asks a second time does not want to.
        threading.Thread(
            target=daemon.shutdown,
            kwargs={"drain": self._drain},
            name="pyro-shutdown",
            daemon=True,
        ).start()

    def _report(self) -> None:
        daemon = self._daemon
        if daemon is None:
            _logger.warning("status: not serving yet")
            return
        connections = daemon.connections()
        _logger.warning(
            "status: %s; connections: %d, calls in flight: %d",
            daemon.describe(),
            len(connections),
            sum(one.calls_in_flight + one.oneway_queued for one in connections),
        )
