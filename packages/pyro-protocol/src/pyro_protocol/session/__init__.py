"""The two ends of a conversation, without sockets: bytes in, events out."""

from __future__ import annotations

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
from .server import ConnectRequest, ServerSession
from .service import ServerConnection, Service
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
