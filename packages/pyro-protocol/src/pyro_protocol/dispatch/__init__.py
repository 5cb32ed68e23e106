"""From one request to one outcome: objects, instances, streams, calls."""

from __future__ import annotations

from .calls import Call, StreamStarted
from .client import ClientConnection
from .daemon_object import DAEMON_NAME, DaemonObject
from .dispatcher import CallFailure, Dispatcher
from .registry import ObjectRegistry, Registration
from .streams import StreamTable

__all__ = [
    "DAEMON_NAME",
    "Call",
    "CallFailure",
    "ClientConnection",
    "DaemonObject",
    "Dispatcher",
    "ObjectRegistry",
    "Registration",
    "StreamStarted",
    "StreamTable",
]
