"""``Pyro5.server``: daemons, and the marks that say what they offer."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pyro_server
from pyro_protocol import behavior, callback, expose, oneway
from pyro_protocol.dispatch import DaemonObject

from ..serving import serve_objects
from .core import locate_ns

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from ipaddress import IPv4Address, IPv6Address

    from pyro_protocol import URI

    Host = str | IPv4Address | IPv6Address

__all__ = [
    "Daemon",
    "DaemonObject",
    "behavior",
    "callback",
    "expose",
    "oneway",
    "serve",
]


class Daemon(pyro_server.Daemon):
    """Makes objects reachable for other processes.

    Args:
        host: where to listen; None means ``config.HOST``.
        port: the TCP port; 0 lets the system choose.
        unixsocket: the path of a Unix socket to listen on instead.
        nathost: the host that URIs name instead; None means ``config.NATHOST``.
        natport: the port that URIs name; 0 means the real one.
        interface: the class of the object ``Pyro.Daemon``.
        connected_socket: a socket to serve instead of listening.

    Raises:
        ValueError: arguments or settings that do not go together.
        CommunicationError: the address cannot be listened on.
    """

    __module__ = "Pyro5.server"

    def __init__(
        self,
        host: Host | None = None,
        port: int = 0,
        unixsocket: str | None = None,
        nathost: str | None = None,
        natport: int | None = None,
        interface: type = DaemonObject,
        connected_socket: socket.socket | None = None,
    ) -> None:
        super().__init__(
            None if host is None else str(host),
            port,
            unixsocket,
            nathost,
            natport,
            interface,
            connected_socket,
        )

    def register(
        self,
        obj_or_class: Any,
        objectId: str | None = None,
        force: bool = False,
        weak: bool = False,
        **more: Any,
    ) -> URI:
        """Make an object, or the instances of a class, reachable.

        As in Pyro5 a property whose getter is exposed can be set as well.

        Args:
            obj_or_class: the object or class.
            objectId: its id; without one it gets a random one.
            force: whether to replace what is registered with this id.
            weak: whether to keep a weak reference only.
            more: what `pyro_server.Daemon.register` takes besides.

        Raises:
            DaemonError: the object, or the id, is registered already.
            TypeError: the id is not text, or a class is registered weakly.
            PyroError: the id cannot be part of a URI.
        """
        _expose_setters(obj_or_class)
        return super().register(obj_or_class, objectId, force, weak, **more)

    def resetMetadataCache(self, objectOrId: Any, nat: bool = True) -> None:
        """Work out anew what an object offers, after its class was changed."""
        target = objectOrId
        if isinstance(objectOrId, str):
            target = self.objectsById.get(objectOrId)
        _expose_setters(target)
        super().resetMetadataCache(objectOrId, nat)

    def combine(self, daemon: Any) -> None:
        """Serve another daemon, or what answers broadcasts, along with this one.

        Raises:
            TypeError: this or the other daemon is not a multiplex server.
            PyroError: one of them serves a connected socket.
        """
        if isinstance(daemon, pyro_server.Daemon):
            super().combine(daemon)
        else:
            # Only a multiplex server has this; the answers need none of its loop.
            _ = self.selector
            daemon.runInThread()

    @staticmethod
    def serveSimple(
        objects: Mapping[Any, str | None],
        host: Host | None = None,
        port: int = 0,
        daemon: pyro_server.Daemon | None = None,
        ns: bool = True,
        verbose: bool = True,
    ) -> None:
        """Serve objects until interrupted; the older spelling of `serve`."""
        serve(objects, host, port, daemon, use_ns=ns, verbose=verbose)


def _expose_setters(obj_or_class: Any) -> None:
    """Mark the setters of properties whose getters are exposed."""
    clazz = obj_or_class if inspect.isclass(obj_or_class) else type(obj_or_class)
    for base in clazz.__mro__:
        for member in [*vars(base).values()]:
            if (
                isinstance(member, property)
                and member.fset is not None
                and getattr(member.fget, "_pyroExposed", False) is True
            ):
                setter: Any = member.fset
                setter._pyroExposed = True


def serve(
    objects: Mapping[Any, str | None],
    host: Host | None = None,
    port: int = 0,
    daemon: pyro_server.Daemon | None = None,
    use_ns: bool = True,
    verbose: bool = True,
) -> None:
    """Serve objects until the program is interrupted.

    Args:
        objects: the objects or classes, each with its name or None.
        host: where to listen; None means ``config.HOST``.
        port: the TCP port; 0 lets the system choose.
        daemon: the daemon to use; it is closed at the end. Without it one is made.
        use_ns: whether the names are registered in the name server; otherwise they
            become the object ids.
        verbose: whether to print what is served.

    Raises:
        NamingError: the name server was not found.
        DaemonError: an object or id is registered already.
    """
    serve_objects(
        daemon or Daemon(host, port),
        objects,
        locate_ns if use_ns else None,
        verbose=verbose,
    )
