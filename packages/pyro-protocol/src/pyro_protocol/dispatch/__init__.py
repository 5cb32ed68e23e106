"""From one request to one outcome: objects, instances, streams, calls."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

_MODULES = {
    "Authorizer": "guarded",
    "Call": "calls",
    "CallDetails": "details",
    "CallFailure": "dispatcher",
    "CallHook": "hooks",
    "ClientConnection": "client",
    "DAEMON_NAME": "daemon_object",
    "DaemonObject": "daemon_object",
    "Dispatcher": "dispatcher",
    "GateTable": "gates",
    "GuardedDispatcher": "guarded",
    "HookTable": "hooks",
    "Identity": "identity",
    "LeaseTable": "leases",
    "LeasedObject": "leases",
    "ObjectRegistry": "registry",
    "PeerCredentials": "identity",
    "Registration": "registry",
    "StreamStarted": "calls",
    "StreamTable": "streams",
    "passage_of_batch": "gates",
}


def __getattr__(name: str) -> object:
    """Import a module when it is used: a client needs few of them."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{module}", __name__), name)
