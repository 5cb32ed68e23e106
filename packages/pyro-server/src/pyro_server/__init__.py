"""Daemons: make objects reachable for other processes."""

from __future__ import annotations

from pyro_protocol import (
    URI,
    SerializedBlob,
    behavior,
    callback,
    config,
    current_context,
    errors,
    expose,
    locate_ns,
    oneway,
    register_class,
    register_class_to_dict,
    register_dict_to_class,
    unregister_class,
    unregister_class_to_dict,
    unregister_dict_to_class,
)
from pyro_protocol.dispatch import DaemonObject

from .__about__ import __version__
from .daemon import Daemon
from .serving import serve

__all__ = [
    "URI",
    "Daemon",
    "DaemonObject",
    "SerializedBlob",
    "__version__",
    "behavior",
    "callback",
    "config",
    "current_context",
    "errors",
    "expose",
    "locate_ns",
    "oneway",
    "register_class",
    "register_class_to_dict",
    "register_dict_to_class",
    "serve",
    "unregister_class",
    "unregister_class_to_dict",
    "unregister_dict_to_class",
]
