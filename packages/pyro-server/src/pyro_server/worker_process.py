"""A worker process, as its supervisor sees it."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from .reports import Failed, Ready, Report, ReportReader
from .steering import STATUS_WISH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .options import ServeOptions

__all__ = ["WorkerProcess"]

_LARGEST_READ = 65536


class WorkerProcess:
    """Starts a worker, hears what it reports, and ends it.

    A new interpreter is started, rather than this process forked: so the worker has
    the code as it is now, and nothing of the supervisor's threads and locks.

    Args:
        number: which of the workers it is.
        options: what it serves.
        listener: the listening socket, of which it gets a copy.

    Attributes:
        number: which of the workers it is.
        channel: the connection to it; its end means the end of the supervisor.
        uris: what it serves once it is ready, else None.
        failure: why it could not serve, if it has said so.
        leaving: whether it was asked to end.
        deadline: when it is killed, as a time of `time.monotonic`, or None.
        silent: whether it has closed its end of the channel.
    """

    def __init__(
        self, number: int, options: ServeOptions, listener: socket.socket
    ) -> None:
        self.number: int = number
        self.uris: dict[str, str] | None = None
        self.failure: Failed | None = None
        self.leaving: bool = False
        self.deadline: float | None = None
        self.silent: bool = False
        self._ready_since = 0.0
        self._reader = ReportReader()
        self.channel: socket.socket
        self.channel, theirs = socket.socketpair()
        self.channel.setblocking(False)  # noqa: FBT003 - the name tells
        # -P: what lies in the current folder must not stand in for our imports.
        command = [
            *(sys.executable, *_interpreter_options()),
            *("-P", "-m", f"{__package__}.worker"),
            *(str(number), str(theirs.fileno()), str(listener.fileno())),
            options.to_json(),
        ]
        with theirs, _without_interruption():
            self.process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603 - our own module
                command, pass_fds=(theirs.fileno(), listener.fileno())
            )

    @property
    def name(self) -> str:
        """Which worker it is, for people."""
        return f"worker {self.number} (pid {self.process.pid})"

    @property
    def lifetime(self) -> float:
        """For how many seconds it has been ready."""
        return time.monotonic() - self._ready_since if self.uris is not None else 0.0

    def reports(self) -> list[Report]:
        """Return what it has reported since."""
        arrived = b""
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            while data := self.channel.recv(_LARGEST_READ):
                arrived += data
            self.silent = True
        found = self._reader.receive_data(arrived)
        for report in found:
            if isinstance(report, Ready):
                self.uris = report.uris
                self._ready_since = time.monotonic()
            elif isinstance(report, Failed):
                self.failure = report
        return found

    def ask_status(self) -> None:
        """Ask it to log how it is."""
        with contextlib.suppress(OSError):
            self.channel.send(STATUS_WISH)

    def end(self, patience: float) -> None:
        """Ask it to finish its calls and end; it is killed if that takes too long.

        Args:
            patience: after how many seconds.
        """
        if not self.leaving:
            self.leaving = True
            self.deadline = time.monotonic() + patience
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.leaving = True
        self.deadline = None
        self.process.kill()

    def close(self) -> None:
        """Release what belongs to it; it must have ended."""
        self.channel.close()

    @property
    def state(self) -> str:
        """What it is doing, for people."""
        if self.leaving:
            return f"{self.name}: finishing its calls"
        if self.uris is None:
            return f"{self.name}: starting"
        return f"{self.name}: ready for {self.lifetime:.0f} s"

    @property
    def reason(self) -> str:
        """Why it has ended, for people."""
        if self.failure is not None:
            return f"{self.name} cannot serve: {self.failure.message}"
        status = self.process.returncode
        if status >= 0:
            return f"{self.name} ended with status {status}"
        try:
            return f"{self.name} was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"{self.name} was ended by signal {-status}"


def _interpreter_options() -> list[str]:
    """Return the options of Python itself that this process was started with."""
    own = len(sys.orig_argv) - len(sys.argv[1:])
    options = sys.orig_argv[1:own]
    # What is left at the end is the script, or the module.
    return options[:-2] if options[-2:-1] in (["-m"], ["-c"]) else options[:-1]


@contextlib.contextmanager
def _without_interruption() -> Iterator[None]:
    """Keep signals of the terminal from a worker that is not yet prepared for them.

    It unblocks them when it is.
    """
    numbers = {signal.SIGINT, signal.SIGHUP, signal.SIGUSR1}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
