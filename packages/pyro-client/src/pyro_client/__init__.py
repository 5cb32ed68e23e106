"""Client proxies: call methods of objects that live in another process."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pyro_protocol import URI, Configuration, config, current_context, errors

from .__about__ import __version__
from .batch import BatchProxy, batch
from .deadlines import with_timeout
from .proxy import Proxy, RemoteMethod

if TYPE_CHECKING:
    from pyro_protocol import (
        SerializedBlob,
        expose,
        locate_ns,
        oneway,
        register_class,
        register_class_to_dict,
        register_dict_to_class,
        resolve,
        unregister_class,
        unregister_class_to_dict,
        unregister_dict_to_class,
    )

    from .async_batch import AsyncBatchProxy, BatchCall, BatchResults
    from .async_calls import RemoteCall, RemoteMember
    from .async_proxy import AsyncProxy
    from .async_streams import AsyncStreamIterator
    from .connecting import connect, connect_async, connected, connected_async
    from .futures import Future, FutureResult, asyncproxy
    from .retries import RetryPlan, RetryPolicy
    from .spreading import Candidate, ReplicaProxy, replicas
    from .streams import StreamIterator

__all__ = [
    "URI",
    "AsyncBatchProxy",
    "AsyncProxy",
    "AsyncStreamIterator",
    "BatchCall",
    "BatchProxy",
    "BatchResults",
    "Candidate",
    "Configuration",
    "Future",
    "FutureResult",
    "Proxy",
    "RemoteCall",
    "RemoteMember",
    "RemoteMethod",
    "ReplicaProxy",
    "RetryPlan",
    "RetryPolicy",
    "SerializedBlob",
    "StreamIterator",
    "__version__",
    "asyncproxy",
    "batch",
    "config",
    "connect",
    "connect_async",
    "connected",
    "connected_async",
    "current_context",
    "errors",
    "expose",
    "locate_ns",
    "oneway",
    "register_class",
    "register_class_to_dict",
    "register_dict_to_class",
    "replicas",
    "resolve",
    "unregister_class",
    "unregister_class_to_dict",
    "unregister_dict_to_class",
    "with_timeout",
]

_MODULES = {
    "AsyncBatchProxy": "async_batch",
    "AsyncProxy": "async_proxy",
    "AsyncStreamIterator": "async_streams",
    "BatchCall": "async_batch",
    "BatchResults": "async_batch",
    "Candidate": "spreading",
    "Future": "futures",
    "FutureResult": "futures",
    "RemoteCall": "async_calls",
    "RemoteMember": "async_calls",
    "ReplicaProxy": "spreading",
    "RetryPlan": "retries",
    "RetryPolicy": "retries",
    "StreamIterator": "streams",
    "asyncproxy": "futures",
    "connect": "connecting",
    "connect_async": "connecting",
    "connected": "connecting",
    "connected_async": "connecting",
    "replicas": "spreading",
}
_PROTOCOL = frozenset(
    {
        "SerializedBlob",
        "expose",
        "locate_ns",
        "oneway",
        "register_class",
        "register_class_to_dict",
        "register_dict_to_class",
        "resolve",
        "unregister_class",
        "unregister_class_to_dict",
        "unregister_dict_to_class",
    }
)


def __getattr__(name: str) -> object:
    """Import what most programs do without when it is used.

    What needs asyncio takes as long as all the rest.
    """
    if name in _PROTOCOL:
        return getattr(import_module("pyro_protocol"), name)
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{module}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
