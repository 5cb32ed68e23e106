"""From one request to one outcome: objects, instances, streams, calls."""

from __future__ import annotations

from .calls import Call, StreamStarted
from .client import ClientConnection
from .daemon_object import DAEMON_NAME, DaemonObject
from .details import CallDetails
from .dispatcher import CallFailure, Dispatcher
from .gates import GateTable, passage_of_batch
from .guarded import Authorizer, GuardedDispatcher
from .hooks import CallHook, HookTable
from .identity import Identity, PeerCredentials
from .leases import LeasedObject, LeaseTable
from .registry import ObjectRegistry, Registration
from .streams import StreamTable

__all__ = [
    "DAEMON_NAME",
    "Authorizer",
    "Call",
    "CallDetails",
    "CallFailure",
    "CallHook",
    "ClientConnection",
    "DaemonObject",
    "Dispatcher",
    "GateTable",
    "GuardedDispatcher",
    "HookTable",
    "Identity",
    "LeaseTable",
    "LeasedObject",
    "ObjectRegistry",
    "PeerCredentials",
    "Registration",
    "StreamStarted",
    "StreamTable",
    "passage_of_batch",
]
