"""The daemon of Pyro4 programs."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from pyro_protocol import expose
from pyro_protocol.contract.exposure import is_private_name
from pyro_protocol.dispatch import DaemonObject as ProtocolDaemonObject
from pyro_server.daemon import Daemon as ServerDaemon

from ..serving import serve_objects
from .configuration import config, synchronise

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from pyro_protocol import URI
    from pyro_protocol.references import ProxyState

__all__ = ["Daemon", "DaemonObject"]


class DaemonObject(ProtocolDaemonObject):
    """The object ``Pyro.Daemon``: remote access to the server's own services."""

    @expose
    def get_metadata(self, objectId: str, as_lists: bool = False) -> dict[str, Any]:
        """Return the names an object offers: ``methods``, ``oneway``, ``attrs``.

        Args:
            objectId: the id of the object.
            as_lists: whether to give lists, not sets.

        Raises:
            DaemonError: there is no such object.
        """
        names = super().get_metadata(objectId)
        if as_lists:
            return {kind: sorted(of_kind) for kind, of_kind in names.items()}
        return dict(names)


class Daemon(ServerDaemon):
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

    def __init__(
        self,
        host: str | None = None,
        port: int = 0,
        unixsocket: str | None = None,
        nathost: str | None = None,
        natport: int | None = None,
        interface: type = DaemonObject,
        connected_socket: socket.socket | None = None,
    ) -> None:
        synchronise()
        super().__init__(
            host, port, unixsocket, nathost, natport, interface, connected_socket
        )

    def register(
        self,
        obj_or_class: Any,
        objectId: str | None = None,
        force: bool = False,
        weak: bool = False,
        **how: Any,
    ) -> URI:
        """Make an object, or the instances of a class, reachable.

        Without ``config.REQUIRE_EXPOSE`` all that is public in its class is exposed
        first.

        Args:
            obj_or_class: the object or class.
            objectId: its id; without it a random one is made.
            force: whether it may replace another object of that id, and be
                registered a second time.
            weak: whether the object may vanish when nothing else refers to it.
            how: what the base class takes besides.

        Raises:
            TypeError: the id is not text, or a class is registered weakly.
            DaemonError: the id or the object is registered already, or the id cannot be
                part of a URI.
        """
        if not config.REQUIRE_EXPOSE:
            _expose_all(
                obj_or_class if inspect.isclass(obj_or_class) else type(obj_or_class)
            )
        return super().register(obj_or_class, objectId, force, weak, **how)

    def reference_of(self, obj: object) -> ProxyState | None:
        """Return the reference to an object registered here, else None."""
        return super().reference_of(obj) if config.AUTOPROXY else None

    def combine(self, daemon: Any) -> None:
        """Serve another daemon, or what answers broadcasts, in this one's loop as well.

        Raises:
            TypeError: one of the two is not a multiplex server.
            PyroError: one of the two serves a connected socket.
        """
        if isinstance(daemon, ServerDaemon):
            super().combine(daemon)
        else:
            # It answers a datagram at a time, so a thread of its own does as well.
            daemon.runInThread()

    @staticmethod
    def serveSimple(
        objects: Mapping[Any, str | None],
        host: str | None = None,
        port: int = 0,
        daemon: ServerDaemon | None = None,
        ns: bool = True,
        verbose: bool = True,
    ) -> None:
        """Serve objects until interrupted.

        Args:
            objects: the objects or classes, each with its name or None.
            host: where to listen; None means ``config.HOST``.
            port: the TCP port; 0 lets the system choose.
            daemon: the daemon to use; it is closed at the end.
            ns: whether the names are registered in the name server; otherwise they
                become the object ids.
            verbose: whether to print what is served.

        Raises:
            NamingError: the name server was not found.
            DaemonError: an object or id is registered already.
        """
        from .naming import locateNS  # noqa: PLC0415 - it is made of daemons

        serve_objects(
            daemon or Daemon(host, port),
            objects,
            locateNS if ns else None,
            verbose=verbose,
        )


def _expose_all(clazz: type) -> None:
    """Mark all that is public in a class and its bases, as if it were decorated."""
    for base in clazz.__mro__:
        for name, member in list(vars(base).items()):
            function = getattr(member, "__func__", member)
            marked = inspect.isfunction(function) or isinstance(member, property)
            if marked and not is_private_name(name):
                expose(function)
