"""The contract every Pyro package stands on: wire, sessions, serializers, naming."""

from __future__ import annotations

from . import errors
from .__about__ import __version__
from .config import PROTOCOL_VERSION, Configuration, config
from .context import current_context
from .contract import behavior, callback, concurrency, expose, oneway, requires
from .dispatch import DAEMON_NAME
from .logs import configure_logging as _configure_logging
from .naming import (
    NAMESERVER_NAME,
    NameServerClient,
    locate_ns,
    resolve,
    type_meta,
)
from .references import ProxyState, SerializedBlob
from .serializers import (
    register_class,
    register_class_to_dict,
    register_dict_to_class,
    serializers,
    unregister_class,
    unregister_class_to_dict,
    unregister_dict_to_class,
)
from .uri import URI

__all__ = [
    "DAEMON_NAME",
    "NAMESERVER_NAME",
    "PROTOCOL_VERSION",
    "URI",
    "Configuration",
    "NameServerClient",
    "ProxyState",
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
    "resolve",
    "serializers",
    "type_meta",
    "unregister_class",
    "unregister_class_to_dict",
    "unregister_dict_to_class",
]

_configure_logging(config)
