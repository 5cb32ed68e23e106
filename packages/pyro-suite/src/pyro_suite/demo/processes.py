"""Child processes that say when they are ready, and are all gone at the end."""

from __future__ import annotations

import subprocess
import sys
from threading import Condition, Thread
from time import monotonic
from typing import TYPE_CHECKING

from .report import StepError

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["ChildError", "ChildProcess", "stop_all"]

# Importing and binding takes well under a second; a busy machine may need many.
READY_TIMEOUT_SECONDS = 30.0

# A child that does not answer SIGTERM within this time is killed.
STOP_TIMEOUT_SECONDS = 5.0


class ChildError(StepError):
    """A child process ended, or never got ready.

    Attributes:
        child: The process, whose ``log`` says more.
    """

    def __init__(self, child: ChildProcess, reason: str) -> None:
        super().__init__(f"the {child.role} (process {child.pid}) {reason}")
        self.child = child


class ChildProcess:
    """A Python program running as an operating-system process of its own.

    Its two outputs are collected line by line in ``log``. The caller must `stop` it.

    Args:
        role: What it is called in messages, such as ``name server``.
        arguments: What follows ``python`` on its command line.
        environment: Its whole environment.
        folder: Its working directory.
    """

    def __init__(
        self,
        role: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
    ) -> None:
        self.role = role
        self.arguments: tuple[str, ...] = tuple(arguments)
        self.log: list[str] = []
        self._changed = Condition()
        self._output_ended = False
        self._process = subprocess.Popen(  # noqa: S603 - this very Python
            [sys.executable, "-u", *arguments],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            # Ctrl-C in the terminal must reach us alone, so that we end the children
            # in our own order.
            start_new_session=True,
        )
        self._reader = Thread(target=self._read, name=f"output of {role}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, or None while it runs."""
        return self._process.poll()

    @property
    def ended(self) -> bool:
        """Whether it does not run any more."""
        return self.returncode is not None

    def wait_for_line(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """Wait until the program has printed a line that contains a pattern.

        Raises:
            ChildError: It ended without printing one, or took longer than 30 s.
        """
        deadline = monotonic() + READY_TIMEOUT_SECONDS
        examined = 0
        with self._changed:
            while True:
                for line in self.log[examined:]:
                    if match := pattern.search(line):
                        return match
                examined = len(self.log)
                if self._output_ended:
                    status = self._process.wait()
                    raise ChildError(self, f"ended with exit status {status}")
                remaining = deadline - monotonic()
                if remaining <= 0:
                    raise ChildError(
                        self, f"was not ready within {READY_TIMEOUT_SECONDS:g} s"
                    )
                self._changed.wait(remaining)

    def stop(self) -> bool:
        """Ask the program to end, with SIGTERM where there are signals; wait for that.

        Returns:
            Whether it ended by itself; one that hangs is killed.
        """
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return False
        else:
            return True
        finally:
            self._reader.join(STOP_TIMEOUT_SECONDS)
            if self._process.stdout is not None and not self._reader.is_alive():
                self._process.stdout.close()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            with self._changed:
                self.log.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._output_ended = True
            self._changed.notify_all()


def stop_all(children: Sequence[ChildProcess]) -> list[ChildProcess]:
    """End every child, the youngest first, and wait until all are gone.

    One after the other, since the younger ones may have something left to tell the
    older: an object server takes its names out of the name server.

    Returns:
        Those that had to be killed.
    """
    return [child for child in reversed(children) if not child.stop()]
