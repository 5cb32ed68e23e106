"""Several processes that serve at one address, and what keeps them running."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import tempfile
import time
from importlib.util import find_spec
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Final

from pyro_protocol.errors import PyroError

from ..operation.metrics import FOLDER_VARIABLE
from .choice import serve_here
from .interruption import raise_if_interrupted
from .options import GRACE_SECONDS

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from .options import ServeOptions

__all__ = ["WorkersFailedError", "serve_with_workers"]

_logger = logging.getLogger("pyro.httpgw")

# A worker that has served for so long has not died of how it was started.
_LONG_LIFE: Final = 10.0
_MOST_SHORT_LIVES: Final = 5
# The first restart is as good as immediate; one that dies again and again must not
# take all the processor time.
_FIRST_PAUSE: Final = 0.1
# What a worker may take beyond the time for its requests, to end itself.
_ENDING_SECONDS: Final = 2.0
# Windows notices Ctrl-C only between two waits.
_LONGEST_WAIT: Final = 1.0

_ENDING_SIGNALS: Final = frozenset({signal.SIGINT, signal.SIGTERM})

# Not fork: a worker begins with nothing but what it is given, on every system.
_context = multiprocessing.get_context("spawn")


class WorkersFailedError(PyroError):
    """The worker processes die again and again."""


def serve_with_workers(options: ServeOptions, sock: socket.socket) -> None:
    """Keep as many processes serving as the options say, until a signal ends it.

    What one accepts is that one's business, so that each has connections of its own.
    Those that die are started again. A second signal ends all of them at once.

    Args:
        options: what to do; they reach the workers through a pipe, which nobody else
            can read.
        sock: where to listen.

    Raises:
        KeyboardInterrupt: a signal asked to end.
        WorkersFailedError: they die again and again.
    """
    with _folder_for_metrics(options):
        _keep_serving(options, sock)


def _keep_serving(options: ServeOptions, sock: socket.socket) -> None:
    workers: list[_Worker] = []
    short_lives = 0
    try:
        while True:
            raise_if_interrupted()
            while len(workers) < options.workers:
                with _without_interruption():
                    workers.append(_Worker(options, sock))
            wait([worker.process.sentinel for worker in workers], _LONGEST_WAIT)
            for worker in [one for one in workers if not one.process.is_alive()]:
                workers.remove(worker)
                lived = time.monotonic() - worker.started
                short_lives = short_lives + 1 if lived < _LONG_LIFE else 0
                _logger.warning(
                    "worker process %d ended with status %s, and is started again",
                    *(worker.number, worker.process.exitcode),
                )
                worker.close()
                _forget_metrics(worker.number)
                if short_lives >= _MOST_SHORT_LIVES:
                    raise WorkersFailedError(
                        f"{short_lives} worker processes died one after the other, "
                        "soon after they were started; see what they have printed"
                    )
                if short_lives:
                    time.sleep(_FIRST_PAUSE * 2 ** (short_lives - 1))
    finally:
        # Nobody is to wait for an answer who comes now.
        sock.close()
        _end(workers)


class _Worker:
    """A process that serves, seen from the one that started it.

    Attributes:
        process: the process.
        number: its process id.
        started: when it was started, in seconds.
    """

    def __init__(self, options: ServeOptions, sock: socket.socket) -> None:
        told, self._teller = _context.Pipe(duplex=False)
        self.process: BaseProcess = _context.Process(
            target=_work, args=(options, sock, told), name="pyro-httpgw worker"
        )
        self.started: float = time.monotonic()
        with told:
            self.process.start()
        self.number: int = self.process.pid or 0

    def ask_to_end(self) -> None:
        """Let it answer what it has begun, and end."""
        self._teller.close()

    def close(self) -> None:
        """Forget it after its end."""
        self._teller.close()
        self.process.close()


@contextlib.contextmanager
def _folder_for_metrics(options: ServeOptions) -> Iterator[None]:
    """Let all the workers count in one place, if they count."""
    if not options.settings.get("metrics") or FOLDER_VARIABLE in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="pyro-httpgw-") as folder:
        os.environ[FOLDER_VARIABLE] = folder
        try:
            yield
        finally:
            del os.environ[FOLDER_VARIABLE]


def _forget_metrics(number: int) -> None:
    """Count no longer what a worker was doing that has died."""
    if FOLDER_VARIABLE in os.environ and find_spec("prometheus_client"):
        from prometheus_client.multiprocess import (  # noqa: PLC0415 - an extra
            mark_process_dead,
        )

        mark_process_dead(number)  # type: ignore[no-untyped-call]


def _end(workers: list[_Worker]) -> None:
    """End the workers, with time for the requests that they have begun."""
    deadline = time.monotonic() + GRACE_SECONDS + _ENDING_SECONDS
    try:
        for worker in workers:
            worker.ask_to_end()
        for worker in workers:
            worker.process.join(max(deadline - time.monotonic(), 0))
    finally:
        for worker in workers:
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.close()


def _work(options: ServeOptions, sock: socket.socket, stop: Connection) -> None:
    """Serve in a worker process until the one that started it says so, or is gone."""
    # A terminal sends Ctrl-C to this process as well; the other one passes it on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING_SIGNALS)
    with contextlib.suppress(KeyboardInterrupt):
        serve_here(options, sock, stop)


@contextlib.contextmanager
def _without_interruption() -> Iterator[None]:
    """Let a process be started whole, and keep signals from it until it is prepared."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Where that has to be started too, it would let the signals through (CPython 3.11).
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
