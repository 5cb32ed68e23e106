"""All of Pyro in one install: client, server, name server and HTTP gateway.

Every public name of the five parts can be imported from here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .__about__ import __version__

if TYPE_CHECKING:
    from pyro_client import (
        AsyncBatchProxy,
        AsyncProxy,
        AsyncStreamIterator,
        BatchCall,
        BatchProxy,
        BatchResults,
        Candidate,
        Future,
        FutureResult,
        Proxy,
        RemoteCall,
        RemoteMember,
        RemoteMethod,
        ReplicaProxy,
        RetryPlan,
        RetryPolicy,
        StreamIterator,
        asyncproxy,
        batch,
        connect,
        connect_async,
        connected,
        connected_async,
        replicas,
        with_timeout,
    )
    from pyro_httpgw import (
        asgi_app,
        pyro_app,
    )
    from pyro_naming import (
        AccessRules,
        AsyncNameServerDaemon,
        DbmStorage,
        MemoryStorage,
        NameServer,
        NameServerDaemon,
        Registration,
        SqlStorage,
        StartedNameServer,
        Storage,
        start_ns,
        start_ns_loop,
        storage_from_text,
    )
    from pyro_protocol import (
        DAEMON_NAME,
        NAMESERVER_NAME,
        PROTOCOL_VERSION,
        URI,
        Configuration,
        NameChange,
        NameEntry,
        NameServerClient,
        NameWatch,
        ProxyState,
        SerializedBlob,
        behavior,
        callback,
        concurrency,
        config,
        current_context,
        errors,
        expose,
        idempotent,
        locate_ns,
        oneway,
        register_class,
        register_class_to_dict,
        register_dict_to_class,
        requires,
        resolve,
        serializers,
        type_meta,
        unregister_class,
        unregister_class_to_dict,
        unregister_dict_to_class,
    )
    from pyro_server import (
        CallDetails,
        CallHook,
        Daemon,
        DaemonObject,
        Identity,
        serve,
    )

__all__ = [
    "DAEMON_NAME",
    "NAMESERVER_NAME",
    "PROTOCOL_VERSION",
    "URI",
    "AccessRules",
    "AsyncBatchProxy",
    "AsyncNameServerDaemon",
    "AsyncProxy",
    "AsyncStreamIterator",
    "BatchCall",
    "BatchProxy",
    "BatchResults",
    "CallDetails",
    "CallHook",
    "Candidate",
    "Configuration",
    "Daemon",
    "DaemonObject",
    "DbmStorage",
    "Future",
    "FutureResult",
    "Identity",
    "MemoryStorage",
    "NameChange",
    "NameEntry",
    "NameServer",
    "NameServerClient",
    "NameServerDaemon",
    "NameWatch",
    "Proxy",
    "ProxyState",
    "Registration",
    "RemoteCall",
    "RemoteMember",
    "RemoteMethod",
    "ReplicaProxy",
    "RetryPlan",
    "RetryPolicy",
    "SerializedBlob",
    "SqlStorage",
    "StartedNameServer",
    "Storage",
    "StreamIterator",
    "__version__",
    "asgi_app",
    "asyncproxy",
    "batch",
    "behavior",
    "callback",
    "concurrency",
    "config",
    "connect",
    "connect_async",
    "connected",
    "connected_async",
    "current_context",
    "errors",
    "expose",
    "idempotent",
    "locate_ns",
    "oneway",
    "pyro_app",
    "register_class",
    "register_class_to_dict",
    "register_dict_to_class",
    "replicas",
    "requires",
    "resolve",
    "serializers",
    "serve",
    "start_ns",
    "start_ns_loop",
    "storage_from_text",
    "type_meta",
    "unregister_class",
    "unregister_class_to_dict",
    "unregister_dict_to_class",
    "with_timeout",
]

# In this order, as the gateway takes longest to import.
_PARTS = ("pyro_protocol", "pyro_client", "pyro_server", "pyro_naming", "pyro_httpgw")


def __getattr__(name: str) -> object:
    """Import no more of the parts than what is used."""
    if name in __all__:
        for part in map(import_module, _PARTS):
            if name in part.__all__:
                return getattr(part, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
