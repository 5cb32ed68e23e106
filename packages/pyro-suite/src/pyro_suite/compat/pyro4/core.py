"""``Pyro4.core``: URIs, proxies, daemons, and the marks of what is exposed."""

from __future__ import annotations

from pyro_client.batch import BatchProxy, batch
from pyro_client.futures import asyncproxy
from pyro_client.streams import StreamIterator
from pyro_protocol import URI, behavior, callback, current_context, expose, oneway
from pyro_protocol.references import SerializedBlob

# The settings come first: they say what proxies and daemons begin with.
from .configuration import config
from .daemons import Daemon, DaemonObject
from .proxies import Proxy

__all__ = [
    "URI",
    "BatchProxy",
    "Daemon",
    "DaemonObject",
    "Proxy",
    "SerializedBlob",
    "asyncproxy",
    "batch",
    "behavior",
    "callback",
    "config",
    "current_context",
    "expose",
    "oneway",
]

_BatchProxyAdapter = BatchProxy
_StreamResultIterator = StreamIterator
