"""The worker pool: a bounded number of threads that run calls."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

from pyro_protocol.logs import log_exception

__all__ = ["WorkerPool"]

_logger = logging.getLogger("pyro.server.workers")

# A worker above the minimum that found nothing to do for this long goes away.
_IDLE_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 5.0

Job = Callable[[], None]


class WorkerPool:
    """Runs jobs in at most ``most`` threads, which are started as needed.

    Args:
        least: how many threads stay when there is nothing to do.
        most: how many threads there may be.
        queue_size: how many jobs may wait for a thread.
        name: what the threads are named after.

    Attributes:
        backlog: how many jobs wait because all threads are busy.

    Raises:
        ValueError: a size is below 1, or the least is above the most.
    """

    def __init__(self, least: int, most: int, queue_size: int, name: str) -> None:
        if least < 1 or most < 1 or least > most:
            raise ValueError(
                "the pool needs 1 <= THREADPOOL_SIZE_MIN <= THREADPOOL_SIZE, "
                f"not {least} and {most}"
            )
        self._least = least
        self._most = most
        self._queue_size = queue_size
        self._name = name
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        # Threads that have nothing to do, less the jobs that are meant for them:
        # counted by the one who submits, or two jobs would take the same thread.
        self._free = 0
        self.backlog: int = 0
        self._stopped = False

    @property
    def thread_count(self) -> int:
        """How many threads there are."""
        return len(self._threads)

    @property
    def has_time(self) -> bool:
        """Whether a job would be begun at once, as far as can be told."""
        return self._free > 0 or len(self._threads) < self._most

    @property
    def is_idle(self) -> bool:
        """Whether a thread has nothing to do, as far as can be told."""
        return self._free > 0

    def runs_current_thread(self) -> bool:
        """Whether the calling thread is one of the pool's."""
        return threading.current_thread() in self._threads

    def work_waits(self) -> int:
        """Return how many jobs wait because all threads are busy."""
        return self.backlog

    def submit(self, job: Job) -> bool:
        """Have a job run by a thread of the pool.

        Returns:
            False if there is no room for it, or the pool was stopped.
        """
        with self._lock:
            if self._stopped:
                return False
            if self._free:
                self._free -= 1
            elif len(self._threads) < self._most and self._start_thread():
                pass
            elif self.backlog < self._queue_size and self._threads:
                self.backlog += 1
            else:
                return False
            self._jobs.put(job)
        return True

    def _start_thread(self) -> bool:
        """Start a thread for a job that is about to be queued."""
        thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            _logger.warning(
                "the system gives no more threads; there are %d", len(self._threads)
            )
            return False
        self._threads.add(thread)
        return True

    def _run(self) -> None:
        while True:
            job = self._next_job()
            if job is None:
                with self._lock:
                    self._threads.discard(threading.current_thread())
                return
            try:
                job()
            except BaseException:  # noqa: BLE001 - logged
                # Not even SystemExit may cost the pool a thread for good.
                log_exception(_logger, "a job of the worker pool failed")
            # Waiting with the finished job would keep its connection alive.
            del job
            with self._lock:
                if self.backlog:
                    self.backlog -= 1
                else:
                    self._free += 1

    def _next_job(self) -> Job | None:
        """Wait for a job; None means that the thread is to end."""
        while True:
            try:
                return self._jobs.get(timeout=_IDLE_SECONDS)
            except Empty:
                with self._lock:
                    if self._free and len(self._threads) > self._least:
                        self._free -= 1
                        self._threads.discard(threading.current_thread())
                        return None

    def stop(self) -> None:
        """End all threads once their jobs are done, and wait for them a while."""
        with self._lock:
            if not self._stopped:
                self._stopped = True
                for _ in self._threads:
                    self._jobs.put(None)
        deadline = time.monotonic() + _STOP_SECONDS
        for thread in list(self._threads):
            if thread is not threading.current_thread():
                thread.join(max(deadline - time.monotonic(), 0))
