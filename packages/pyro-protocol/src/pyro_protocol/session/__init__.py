"""The two ends of a conversation, without sockets: bytes in, events out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .answering import RefusedRequest
from .capabilities import (
    CAPABILITIES_ID,
    DEFAULT_CAPABILITIES,
    SUPPORTED_CAPABILITIES,
    Agreement,
)
from .client import ClientSession, ConnectAccepted, ConnectRefused
from .consuming import read_end
from .heartbeat import Heartbeat
from .read_ahead import DEFAULT_READ_AHEAD, NO_READ_AHEAD, CreditPlan, ReadAhead
from .replies import StreamReference, read_reply
from .settings import SessionSettings
from .signals import (
    CallCancelled,
    PongReceived,
    Signal,
    StreamClosed,
    StreamCredited,
    StreamEnded,
    StreamItems,
    StreamWants,
)
from .stream_frames import UNBOUNDED, item_size

if TYPE_CHECKING:
    from .server import ConnectRequest, ServerSession
    from .service import ServerConnection, Service

__all__ = [
    "CAPABILITIES_ID",
    "DEFAULT_CAPABILITIES",
    "DEFAULT_READ_AHEAD",
    "NO_READ_AHEAD",
    "SUPPORTED_CAPABILITIES",
    "UNBOUNDED",
    "Agreement",
    "CallCancelled",
    "ClientSession",
    "ConnectAccepted",
    "ConnectRefused",
    "ConnectRequest",
    "CreditPlan",
    "Heartbeat",
    "PongReceived",
    "ReadAhead",
    "RefusedRequest",
    "ServerConnection",
    "ServerSession",
    "Service",
    "SessionSettings",
    "Signal",
    "StreamClosed",
    "StreamCredited",
    "StreamEnded",
    "StreamItems",
    "StreamReference",
    "StreamWants",
    "item_size",
    "read_end",
    "read_reply",
]

_MODULES = {
    "ConnectRequest": "server",
    "ServerConnection": "service",
    "ServerSession": "server",
    "Service": "service",
}


def __getattr__(name: str) -> object:
    """Import what a client or a server does without when it is used."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{module}", __name__), name)
