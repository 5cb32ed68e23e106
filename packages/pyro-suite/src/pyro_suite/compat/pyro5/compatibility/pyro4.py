"""``Pyro5.compatibility.Pyro4``: the names in Pyro4's package itself.

For its modules, such as ``Pyro4.naming``, there is `pyro_suite.compat.pyro4`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pyro_client import BatchProxy, Future, asyncproxy, batch
from pyro_protocol.errors import excepthook, get_pyro_traceback

from .. import api, errors
from .. import socketutil as _sockets
from ..api import (
    URI,
    Daemon,
    Proxy,
    SerializerBase,
    behavior,
    callback,
    current_context,
    expose,
    oneway,
)
from ..configure import Configuration, global_config
from ..errors import format_traceback

if TYPE_CHECKING:
    import socket
    from ipaddress import IPv4Address, IPv6Address

__all__ = [
    "URI",
    "BatchProxy",
    "Daemon",
    "Future",
    "Proxy",
    "asyncproxy",
    "batch",
    "behavior",
    "callback",
    "config",
    "constants",
    "current_context",
    "errors",
    "expose",
    "locateNS",
    "oneway",
    "resolve",
    "socketutil",
    "util",
]


class CompatConfiguration(Configuration):
    """The settings, with the method names of Pyro4 too."""

    __module__ = "Pyro5.compatibility.Pyro4"
    __slots__ = ()

    def asDict(self) -> dict[str, Any]:  # noqa: N802 - the documented name
        """Return the names and values of the items."""
        return self.as_dict()


def _settings() -> CompatConfiguration:
    result = CompatConfiguration.__new__(CompatConfiguration)
    object.__setattr__(result, "_settings", global_config._settings)  # noqa: SLF001 - the same ones
    return result


config: CompatConfiguration = _settings()
"""The settings of the program."""


def locateNS(  # noqa: N802 - the documented name
    host: str | IPv4Address | IPv6Address | None = None,
    port: int | None = None,
    broadcast: bool = True,
    hmac_key: bytes | None = None,
) -> Proxy:
    """Find the name server, and return a connected proxy for it.

    Raises:
        NamingError: there is none, or it cannot be reached.
        NotImplementedError: a key is given.
    """
    _refuse_key(hmac_key)
    return api.locate_ns(host or "", port, broadcast)


def resolve(uri: str | URI, hmac_key: bytes | None = None) -> URI:
    """Return the ``PYRO`` URI of the object that a URI stands for.

    Raises:
        NamingError: there is no such name, or no name server.
        NotImplementedError: a key is given.
    """
    _refuse_key(hmac_key)
    return api.resolve(uri)


def _refuse_key(hmac_key: bytes | None) -> None:
    if hmac_key:
        raise NotImplementedError(
            "Pyro5 has no HMAC keys; use TLS, or a check of the handshake"
        )


class ConstantsModule:
    """What ``Pyro4.constants`` has."""

    __module__ = "Pyro5.compatibility.Pyro4"

    VERSION: Final = "5.17"
    DAEMON_NAME: Final = "Pyro.Daemon"
    NAMESERVER_NAME: Final = "Pyro.NameServer"
    PROTOCOL_VERSION: Final = 502


class UtilModule:
    """What ``Pyro4.util`` has."""

    __module__ = "Pyro5.compatibility.Pyro4"

    SerializerBase: type[SerializerBase] = SerializerBase

    @staticmethod
    def getPyroTraceback(*args: Any, **kwargs: Any) -> list[str]:  # noqa: N802 - the documented name
        """Return the lines of the local and the remote traceback."""
        return get_pyro_traceback(*args, **kwargs)

    @staticmethod
    def formatTraceback(*args: Any, **kwargs: Any) -> list[str]:  # noqa: N802 - the documented name
        """Return the lines of the local traceback."""
        return format_traceback(*args, **kwargs)

    @staticmethod
    def excepthook(*args: Any) -> None:
        """Print an uncaught exception with its remote traceback."""
        excepthook(*args)


class SocketUtilModule:
    """What ``Pyro4.socketutil`` has."""

    __module__ = "Pyro5.compatibility.Pyro4"

    @staticmethod
    def getIpVersion(hostnameOrAddress: str) -> int:  # noqa: N802, N803 - documented
        """Return 4 or 6."""
        return _sockets.get_ip_address(hostnameOrAddress).version

    @staticmethod
    def getIpAddress(  # noqa: N802 - the documented name
        hostname: str,
        workaround127: bool = False,
        ipVersion: int | None = None,  # noqa: N803 - the documented name
    ) -> str:
        """Return the address of a host, as text."""
        return str(_sockets.get_ip_address(hostname, workaround127, ipVersion))

    @staticmethod
    def getInterfaceAddress(ip_address: str) -> str:  # noqa: N802 - the documented name
        """Return the own address on the way to another one, as text."""
        return str(_sockets.get_interface(ip_address).ip)

    @staticmethod
    def createSocket(*args: Any, **kwargs: Any) -> socket.socket:  # noqa: N802 - the documented name
        """Return a stream socket; see `create_socket`."""
        return _sockets.create_socket(*args, **kwargs)

    @staticmethod
    def createBroadcastSocket(*args: Any, **kwargs: Any) -> socket.socket:  # noqa: N802 - the documented name
        """Return a datagram socket; see `create_bc_socket`."""
        return _sockets.create_bc_socket(*args, **kwargs)

    @staticmethod
    def receiveData(sock: socket.socket, size: int) -> bytes:  # noqa: N802 - the documented name
        """Return exactly so many received bytes; see `receive_data`."""
        return _sockets.receive_data(sock, size)

    @staticmethod
    def sendData(sock: socket.socket, data: bytes) -> None:  # noqa: N802 - the documented name
        """Send all of some bytes; see `send_data`."""
        _sockets.send_data(sock, data)


constants: ConstantsModule = ConstantsModule()
"""What ``Pyro4.constants`` has."""

util: UtilModule = UtilModule()
"""What ``Pyro4.util`` has."""

socketutil: SocketUtilModule = SocketUtilModule()
"""What ``Pyro4.socketutil`` has."""
