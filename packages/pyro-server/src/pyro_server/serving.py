"""Serving objects in one call: `serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyro_protocol.config import Configuration, config
from pyro_protocol.naming import locate_ns

from .announcements import Announcement
from .daemon import Daemon
from .publication import NameKeeper

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["serve"]


def serve(
    objects: Mapping[Any, str | None],
    host: str | None = None,
    port: int = 0,
    daemon: Daemon | None = None,
    use_ns: bool = True,
    verbose: bool = True,
    *,
    config: Configuration = config,
) -> None:
    """Serve objects until the program is interrupted.

    Args:
        objects: the objects or classes, each with its name or None.
        host: where to listen; None means ``config.HOST``.
        port: the TCP port; 0 lets the system choose.
        daemon: the daemon to use; it is closed at the end. Without it one is made.
        use_ns: whether the names are registered in the name server, as by
            `Daemon.announce`, until the end; otherwise they become the object ids.
        verbose: whether to print what is served.
        config: the settings of the daemon that is made, and of the search for the
            name server.

    Raises:
        NamingError: the name server was not found, or a name is another's.
        DaemonError: an object or id is registered already.
    """
    with daemon or Daemon(host, port, config=config) as server:
        if use_ns:
            # Also if nothing has a name: who wants a name server wants to hear of that.
            locate_ns(config=config)._pyroRelease()
        for target, name in objects.items():
            uri = server.register(target, None if use_ns else name)
            if use_ns and name:
                keeper = server._keeper_of_names(lambda: NameKeeper(config))  # noqa: SLF001 - with these settings
                keeper.announce(Announcement.of(name, uri, config)).result()
            if verbose:
                label = f" as {name}" if name else ""
                print(f"{target!r}{label}\n    uri = {uri}")  # noqa: T201 - asked for
        if verbose:
            print("Pyro daemon running.", flush=True)  # noqa: T201 - asked for
        server.requestLoop()
