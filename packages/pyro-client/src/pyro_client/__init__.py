"""Client proxies: call methods of objects that live in another process."""

from __future__ import annotations

from pyro_protocol import (
    URI,
    Configuration,
    SerializedBlob,
    config,
    current_context,
    errors,
    locate_ns,
    register_class,
    register_class_to_dict,
    register_dict_to_class,
    resolve,
    unregister_class,
    unregister_class_to_dict,
    unregister_dict_to_class,
)

from .__about__ import __version__
from .batch import BatchProxy, batch
from .proxy import Proxy, RemoteMethod
from .streams import StreamIterator

__all__ = [
    "URI",
    "BatchProxy",
    "Configuration",
    "Proxy",
    "RemoteMethod",
    "SerializedBlob",
    "StreamIterator",
    "__version__",
    "batch",
    "config",
    "current_context",
    "errors",
    "locate_ns",
    "register_class",
    "register_class_to_dict",
    "register_dict_to_class",
    "resolve",
    "unregister_class",
    "unregister_class_to_dict",
    "unregister_dict_to_class",
]
