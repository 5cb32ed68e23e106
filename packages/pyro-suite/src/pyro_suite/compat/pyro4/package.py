"""The module ``Pyro4``: the names that programs use most."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from . import (
    configuration,
    constants,
    core,
    errors,
    futures,
    message,
    naming,
    socketutil,
    util,
)
from .configuration import config
from .core import (
    URI,
    Daemon,
    Proxy,
    asyncproxy,
    batch,
    behavior,
    callback,
    current_context,
    expose,
    oneway,
)
from .futures import Future
from .naming import locateNS, resolve

__all__ = [
    "URI",
    "Daemon",
    "Future",
    "Proxy",
    "__version__",
    "asyncproxy",
    "batch",
    "behavior",
    "callback",
    "config",
    "configuration",
    "constants",
    "core",
    "current_context",
    "errors",
    "expose",
    "futures",
    "locateNS",
    "message",
    "naming",
    "oneway",
    "resolve",
    "socketutil",
    "util",
]

if TYPE_CHECKING:
    from types import ModuleType

__version__ = constants.VERSION

_TOOLS = frozenset({"naming_storage", "nsc", "test", "utils"})


def __getattr__(name: str) -> ModuleType:
    """Import a module that few programs need when it is used."""
    if name in _TOOLS:
        return import_module(f".{name}", __package__)
    raise AttributeError(f"module 'Pyro4' has no attribute {name!r}")
