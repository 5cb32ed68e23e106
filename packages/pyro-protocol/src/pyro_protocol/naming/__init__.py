"""The client half of naming: find the name server, ask it, resolve names."""

from __future__ import annotations

from .asyncio_client import AsyncNameServerClient
from .asyncio_locate import locate_ns_async
from .asyncio_resolve import resolve_async
from .client import NameServerClient
from .locate import locate_ns
from .metadata import type_meta
from .operations import NAMESERVER_NAME
from .resolve import resolve

__all__ = [
    "NAMESERVER_NAME",
    "AsyncNameServerClient",
    "NameServerClient",
    "locate_ns",
    "locate_ns_async",
    "resolve",
    "resolve_async",
    "type_meta",
]
