from __future__ import annotations

import os
import socket
import sys

import pytest

from pyro_protocol.transport.credentials import peer_credentials

_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


@_LINUX
def test_the_peer_of_a_unix_socket_is_known() -> None:
    left, right = socket.socketpair()
    with left, right:
        assert peer_credentials(left) == (os.getpid(), os.getuid(), os.getgid())


@_LINUX
def test_a_unix_socket_without_a_peer_tells_nothing() -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        assert peer_credentials(sock) is None


def test_other_sockets_tell_nothing() -> None:
    with socket.socket() as sock:
        assert peer_credentials(sock) is None
