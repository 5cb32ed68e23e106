"""``Pyro5.api``: what programs usually need, in one place."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pyro_protocol import (
    behavior,
    callback,
    expose,
    oneway,
    register_class_to_dict,
    register_dict_to_class,
    unregister_class_to_dict,
    unregister_dict_to_class,
)

from .callcontext import current_context
from .client import BatchProxy, Proxy, SerializedBlob
from .configure import Configuration, global_config
from .core import URI, locate_ns, resolve, type_meta
from .serializers import SerializerBase

if TYPE_CHECKING:
    from .nameserver import start_ns, start_ns_loop
    from .server import Daemon, DaemonObject, serve

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

_MODULES = {
    "Daemon": ".server",
    "DaemonObject": ".server",
    "serve": ".server",
    "start_ns": ".nameserver",
    "start_ns_loop": ".nameserver",
}


def __getattr__(name: str) -> object:
    """Import what only servers need when it is used: most of the time is theirs."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(module, __package__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
