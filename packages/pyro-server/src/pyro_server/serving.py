"""Serving objects in one call: `serve`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyro_protocol.naming import locate_ns

from .daemon import Daemon

__all__ = ["serve"]


def serve(
    objects: Mapping[Any, str | None],
    host: str | None = None,
    port: int = 0,
    daemon: Daemon | None = None,
    use_ns: bool = True,  # noqa: FBT001, FBT002 - documented
    verbose: bool = True,  # noqa: FBT001, FBT002 - documented
) -> None:
    """Serve objects until the program is interrupted.

    Args:
        objects: the objects or classes, each with its name or None.
        host: where to listen; None means ``config.HOST``.
        port: the TCP port; 0 lets the system choose.
        daemon: the daemon to use; it is closed at the end. Without it one is made.
        use_ns: whether the names are registered in the name server; otherwise
            they become the object ids.
        verbose: whether to print what is served.

    Raises:
        NamingError: the name server was not found.
        DaemonError: an object or id is registered already.
    """
    with daemon or Daemon(host, port) as server:
        name_server = locate_ns() if use_ns else None
        for target, name in objects.items():
            if name_server is None:
                uri = server.register(target, name)
            else:
                uri = server.register(target)
                if name:
                    name_server.register(name, uri)
            if verbose:
                label = f" as {name}" if name else ""
                print(f"{target!r}{label}\n    uri = {uri}", flush=True)  # noqa: T201 - asked for
        if name_server is not None:
            name_server._pyroRelease()
        if verbose:
            print("Pyro daemon running.", flush=True)  # noqa: T201 - asked for
        server.requestLoop()
