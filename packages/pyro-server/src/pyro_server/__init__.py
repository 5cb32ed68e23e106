"""Daemons: make objects reachable for other processes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pyro_protocol import URI, Configuration, config, current_context, errors

from .__about__ import __version__

if TYPE_CHECKING:
    from pyro_protocol import (
        SerializedBlob,
        behavior,
        callback,
        concurrency,
        expose,
        idempotent,
        locate_ns,
        oneway,
        register_class,
        register_class_to_dict,
        register_dict_to_class,
        requires,
        unregister_class,
        unregister_class_to_dict,
        unregister_dict_to_class,
    )
    from pyro_protocol.dispatch import (
        CallDetails,
        CallHook,
        DaemonObject,
        Identity,
    )

    from .daemon import Daemon
    from .serving import serve

__all__ = [
    "URI",
    "CallDetails",
    "CallHook",
    "Configuration",
    "Daemon",
    "DaemonObject",
    "Identity",
    "SerializedBlob",
    "__version__",
    "behavior",
    "callback",
    "concurrency",
    "config",
    "current_context",
    "errors",
    "expose",
    "idempotent",
    "locate_ns",
    "oneway",
    "register_class",
    "register_class_to_dict",
    "register_dict_to_class",
    "requires",
    "serve",
    "unregister_class",
    "unregister_class_to_dict",
    "unregister_dict_to_class",
]

_MODULES = {
    "CallDetails": "pyro_protocol.dispatch",
    "CallHook": "pyro_protocol.dispatch",
    "Daemon": "pyro_server.daemon",
    "DaemonObject": "pyro_protocol.dispatch",
    "Identity": "pyro_protocol.dispatch",
    "serve": "pyro_server.serving",
}


def __getattr__(name: str) -> object:
    """Import the daemon when it is used: a module of exposed classes does without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES.get(name, "pyro_protocol")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
