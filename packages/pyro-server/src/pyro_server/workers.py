"""The worker pool: a bounded number of threads that run calls."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

__all__ = ["WorkerPool"]

log = logging.getLogger("pyro.server.workers")

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
        self._idle = 0
        self._stopped = False
        self.work_waits = self._jobs.qsize
        """Returns how many jobs wait for a thread."""

    @property
    def thread_count(self) -> int:
        """How many threads there are."""
        return len(self._threads)

    def submit(self, job: Job) -> bool:
        """Have a job run by a thread of the pool.

        Returns:
            False if there is no room for it, or the pool was stopped.
        """
        with self._lock:
            waiting = self._jobs.qsize()
            if self._stopped or waiting >= self._queue_size + self._idle:
                return False
            self._jobs.put(job)
            if waiting >= self._idle and len(self._threads) < self._most:
                self._start_thread()
        return True

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._threads.add(thread)
        thread.start()

    def _run(self) -> None:
        while True:
            job = self._next_job()
            if job is None:
                return
            try:
                job()
            except BaseException:
                # Not even SystemExit may cost the pool a thread for good.
                log.exception("a job of the worker pool failed")
            # Waiting with the finished job would keep its connection alive.
            del job

    def _next_job(self) -> Job | None:
        """Wait for a job; None means that the thread is to end."""
        with self._lock:
            self._idle += 1
        while True:
            try:
                job = self._jobs.get(timeout=_IDLE_SECONDS)
            except Empty:
                with self._lock:
                    if len(self._threads) > self._least and self._jobs.empty():
                        self._idle -= 1
                        self._threads.discard(threading.current_thread())
                        return None
                continue
            with self._lock:
                self._idle -= 1
                if job is None:
                    self._threads.discard(threading.current_thread())
            return job

    def stop(self) -> None:
        """End all threads once their jobs are done, and wait for them a while."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            threads = list(self._threads)
            for _ in threads:
                self._jobs.put(None)
        own = threading.current_thread()
        for thread in threads:
            if thread is not own:
                thread.join(_STOP_SECONDS)
