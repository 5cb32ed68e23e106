"""The contract every Pyro package stands on: wire, sessions, serializers, naming."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from . import errors
from .__about__ import __version__
from .config import PROTOCOL_VERSION, Configuration, config
from .context import current_context
from .uri import URI

if TYPE_CHECKING:
    from .contract import (
        behavior,
        callback,
        concurrency,
        expose,
        idempotent,
        oneway,
        requires,
    )
    from .dispatch import DAEMON_NAME
    from .naming import (
        NAMESERVER_NAME,
        NameChange,
        NameEntry,
        NameServerClient,
        NameWatch,
        locate_ns,
        type_meta,
    )
    from .naming.resolve import resolve
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

__all__ = [
    "DAEMON_NAME",
    "NAMESERVER_NAME",
    "PROTOCOL_VERSION",
    "URI",
    "Configuration",
    "NameChange",
    "NameEntry",
    "NameServerClient",
    "NameWatch",
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
    "idempotent",
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

_MODULES = {
    "DAEMON_NAME": "dispatch",
    "NAMESERVER_NAME": "naming",
    "NameChange": "naming",
    "NameEntry": "naming",
    "NameServerClient": "naming",
    "NameWatch": "naming",
    "ProxyState": "references",
    "SerializedBlob": "references",
    "behavior": "contract",
    "callback": "contract",
    "concurrency": "contract",
    "expose": "contract",
    "idempotent": "contract",
    "locate_ns": "naming",
    "oneway": "contract",
    "register_class": "serializers",
    "register_class_to_dict": "serializers",
    "register_dict_to_class": "serializers",
    "requires": "contract",
    "resolve": "naming",
    "serializers": "serializers",
    "type_meta": "naming",
    "unregister_class": "serializers",
    "unregister_class_to_dict": "serializers",
    "unregister_dict_to_class": "serializers",
}


def __getattr__(name: str) -> object:
    """Import what many programs do without when it is used."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{module}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Has ``serializers`` stay the table of that name."""

    def __setattr__(self, name: str, value: object) -> None:
        # Python sets each package within this one, once that is imported.
        if name == "serializers" and isinstance(value, ModuleType):
            value = value.serializers
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

if config.LOGLEVEL:
    from .logs import configure_logging as _configure_logging

    _configure_logging(config)
