"""The client half of naming: find the name server, ask it, resolve names."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .client import NameServerClient
from .locate import locate_ns
from .metadata import type_meta
from .operations import NAMESERVER_NAME
from .records import NameChange, NameEntry
from .resolve import resolve, resolve_all

if TYPE_CHECKING:
    from .asyncio_client import AsyncNameServerClient
    from .asyncio_locate import locate_ns_async
    from .asyncio_resolve import resolve_all_async, resolve_async
    from .asyncio_watch import AsyncNameWatch
    from .watch import NameWatch

__all__ = [
    "NAMESERVER_NAME",
    "AsyncNameServerClient",
    "AsyncNameWatch",
    "NameChange",
    "NameEntry",
    "NameServerClient",
    "NameWatch",
    "locate_ns",
    "locate_ns_async",
    "resolve",
    "resolve_all",
    "resolve_all_async",
    "resolve_async",
    "type_meta",
]

_MODULES = {
    "AsyncNameServerClient": "asyncio_client",
    "AsyncNameWatch": "asyncio_watch",
    "NameWatch": "watch",
    "locate_ns_async": "asyncio_locate",
    "resolve_all_async": "asyncio_resolve",
    "resolve_async": "asyncio_resolve",
}


def __getattr__(name: str) -> object:
    """Import what needs asyncio, or is seldom used, when it is used."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{module}", __name__), name)
