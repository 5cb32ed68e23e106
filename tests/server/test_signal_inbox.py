"""Signals that a selector waits for."""

from __future__ import annotations

import os
import selectors
import signal
import threading

import pytest

from pyro_server.signal_inbox import SignalInbox
from support.hosting import DEADLINE

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


def is_readable(inbox: SignalInbox, seconds: float = DEADLINE) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(inbox, selectors.EVENT_READ)
        return bool(selector.select(seconds))


def test_signals_arrive_in_order_and_once() -> None:
    before = signal.getsignal(signal.SIGHUP)
    inbox = SignalInbox(signal.SIGHUP, signal.SIGUSR1)
    try:
        assert not is_readable(inbox, 0)
        assert inbox.take() == []
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGHUP)
        assert is_readable(inbox)
        assert inbox.take() == [signal.SIGUSR1, signal.SIGHUP]
        assert not is_readable(inbox, 0)
    finally:
        inbox.close()
    assert signal.getsignal(signal.SIGHUP) is before


def test_another_thread_can_wake_the_loop() -> None:
    inbox = SignalInbox()
    try:
        thread = threading.Thread(target=inbox.wake)
        thread.start()
        assert is_readable(inbox)
        thread.join(DEADLINE)
        assert inbox.take() == []
        assert not is_readable(inbox, 0)
    finally:
        inbox.close()
    # As when the keeper of the names is slow to end.
    inbox.wake()
