"""Daemons: make objects reachable for other processes."""

from __future__ import annotations

from pyro_protocol import (
    URI,
    Configuration,
    SerializedBlob,
    behavior,
    callback,
    concurrency,
    config,
    current_context,
    errors,
    expose,
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

from .__about__ import __version__
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
