"""The two ends of a conversation, without sockets: bytes in, events out."""

from __future__ import annotations

from .capabilities import CAPABILITIES_ID, SUPPORTED_CAPABILITIES
from .client import ClientSession, ConnectAccepted, ConnectRefused
from .replies import StreamReference, read_reply
from .server import ConnectRequest, ServerSession
from .service import ServerConnection, Service
from .settings import SessionSettings

__all__ = [
    "CAPABILITIES_ID",
    "SUPPORTED_CAPABILITIES",
    "ClientSession",
    "ConnectAccepted",
    "ConnectRefused",
    "ConnectRequest",
    "ServerConnection",
    "ServerSession",
    "Service",
    "SessionSettings",
    "StreamReference",
    "read_reply",
]
