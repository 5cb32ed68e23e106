"""What Pyro4 speaks: its messages, its class names, its handshake, its signatures.

Pure functions of bytes and values. A server's session takes them up when a client
begins with protocol 48, and the program has allowed that with ``PYRO4_CLIENTS``.
From then on nothing above the session can tell the difference: requests are the
frames of protocol 502, with the numbers that serializers and flags have there.
"""

from __future__ import annotations

from .frames import (
    FLAG_METADATA,
    PYRO4_PREFIX,
    PYRO4_VERSION,
    Pyro4Decoder,
    encode_pyro4_frame,
)
from .handshakes import (
    Pyro4Connect,
    accept_value,
    read_pyro4_connect,
)
from .serializers import pyro4_serializers
from .signatures import HmacKey

__all__ = [
    "FLAG_METADATA",
    "PYRO4_PREFIX",
    "PYRO4_VERSION",
    "HmacKey",
    "Pyro4Connect",
    "Pyro4Decoder",
    "accept_value",
    "encode_pyro4_frame",
    "pyro4_serializers",
    "read_pyro4_connect",
]
