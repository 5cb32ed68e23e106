"""The supervisor: keeps worker processes serving one listening socket.

It runs none of the objects, so that nothing they do can stop it. All it does happens
in one loop, which waits for signals, reports of workers, and times.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyro_protocol import URI

from .listening import Listener
from .readiness import Readiness
from .reloading import SourceWatch
from .reports import Imported, Ready
from .restarts import RestartPolicy
from .signal_inbox import SignalInbox
from .steering import GRACE_SECONDS, IMPATIENCE_SECONDS
from .systemd import Notifier
from .targets import TargetError
from .upkeep import NAME_SERVER_SECONDS
from .worker_process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from .options import ServeOptions
    from .publication import NameKeeper

__all__ = ["Supervisor"]

_logger = logging.getLogger("pyro.serve")

# Often enough that one does not wait for it, and cheap: a few hundred files at most.
_LOOK_AT_FILES_SECONDS: Final = 0.4
_END: Final = (signal.SIGINT, signal.SIGTERM)


class Supervisor:
    """Has objects served by workers until a signal ends it; see `run`.

    Args:
        options: what is served, and how.
    """

    def __init__(self, options: ServeOptions) -> None:
        self._options = options
        self._numbers = range(1, (options.workers or 1) + 1)
        self._notifier = Notifier()
        self._readiness = Readiness(options, self._notifier)
        self._policy = RestartPolicy()
        self._sources = SourceWatch()
        self._keeper: NameKeeper | None = None
        self._registered: Future[None] | None = None
        # By number: those that serve or are about to, those that will take over when
        # all of them are ready, and when the missing ones are started again.
        self._current: dict[int, WorkerProcess] = {}
        self._successors: dict[int, WorkerProcess] = {}
        self._due: dict[int, float] = {}
        self._leaving: set[WorkerProcess] = set()
        self._uris: dict[str, str] = {}
        self._announced = False
        self._ending = False
        self._starting_anew = False
        self._reload_again = False
        self._asked_to_end = 0.0
        # Until when the workers go on because the names are still there, or None.
        self._names_gone_by: float | None = None
        self._failure: Exception | None = None
        self._next_look = self._next_sign = 0.0
        self._selector = selectors.DefaultSelector()
        self._undo = contextlib.ExitStack()
        self._inbox: SignalInbox
        self._listener: Listener

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM; asked a second time, end at once.

        SIGHUP replaces all workers by new ones without a gap; SIGUSR1 takes a note
        of how they are.

        Raises:
            TargetError: an object cannot be published, or the workers die again and
                again.
            PyroError: the address or a name cannot be used, or there is no name
                server.
            OSError: what tells that it is ready cannot be used.
            ValueError: settings that do not go together.
        """
        settings = self._options.settings()
        with self._undo:
            self._undo.callback(self._selector.close)
            inbox = SignalInbox(*_END, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)
            self._undo.callback(inbox.close)
            self._inbox = inbox
            self._selector.register(inbox, selectors.EVENT_READ, self._heed_signals)
            self._readiness.prepare()
            self._listener = Listener(self._options, settings)
            self._undo.callback(self._listener.close)
            self._undo.callback(self._kill_all)
            self._say_what_is_shared()
            self._start_missing()
            try:
                while not self._ending or self._all_workers():
                    self._turn()
            finally:
                self._readiness.withdraw()
                if self._keeper is not None:
                    self._keeper.join()
        if self._failure is not None:
            raise self._failure

    def _say_what_is_shared(self) -> None:
        count = len(self._numbers)
        if count > 1:
            _logger.info(
                "%d workers: each has objects of its own, so what an object remembers "
                "is not known to those of the other workers",
                count,
            )

    def _all_workers(self) -> list[WorkerProcess]:
        return [*self._current.values(), *self._successors.values(), *self._leaving]

    def _turn(self) -> None:
        """Wait for the next event, and do what follows from it."""
        for key, _mask in self._selector.select(self._wait_time()):
            handle: Callable[[], None] = key.data
            handle()
        for worker in self._all_workers():
            if worker.process.poll() is not None:
                self._gone(worker)
        self._do_what_is_due()

    def _wait_time(self) -> float | None:
        times = [*self._due.values()]
        times += [one.deadline for one in self._all_workers() if one.deadline]
        if self._options.reload and not self._ending:
            times.append(self._next_look)
        if self._notifier.interval is not None:
            times.append(self._next_sign)
        if self._names_gone_by is not None:
            times.append(self._names_gone_by)
        return max(min(times) - time.monotonic(), 0) if times else None

    def _do_what_is_due(self) -> None:
        now = time.monotonic()
        for worker in self._all_workers():
            if worker.deadline is not None and now >= worker.deadline:
                _logger.warning("%s does not end and is killed", worker.name)
                worker.kill()
        if self._notifier.interval is not None and now >= self._next_sign:
            self._next_sign = now + self._notifier.interval
            self._notifier.alive()
        if self._names_gone_by is not None and (
            self._keeper is None
            or not self._keeper.running
            or now >= self._names_gone_by
        ):
            self._names_gone_by = None
            self._end_workers()
        if self._ending:
            return
        if self._options.reload and now >= self._next_look:
            self._next_look = now + _LOOK_AT_FILES_SECONDS
            self._look_at_files()
        for number in [one for one, when in self._due.items() if now >= when]:
            del self._due[number]
            self._current[number] = self._start(number)
        if self._starting_anew and not self._leaving:
            self._starting_anew = False
            self._start_missing()

    def _heed_signals(self) -> None:
        for number in self._inbox.take():
            if number in _END:
                self._end_or_kill(number.name)
            elif number == signal.SIGHUP:
                self._reload()
            elif number == signal.SIGUSR1:
                self._report_status()
        if self._registered is not None and self._registered.done():
            registered, self._registered = self._registered, None
            self._names_are_there(registered.exception())

    def _end_or_kill(self, name: str) -> None:
        if self._ending:
            if time.monotonic() - self._asked_to_end < IMPATIENCE_SECONDS:
                return
            _logger.warning("%s once more: ending at once", name)
            self._kill_all()
            # The name server may be what does not let it end.
            self._keeper = None
            self._failure = self._failure or InterruptedError("ended at once")
            return
        self._asked_to_end = time.monotonic()
        _logger.info(
            "%s: finishing running calls, for at most %g s; once more ends it at once",
            name,
            self._options.drain,
        )
        self._end()

    def _end(self) -> None:
        """Begin to end everything."""
        self._ending = True
        self._due.clear()
        self._readiness.withdraw()
        if self._keeper is None:
            self._end_workers()
            return
        # Nobody is to be sent here any more who would be refused.
        self._names_gone_by = time.monotonic() + NAME_SERVER_SECONDS
        self._keeper.stop(self._inbox.wake)

    def _end_workers(self) -> None:
        # Who comes now is refused as soon as the workers have done the same.
        self._listener.close()
        for worker in self._all_workers():
            worker.end(self._options.drain + GRACE_SECONDS)

    def _give_up(self, failure: Exception) -> None:
        self._failure = self._failure or failure
        self._end()

    def _report_status(self) -> None:
        states = [worker.state for worker in self._all_workers()]
        states += [f"worker {number}: to be started again" for number in self._due]
        _logger.warning("status: %s", "; ".join(states))
        for worker in self._all_workers():
            worker.ask_status()

    def _reload(self) -> None:
        if self._ending:
            return
        if not self._announced:
            _logger.info("SIGHUP: nothing to do, as it is still starting")
        elif self._options.reload:
            self._start_anew("SIGHUP")
        elif self._successors:
            self._reload_again = True
        else:
            _logger.info("SIGHUP: starting new workers")
            self._notifier.reloading()
            self._due.clear()
            for number in self._numbers:
                self._successors[number] = self._start(number)

    def _start_missing(self) -> None:
        for number in self._numbers:
            if number not in self._current:
                self._current[number] = self._start(number)

    def _start(self, number: int) -> WorkerProcess:
        worker = WorkerProcess(number, self._listener.options, self._listener.sock)
        self._selector.register(
            worker.channel, selectors.EVENT_READ, lambda: self._hear(worker)
        )
        return worker

    def _hear(self, worker: WorkerProcess) -> None:
        """Take in what a worker reports."""
        for report in worker.reports():
            if isinstance(report, Imported):
                self._sources.add(report.files)
                _logger.debug("watching %s", ", ".join(map(_shown, report.files)))
            elif isinstance(report, Ready):
                self._is_ready(worker)
        if worker.silent:
            self._unwatch(worker)

    def _unwatch(self, worker: WorkerProcess) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(worker.channel)

    def _is_ready(self, worker: WorkerProcess) -> None:
        _logger.info("%s is ready", worker.name)
        self._uris = self._uris or worker.uris or {}
        if self._ending:
            return
        if worker is self._successors.get(worker.number):
            if all(one.uris is not None for one in self._successors.values()):
                self._take_over()
            return
        if not self._all_ready():
            return
        if not self._announced:
            self._publish()
        else:
            self._notifier.ready(self._summary())

    def _all_ready(self) -> bool:
        ready = [one.number for one in self._current.values() if one.uris is not None]
        return len(ready) == len(self._numbers)

    def _summary(self) -> str:
        return f"serving {', '.join(self._uris)}; workers: {len(self._numbers)}"

    def _publish(self) -> None:
        """Register the names, and announce the objects after that."""
        if not self._options.use_name_server:
            self._announce()
        elif self._keeper is None:
            uris = {name: URI(uri) for name, uri in self._uris.items()}
            self._keeper = self._options.keeper()
            announcements = self._options.announcements(uris)
            self._registered = self._keeper.announce(*announcements)
            self._registered.add_done_callback(lambda _: self._inbox.wake())

    def _names_are_there(self, failure: BaseException | None) -> None:
        if self._ending:
            return
        if isinstance(failure, Exception):
            self._give_up(failure)
        else:
            self._announce()

    def _announce(self) -> None:
        self._announced = True
        self._readiness.announce(self._uris)

    def _take_over(self) -> None:
        """Let the new workers serve, and the old ones finish what they have begun."""
        _logger.info("the new workers are ready; the old ones finish their calls")
        for worker in self._current.values():
            self._dismiss(worker)
        self._due.clear()
        self._current, self._successors = self._successors, {}
        self._policy = RestartPolicy()
        self._reload_is_over()

    def _reload_is_over(self) -> None:
        self._notifier.ready(self._summary())
        again, self._reload_again = self._reload_again, False
        if again:
            self._reload()

    def _dismiss(self, worker: WorkerProcess) -> None:
        self._leaving.add(worker)
        worker.end(self._options.drain + GRACE_SECONDS)

    def _gone(self, worker: WorkerProcess) -> None:
        """Do what follows from the end of a worker."""
        self._hear(worker)
        self._unwatch(worker)
        worker.close()
        number = worker.number
        if worker in self._leaving:
            self._leaving.discard(worker)
        elif worker is self._successors.get(number):
            del self._successors[number]
            if not self._ending:
                self._reload_failed(worker)
        else:
            del self._current[number]
            if not self._ending:
                self._died(worker)
                return
        _logger.info("%s", worker.reason)

    def _reload_failed(self, worker: WorkerProcess) -> None:
        _logger.error(
            "%sthe new %s: nothing was reloaded, the old workers go on",
            worker.failure.details if worker.failure else "",
            worker.reason,
        )
        for other in self._successors.values():
            self._leaving.add(other)
            other.kill()
        self._successors.clear()
        for number in self._numbers:
            if number not in self._current:
                self._due[number] = 0.0
        self._reload_is_over()

    def _died(self, worker: WorkerProcess) -> None:
        """Start a worker again that has ended by itself, unless that is of no use."""
        failure = worker.failure
        details = failure.details if failure else ""
        if self._options.reload and worker.uris is None:
            _logger.error("%s%s; waiting for a change", details, worker.reason)
            return
        if failure is not None and not self._announced:
            self._give_up(TargetError(failure.message, details))
            return
        pause = self._policy.died(worker.lifetime)
        serving = any(one.uris is not None for one in self._all_workers())
        if self._policy.hopeless and not serving:
            self._give_up(
                TargetError(
                    f"giving up: {self._policy.short_lives} times in a row a worker "
                    f"died soon after its start, at last {worker.reason}",
                    details,
                )
            )
            return
        self._due[worker.number] = time.monotonic() + pause
        _logger.error(
            "%s%s; starting it again in %.1f s", details, worker.reason, pause
        )

    def _kill_all(self) -> None:
        """End all workers at once, and wait for that."""
        for worker in self._all_workers():
            worker.kill()
            worker.process.wait()

    def _look_at_files(self) -> None:
        changed = self._sources.changed()
        if changed:
            self._start_anew(", ".join(_shown(path) for path in sorted(changed)))

    def _start_anew(self, reason: str) -> None:
        """End the workers, and start new ones when they are gone.

        Unlike at a SIGHUP nobody meets code that is older than the change, and what
        only one process can have at a time, such as a device, is free again.
        """
        _logger.info("%s: starting anew", reason)
        self._due.clear()
        for worker in self._current.values():
            self._dismiss(worker)
        self._current.clear()
        self._policy = RestartPolicy()
        self._starting_anew = True


def _shown(path: str) -> str:
    """Return a path as people write it, if it is in the current folder."""
    with contextlib.suppress(ValueError):
        return str(Path(path).relative_to(Path.cwd()))
    return os.fspath(path)
