"""What a test leaves behind."""

from __future__ import annotations

import socket
import sys
import threading

import pytest

from pyro_protocol.testing import Traces


def test_a_thread_that_goes_on_is_named() -> None:
    traces = Traces()
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="the one that is left")
    thread.start()
    with pytest.raises(AssertionError, match="the one that is left"):
        traces.wait_until_nothing_is_left(0)
    end.set()
    traces.wait_until_nothing_is_left()
    thread.join()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_socket_that_is_open_is_named() -> None:
    traces = Traces()
    one, other = socket.socketpair()
    with pytest.raises(AssertionError, match="socket:"):
        traces.wait_until_nothing_is_left(0)
    one.close()
    other.close()
    traces.wait_until_nothing_is_left()


def test_connections_are_asked_for() -> None:
    left = ["a connection"]
    traces = Traces(lambda: left)
    with pytest.raises(AssertionError, match="a connection"):
        traces.wait_until_nothing_is_left(0)
    left.clear()
    traces.wait_until_nothing_is_left()
