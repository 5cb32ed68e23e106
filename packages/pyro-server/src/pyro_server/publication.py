"""The keeper of names: registers names, sees to it that they stay, removes them."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import threading
import time
import weakref
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

from pyro_protocol import config
from pyro_protocol.errors import PyroError
from pyro_protocol.logs import log_exception

from .upkeep import NAME_SERVER_SECONDS, Advice, NameUpkeep

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyro_protocol import URI
    from pyro_protocol.config import Configuration

    from .announcements import Announcement

__all__ = ["NAMES_CHECK_SECONDS", "NameKeeper"]

_logger = logging.getLogger("pyro.serve")

NAMES_CHECK_SECONDS: Final = 15.0
"""How often names without a ttl are looked at: a name server that was restarted has
them back before people begin to look for the reason."""

# So that two renewals may fail before a name is forgotten.
_RENEWALS: Final = 3
# Part of the pause that is left out at random: the daemons of a machine that was
# started must not all come at the same time for ever.
_JITTER: Final = 0.2
# A name server that was restarted is back soon; the pause is doubled each time.
_FIRST_RETRY_SECONDS: Final = 0.5


def _nothing() -> None:
    return


class NameKeeper:
    """Registers names, keeps them registered, and removes them at the end.

    All of that is done by a thread, which there is while there are names, so that
    a name server that is slow or gone holds up nobody. Names are renewed in time;
    those that the name server has forgotten are registered again; those that have
    become another's are left alone until they are free. The methods may be called by
    any thread. A forked child has none of the names: they are the parent's.

    Args:
        settings: where the name server is.
        check_seconds: how long it is at most until the names are looked at again. None
            leaves that to their ttl; for names that last for good, or are in a name
            server that knows no leases, it is `NAMES_CHECK_SECONDS` then.
        advice: what people can do next if a name cannot be registered.
    """

    def __init__(
        self,
        settings: Configuration = config,
        *,
        check_seconds: float | None = None,
        advice: Advice | None = None,
    ) -> None:
        self._check_seconds = check_seconds
        self._upkeep = NameUpkeep(settings, advice)
        self._clear()
        _keepers.add(self)

    def _clear(self) -> None:
        # Reentrant, as it may be ended by a signal handler or the garbage collector.
        self._changed = threading.Condition(threading.RLock())
        self._kept: dict[str, Announcement] = {}
        self._jobs: deque[tuple[Callable[[], None], Future[None]]] = deque()
        self._thread: threading.Thread | None = None
        self._working = False
        self._stopped = False
        self._removed: Callable[[], None] = _nothing
        self._next_round = 0.0
        self._failures = 0

    def announce(self, *announcements: Announcement) -> Future[None]:
        """Begin to register names, all of them or as many as can be.

        Those that were registered are kept, also if a later one cannot be.

        Returns:
            What is done when all are registered, or has the first error.
        """
        return self._begin(lambda: self._register(announcements))

    def withdraw(self, name: str) -> Future[None]:
        """Begin to remove a name; one that was not announced is ignored.

        Returns:
            What is done when it is removed, or has the error. In either case nobody
            keeps the name any longer.
        """
        return self._begin(lambda: self._remove(name))

    def withdraw_uri(self, uri: URI) -> None:
        """Begin to remove all names that lead to an object."""
        with self._changed:
            if not self._stopped:
                # A copy, as the thread may be registering others just now.
                for one in self._kept.copy().values():
                    if one.uri == uri:
                        self.withdraw(one.name)

    def stop(self, removed: Callable[[], None] = _nothing) -> None:
        """Begin to remove all names; nothing can be announced any more.

        Args:
            removed: called by the thread when they are removed, or cannot be; not at
                all if there is nothing to do any more.
        """
        with self._changed:
            if self._stopped:
                return
            self._stopped = True
            given_up = list(self._jobs)
            self._jobs.clear()
            if self._working:
                self._removed = removed
                self._jobs.append((self._remove_all, Future()))
                self._changed.notify()
        for _job, future in given_up:
            future.set_exception(_ended())

    def join(self) -> None:
        """Wait until they are removed, or for some seconds at most."""
        self.stop()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(NAME_SERVER_SECONDS)

    @property
    def running(self) -> bool:
        """Whether there is anything that it still does."""
        return self._working

    def _begin(self, job: Callable[[], None]) -> Future[None]:
        future: Future[None] = Future()
        with self._changed:
            if self._stopped:
                raise _ended()
            self._jobs.append((job, future))
            self._changed.notify()
            if not self._working:
                self._working = True
                self._thread = threading.Thread(
                    target=self._run, name="pyro-names", daemon=True
                )
                self._thread.start()
        return future

    def _run(self) -> None:
        while (work := self._next_work()) is not None:
            job, future = work
            try:
                job()
            except Exception as error:  # noqa: BLE001 - passed on
                future.set_exception(error)
            else:
                future.set_result(None)
        self._removed()

    def _next_work(self) -> tuple[Callable[[], None], Future[None]] | None:
        """Wait for what is to be done next; None if nothing is left to be done."""
        with self._changed:
            while True:
                if self._jobs:
                    return self._jobs.popleft()
                if not self._kept:
                    self._upkeep.release()
                    self._working = False
                    return None
                pause = self._next_round - time.monotonic()
                if pause <= 0:
                    return self._look_after, Future()
                self._changed.wait(pause)

    def _register(self, announcements: Sequence[Announcement]) -> None:
        for one in announcements:
            if self._stopped:
                raise _ended()
            self._upkeep.register(one)
            self._kept[one.name] = one
        self._failures = 0
        # Others of them may have to be renewed sooner.
        due = time.monotonic() + self._pause()
        self._next_round = min(self._next_round or due, due)

    def _remove(self, name: str) -> None:
        one = self._kept.pop(name, None)
        if one is not None:
            self._upkeep.remove([one])

    def _remove_all(self) -> None:
        kept = list(self._kept.values())
        self._kept.clear()
        if not kept or self._failures:
            # Who was gone just now is not looked for when somebody waits for the end.
            return
        try:
            self._upkeep.remove(kept)
        except PyroError as error:
            _logger.info("names were not removed: %s", error)

    def _look_after(self) -> None:
        """Renew the names, and register again what is lost."""
        try:
            self._upkeep.keep(list(self._kept.values()))
        except Exception as error:  # noqa: BLE001 - logged
            self._failures += 1
            self._next_round = time.monotonic() + self._pause()
            self._upkeep.disconnect()
            if not isinstance(error, PyroError):
                log_exception(_logger, "keeping names failed")
            elif self._failures == 1:
                _logger.warning(
                    "the name server cannot be reached, or refuses to keep names, and "
                    "is tried again: %s",
                    error,
                )
            return
        self._next_round = time.monotonic() + self._pause()
        if self._failures:
            self._failures = 0
            _logger.warning("the name server is back")

    def _pause(self) -> float:
        """Return after how many seconds the names are to be looked after."""
        longest = self._check_seconds or NAMES_CHECK_SECONDS
        pause = longest
        if self._upkeep.leases:
            times = [one.ttl / _RENEWALS or longest for one in self._kept.values()]
            pause = min(times, default=longest)
            if self._check_seconds is not None:
                pause = min(pause, self._check_seconds)
        if self._failures:
            # A large power has no float.
            doubled = _FIRST_RETRY_SECONDS * 2 ** min(self._failures - 1, 16)
            pause = min(pause, doubled)
        return pause * random.uniform(1 - _JITTER, 1)  # noqa: S311 - not a secret

    def _forget(self) -> None:
        """Leave everything to the parent process, after a fork."""
        self._upkeep.abandon()
        self._clear()


def _ended() -> PyroError:
    return PyroError("nothing can be announced by what was closed")


_keepers: weakref.WeakSet[NameKeeper] = weakref.WeakSet()


def _after_fork() -> None:
    """Have a forked child keep no names but its own."""
    for keeper in list(_keepers):
        with contextlib.suppress(OSError):
            keeper._forget()  # noqa: SLF001 - of this module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
