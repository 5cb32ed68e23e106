"""``Pyro5.api``: what programs usually need, in one place."""

from __future__ import annotations

from pyro_protocol import (
    register_class_to_dict,
    register_dict_to_class,
    unregister_class_to_dict,
    unregister_dict_to_class,
)

from .callcontext import current_context
from .client import BatchProxy, Proxy, SerializedBlob
from .configure import Configuration, global_config
from .core import URI, locate_ns, resolve, type_meta
from .nameserver import start_ns, start_ns_loop
from .serializers import SerializerBase
from .server import Daemon, DaemonObject, behavior, callback, expose, oneway, serve

__all__ = [
    "URI",
    "BatchProxy",
    "Daemon",
    "DaemonObject",
    "Proxy",
    "SerializedBlob",
    "SerializerBase",
    "behavior",
    "callback",
    "config",
    "current_context",
    "expose",
    "locate_ns",
    "oneway",
    "register_class_to_dict",
    "register_dict_to_class",
    "resolve",
    "serve",
    "start_ns",
    "start_ns_loop",
    "type_meta",
    "unregister_class_to_dict",
    "unregister_dict_to_class",
]

config: Configuration = global_config
"""The settings of the program."""
