"""The Pyro name server: remote objects found by name or by metadata."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pyro_protocol import NameServerClient, locate_ns, type_meta

from .__about__ import __version__

if TYPE_CHECKING:
    from pyro_protocol import NameChange, NameEntry, NameWatch

    from .access import AccessRules
    from .asyncio_daemon import AsyncNameServerDaemon
    from .daemon import NameServerDaemon
    from .launching import StartedNameServer, start_ns, start_ns_loop
    from .name_server import NameServer
    from .storages import (
        DbmStorage,
        MemoryStorage,
        Registration,
        SqlStorage,
        Storage,
        storage_from_text,
    )

__all__ = [
    "AccessRules",
    "AsyncNameServerDaemon",
    "DbmStorage",
    "MemoryStorage",
    "NameChange",
    "NameEntry",
    "NameServer",
    "NameServerClient",
    "NameServerDaemon",
    "NameWatch",
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

_MODULES = {
    "AccessRules": "pyro_naming.access",
    "AsyncNameServerDaemon": "pyro_naming.asyncio_daemon",
    "DbmStorage": "pyro_naming.storages",
    "MemoryStorage": "pyro_naming.storages",
    "NameChange": "pyro_protocol",
    "NameEntry": "pyro_protocol",
    "NameServer": "pyro_naming.name_server",
    "NameServerDaemon": "pyro_naming.daemon",
    "NameWatch": "pyro_protocol",
    "Registration": "pyro_naming.storages",
    "SqlStorage": "pyro_naming.storages",
    "StartedNameServer": "pyro_naming.launching",
    "Storage": "pyro_naming.storages",
    "start_ns": "pyro_naming.launching",
    "start_ns_loop": "pyro_naming.launching",
    "storage_from_text": "pyro_naming.storages",
}


def __getattr__(name: str) -> object:
    """Import the server when it is used: who only asks one does without."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
