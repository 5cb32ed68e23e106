"""Serving objects in one call, as the programs of Pyro5 and Pyro4 do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyro_server import Daemon

__all__ = ["serve_objects"]


def serve_objects(
    daemon: Daemon,
    objects: Mapping[Any, str | None],
    locate: Callable[[], Any] | None,
    *,
    verbose: bool,
) -> None:
    """Serve objects until interrupted, and close the daemon.

    A name that is taken already gets the new object, and all names stay in the name
    server at the end; those of `pyro_server.serve` do not.

    Args:
        daemon: the daemon.
        objects: the objects or classes, each with its name or None.
        locate: finds the name server in which the names are registered; with None
            they become the object ids.
        verbose: whether to print what is served.

    Raises:
        NamingError: the name server was not found.
        DaemonError: an object or id is registered already.
    """
    with daemon:
        name_server = locate() if locate else None
        for target, name in objects.items():
            uri = daemon.register(target, None if locate else name)
            if verbose:
                print(f"Object {target!r}:\n    uri = {uri}")  # noqa: T201 - asked for
            if name_server is not None and name:
                name_server.register(name, uri)
                if verbose:
                    print(f"    name = {name}")  # noqa: T201 - asked for
        if name_server is not None:
            name_server._pyroRelease()
        if verbose:
            print("Pyro daemon running.", flush=True)  # noqa: T201 - asked for
        daemon.requestLoop()
