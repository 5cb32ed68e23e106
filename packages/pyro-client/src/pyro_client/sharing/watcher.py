"""The watcher: one thread that listens on connections while nobody waits on them.

It answers a server's signs of life, notices servers that are dead or have hung up, and
receives callbacks. It leaves a connection alone as long as it is used: looking at it
for each call would cost a system call.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import threading
import time
from typing import Final, Protocol

from pyro_protocol.logs import log_exception

__all__ = ["Watched", "Watcher", "watcher"]

_logger = logging.getLogger("pyro.client")

# How often it looks whether a connection is not used any more.
_LOOK_SECONDS: Final = 0.25
_MOST_SECONDS: Final = 60.0
# How long it goes on looking when no connection is used, or there is none.
_LINGER_SECONDS: Final = 5.0


class Watched(Protocol):
    """What the watcher needs of a connection."""

    sock: socket.socket
    closed: bool

    @property
    def eager(self) -> bool:
        """Whether it is to be listened on at once when nobody reads."""

    @property
    def sequence(self) -> int:
        """The number of the last call, which tells whether it is used."""

    def listen(self) -> bool:
        """Take in what has arrived; False if somebody else reads."""

    def beat(self, now: float) -> float:
        """Look after the signs of life; returns when to do so again."""


class Watcher:
    """Listens on connections while nobody waits on them."""

    def __init__(self) -> None:
        # Re-entrant, as finalizers may use it at any moment.
        self._lock = threading.RLock()
        self._selector = selectors.DefaultSelector()
        self._waker, self._alarm = socket.socketpair()
        self._waker.settimeout(0)
        self._alarm.settimeout(0)
        self._selector.register(self._alarm, selectors.EVENT_READ, None)
        # Guarded by the lock: what is not listened on, with its last sequence number.
        self._used: dict[Watched, int] = {}
        self._urgent: list[Watched] = []
        # For the thread alone: what is listened on, by descriptor, and when the first
        # of it is to be looked after.
        self._idle: dict[int, Watched] = {}
        self._due = 0.0
        # Until when it looks often, whether a connection was added since the last look,
        # and whether it does not look before it is woken.
        self._often_until = 0.0
        self._stirred = False
        self._resting = False
        self._running = False
        self._woken = False

    def add(self, channel: Watched) -> None:
        """Look after a connection from now on, until it is closed."""
        with self._lock:
            self._used[channel] = -1
            self._stirred = True
            if self._resting:
                self._wake()
            if not self._running:
                self._start()

    def listen_now(self, channel: Watched) -> None:
        """Listen on a connection at once: something may come that nobody waits for."""
        with self._lock:
            self._urgent.append(channel)
            self._wake()
            self._start()

    def _start(self) -> None:
        """Start the thread if it does not run; the lock is held."""
        if not self._running:
            self._running = True
            try:
                threading.Thread(
                    target=self._run, name="pyro-watcher", daemon=True
                ).start()
            except RuntimeError:
                # No more threads, or the program ends: the next one may have more luck.
                self._running = False
                _logger.debug("no thread can be started to listen on idle connections")

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            with contextlib.suppress(OSError):
                self._waker.send(b"\0")

    def forget(self, channel: Watched) -> None:
        """Take notice that a connection was closed."""
        # Without the lock: when the program ends, a thread that will never run again
        # may have it.
        if self._used.pop(channel, None) is None and self._running:
            # It may be listened on.
            self._wake()

    def _run(self) -> None:
        try:
            while self._look():
                pass
        except Exception:  # noqa: BLE001 - logged
            log_exception(_logger, "listening on idle connections has ended")
            with self._lock:
                self._running = False

    def _look(self) -> bool:
        """Wait for something to happen, and act on it; False if nothing can."""
        now = time.monotonic()
        with self._lock:
            if self._used or self._stirred:
                # Programs that connect for each call would have to wake it each time.
                self._often_until = now + _LINGER_SECONDS
                self._stirred = False
            self._resting = now >= self._often_until
        wait = _LINGER_SECONDS if self._resting else _LOOK_SECONDS
        if self._idle:
            wait = min(wait, self._due - now)
        found = self._selector.select(max(wait, 0.0))
        self._resting = False
        for key, _events in found:
            if key.data is None:
                self._be_woken()
            else:
                self._listen(key.data)
        self._look_around()
        # Only now, as what has arrived while all of the program stood still counts.
        now = time.monotonic()
        beats = [self._guarded_beat(one, now) for one in [*self._idle.values()]]
        self._due = min(beats, default=0.0)
        with self._lock:
            if self._used or self._idle or self._urgent or self._stirred:
                return True
            if now < self._often_until:
                return True
            self._running = False
            return False

    def _be_woken(self) -> None:
        # In this order: who wakes it in between, without the lock, has his wish seen to
        # after this. The other way round his signal would be taken away here, and no
        # other would ever be sent.
        with contextlib.suppress(OSError):
            self._alarm.recv(4096)
        self._woken = False

    def _look_around(self) -> None:
        """Drop what is closed, and listen on what is not used any more."""
        for descriptor, channel in list(self._idle.items()):
            if channel.closed:
                self._ignore(descriptor)
        with self._lock:
            urgent, self._urgent = self._urgent, []
            # A copy is made in one step; finalizers may forget connections meanwhile.
            for channel, sequence in self._used.copy().items():
                if channel.closed:
                    self._used.pop(channel, None)
                elif sequence == channel.sequence:
                    urgent.append(channel)
                else:
                    self._used[channel] = channel.sequence
        for channel in urgent:
            self._begin(channel)

    def _begin(self, channel: Watched) -> None:
        descriptor = channel.sock.fileno()
        if channel.closed or descriptor < 0:
            return
        if self._idle.get(descriptor) is channel:
            return
        with contextlib.suppress(KeyError, ValueError, OSError):
            # What had the descriptor before was closed behind our back.
            self._selector.unregister(descriptor)
        try:
            self._selector.register(descriptor, selectors.EVENT_READ, channel)
        except (OSError, ValueError):
            return
        self._idle[descriptor] = channel
        with self._lock:
            self._used.pop(channel, None)
        # TLS may have read ahead what the selector does not see.
        self._listen(channel)

    def _listen(self, channel: Watched) -> None:
        try:
            alone = channel.listen()
        except Exception:  # noqa: BLE001 - logged
            log_exception(_logger, "listening on an idle connection failed")
            alone = False
        if not alone:
            for descriptor, one in list(self._idle.items()):
                if one is channel:
                    self._ignore(descriptor)
            if not channel.closed:
                with self._lock:
                    self._used.setdefault(channel, -1)

    def _ignore(self, descriptor: int) -> None:
        self._idle.pop(descriptor, None)
        with contextlib.suppress(KeyError, ValueError, OSError):
            self._selector.unregister(descriptor)

    def _guarded_beat(self, channel: Watched, now: float) -> float:
        try:
            return channel.beat(now)
        except Exception:  # noqa: BLE001 - logged
            log_exception(_logger, "looking after an idle connection failed")
            return now + _MOST_SECONDS

    def close(self) -> None:
        """Give up its descriptors, in a forked child."""
        self._selector.close()
        self._waker.close()
        self._alarm.close()


_watchers: list[Watcher] = []
_lock = threading.RLock()


def watcher() -> Watcher:
    """Return the watcher of this process."""
    if not _watchers:
        with _lock:
            if not _watchers:
                _watchers.append(Watcher())
    return _watchers[0]


def _after_fork() -> None:
    """Have a forked child listen for itself; the thread is the parent's."""
    global _lock  # noqa: PLW0603 - one per process
    _lock = threading.RLock()
    while _watchers:
        _watchers.pop().close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
