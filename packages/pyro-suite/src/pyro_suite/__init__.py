"""All of Pyro in one install: client, server, name server and HTTP gateway.

Every public name of the five parts can be imported from here.
"""

from __future__ import annotations

from pyro_client import (
    BatchProxy,
    Proxy,
    RemoteMethod,
    StreamIterator,
    batch,
)
from pyro_httpgw import (
    asgi_app,
    pyro_app,
)
from pyro_naming import (
    AsyncNameServerDaemon,
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
    NameServerClient,
    ProxyState,
    SerializedBlob,
    behavior,
    callback,
    config,
    current_context,
    errors,
    expose,
    locate_ns,
    oneway,
    register_class_to_dict,
    register_dict_to_class,
    resolve,
    serializers,
    type_meta,
    unregister_class_to_dict,
    unregister_dict_to_class,
)
from pyro_server import (
    Daemon,
    DaemonObject,
    serve,
)

from .__about__ import __version__

__all__ = [
    "DAEMON_NAME",
    "NAMESERVER_NAME",
    "PROTOCOL_VERSION",
    "URI",
    "AsyncNameServerDaemon",
    "BatchProxy",
    "Configuration",
    "Daemon",
    "DaemonObject",
    "MemoryStorage",
    "NameServer",
    "NameServerClient",
    "NameServerDaemon",
    "Proxy",
    "ProxyState",
    "Registration",
    "RemoteMethod",
    "SerializedBlob",
    "SqlStorage",
    "StartedNameServer",
    "Storage",
    "StreamIterator",
    "__version__",
    "asgi_app",
    "batch",
    "behavior",
    "callback",
    "config",
    "current_context",
    "errors",
    "expose",
    "locate_ns",
    "oneway",
    "pyro_app",
    "register_class_to_dict",
    "register_dict_to_class",
    "resolve",
    "serializers",
    "serve",
    "start_ns",
    "start_ns_loop",
    "storage_from_text",
    "type_meta",
    "unregister_class_to_dict",
    "unregister_dict_to_class",
]
