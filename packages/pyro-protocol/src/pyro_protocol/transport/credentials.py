"""What the operating system knows about the peer of a Unix socket."""

from __future__ import annotations

import socket
import struct
import sys
from typing import Final

from ..dispatch import PeerCredentials

__all__ = ["peer_credentials"]

_CREDENTIALS: Final = struct.Struct("iII")
# What stands there where nobody has connected.
_NO_USER: Final = 0xFFFF_FFFF


def peer_credentials(sock: socket.socket) -> PeerCredentials | None:
    """Return who has connected to a Unix socket; None where that is not known.

    Only Linux tells, and only for Unix sockets. It is what was true when the peer
    connected.
    """
    if sys.platform != "linux" or sock.family != socket.AF_UNIX:
        return None
    try:
        data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:
        return None
    pid, uid, gid = _CREDENTIALS.unpack(data)
    return None if uid == _NO_USER else PeerCredentials(pid, uid, gid)
