"""The Pyro name server: remote objects found by name or by metadata."""

from __future__ import annotations

from pyro_protocol import NameServerClient, locate_ns, type_meta

from .__about__ import __version__
from .asyncio_daemon import AsyncNameServerDaemon
from .daemon import NameServerDaemon
from .launching import StartedNameServer, start_ns, start_ns_loop
from .name_server import NameServer
from .storages import (
    MemoryStorage,
    Registration,
    SqlStorage,
    Storage,
    storage_from_text,
)

__all__ = [
    "AsyncNameServerDaemon",
    "MemoryStorage",
    "NameServer",
    "NameServerClient",
    "NameServerDaemon",
    "Registration",
    "SqlStorage",
    "StartedNameServer",
    "Storage",
    "__version__",
    "locate_ns",
    "start_ns",
    "start_ns_loop",
    "storage_from_text",
    "type_meta",
]
