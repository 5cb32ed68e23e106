"""The thread that listens on idle connections."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any

from pyro_client.sharing.watcher import Watcher

if TYPE_CHECKING:
    import socket


class Meddler:
    """Has somebody wake the watcher in the moment in which it takes a signal."""

    def __init__(self, watcher: Watcher, alarm: socket.socket) -> None:
        self._watcher = watcher
        self._alarm = alarm

    def recv(self, size: int) -> bytes:
        self._watcher._wake()
        return self._alarm.recv(size)


def test_it_can_be_woken_again_whenever_it_was_woken_before() -> None:
    watcher: Any = Watcher()
    alarm = watcher._alarm
    watcher._wake()
    watcher._alarm = Meddler(watcher, alarm)
    watcher._be_woken()
    watcher._alarm = alarm

    watcher._wake()

    assert select.select([alarm], [], [], 0)[0], "nobody can wake it any more"
    watcher.close()


class Unused:
    """Stands for a connection that is closed before anybody looks."""

    closed = True
    sequence = 0


def test_connecting_for_each_call_does_not_wake_it_each_time() -> None:
    watcher: Any = Watcher()
    watcher._running = True

    for _ in range(3):
        channel = Unused()
        watcher.add(channel)
        watcher.forget(channel)

    assert not select.select([watcher._alarm], [], [], 0)[0]
    watcher.close()


def test_it_is_woken_for_a_connection_when_none_has_been_used_for_long() -> None:
    watcher: Any = Watcher()
    watcher._running = watcher._resting = True

    watcher.add(Unused())

    assert select.select([watcher._alarm], [], [], 0)[0]
    watcher.close()
