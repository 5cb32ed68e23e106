"""``Pyro4.socketutil``: making sockets, and moving bytes over them."""

# ruff: noqa: N802, N803, N812 - the documented names

from __future__ import annotations

import builtins
import contextlib
import ipaddress
import socket
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import (
    CommunicationError,
    ConnectionClosedError,
    TimeoutError,  # noqa: A004 - the documented name
)

from ..sockets import SocketConnection as SocketConnectionBase
from ..sockets import family_str
from ..sockets import receive_data as receiveData
from ..sockets import send_data as sendData
from ..sockets import set_keepalive as setKeepalive
from ..sockets import set_nodelay as setNoDelay
from ..sockets import set_noinherit as setNoInherit
from ..sockets import set_reuseaddr as setReuseAddr
from .configuration import config

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable
    from ipaddress import IPv4Address, IPv6Address

__all__ = [
    "ConnectionClosedError",
    "SocketConnection",
    "TimeoutError",
    "bindOnUnusedPort",
    "createBroadcastSocket",
    "createSocket",
    "family_str",
    "findProbablyUnusedPort",
    "getInterfaceAddress",
    "getIpAddress",
    "getIpVersion",
    "interruptSocket",
    "receiveData",
    "sendData",
    "setKeepalive",
    "setNoDelay",
    "setNoInherit",
    "setReuseAddr",
]

_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
# Never sent to: it only finds out which way datagrams would go.
_ANY_PORT: Final = 53


def getIpVersion(hostnameOrAddress: str) -> int:
    """Return 4 or 6: by which a host is reached.

    Raises:
        OSError: there is no such host.
    """
    found = _address(hostnameOrAddress)
    if found is not None:
        return found.version
    found = ipaddress.ip_address(getIpAddress(hostnameOrAddress, ipVersion=0))
    return found.version


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def getIpAddress(
    hostname: str | None, workaround127: bool = False, ipVersion: int | None = None
) -> str:
    """Return the address of a host.

    Args:
        hostname: its name; None for this machine.
        workaround127: whether an address is looked for by which others reach this
            machine, if the name stands for one that only it itself can use.
        ipVersion: 4 or 6, or 0 for any; None means ``config.PREFER_IP_VERSION``.

    Raises:
        OSError: there is no such host, or no such address of it.
    """
    version = config.PREFER_IP_VERSION if ipVersion is None else ipVersion
    family = _FAMILIES.get(version, socket.AF_UNSPEC)
    found = socket.getaddrinfo(
        hostname or socket.gethostname(), None, family, socket.SOCK_STREAM
    )
    address = str(found[0][4][0])
    if workaround127 and (address.startswith("127.") or address == "0.0.0.0"):  # noqa: S104 - compared
        return getInterfaceAddress("4.2.2.2")
    return address


def getInterfaceAddress(ip_address: str) -> str:
    """Return this machine's own address on the way to another one.

    Raises:
        OSError: there is no way.
    """
    family = _FAMILIES[getIpVersion(ip_address)]
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        # Connecting a datagram socket sends nothing.
        sock.connect((ip_address, _ANY_PORT))
        return str(sock.getsockname()[0])


def createSocket(
    bind: tuple[str, int] | str | None = None,
    connect: tuple[str, int] | str | None = None,
    reuseaddr: bool = False,
    keepalive: bool = True,
    timeout: float | None = -1,
    noinherit: bool = False,
    ipv6: bool = False,
    nodelay: bool = True,
    sslContext: ssl.SSLContext | None = None,
) -> socket.socket:
    """Return a socket that listens, or is connected, or neither.

    Args:
        bind: host and port to listen on, or the path of a Unix socket.
        connect: host and port to connect to, or the path of a Unix socket.
        reuseaddr: whether an address may be used that was in use until just now.
        keepalive: whether the system finds out that a silent peer has gone.
        timeout: in seconds; None means none, and less than 0 Python's default.
        noinherit: whether programs that are started do not get the socket.
        ipv6: whether to use IPv6, if the address does not tell.
        nodelay: whether small pieces are sent at once.
        sslContext: makes it a TLS socket.

    Raises:
        ValueError: it is to be bound and connected.
        CommunicationError: connecting timed out.
        OSError: the address cannot be used.
    """
    if bind and connect:
        raise ValueError("bind and connect cannot both be given")
    place = bind or connect
    sock = socket.socket(_family_of(place, ipv6), socket.SOCK_STREAM)
    try:
        if isinstance(place, tuple) or place is None:
            setNoDelay(sock) if nodelay else None
        if reuseaddr:
            setReuseAddr(sock)
        if noinherit:
            setNoInherit(sock)
        sock.settimeout(
            socket.getdefaulttimeout()
            if timeout is not None and timeout < 0
            else timeout
        )
        if sslContext is not None:
            sock = _with_tls(sock, sslContext, connect)
        if bind:
            sock.bind(bind)
            sock.listen(100)
        elif connect:
            try:
                sock.connect(connect)
            except builtins.TimeoutError as error:
                raise TimeoutError(f"connecting to {connect} timed out") from error
        if keepalive:
            setKeepalive(sock)
    except BaseException:
        sock.close()
        raise
    return sock


def _family_of(place: tuple[str, int] | str | None, ipv6: bool) -> socket.AddressFamily:
    if isinstance(place, str):
        return socket.AF_UNIX
    if place is not None and place[0]:
        return _FAMILIES[getIpVersion(place[0])]
    return socket.AF_INET6 if ipv6 else socket.AF_INET


def _with_tls(
    sock: socket.socket,
    context: ssl.SSLContext,
    connect: tuple[str, int] | str | None,
) -> ssl.SSLSocket:
    if connect is None:
        return context.wrap_socket(sock, server_side=True)
    host = connect[0] if isinstance(connect, tuple) else None
    return context.wrap_socket(sock, server_hostname=host)


def createBroadcastSocket(
    bind: tuple[str, int] | None = None,
    reuseaddr: bool = False,
    timeout: float | None = -1,
    ipv6: bool = False,
) -> socket.socket:
    """Return a UDP socket that may send broadcasts.

    Args:
        bind: host and port to listen on.
        reuseaddr: whether an address may be used that was in use until just now.
        timeout: in seconds; None means none, and less than 0 Python's default.
        ipv6: whether to use IPv6, if the address does not tell.

    Raises:
        OSError: the address cannot be used.
    """
    sock = socket.socket(_family_of(bind, ipv6), socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if reuseaddr:
            setReuseAddr(sock)
        sock.settimeout(
            socket.getdefaulttimeout()
            if timeout is not None and timeout < 0
            else timeout
        )
        if bind:
            sock.bind(bind)
    except BaseException:
        sock.close()
        raise
    return sock


def bindOnUnusedPort(sock: socket.socket, host: str = "localhost") -> int:
    """Bind a socket to a free port, and return that.

    Raises:
        OSError: the host cannot be listened on.
    """
    sock.bind((host, 0))
    port: int = sock.getsockname()[1]
    return port


def findProbablyUnusedPort(
    family: int = socket.AF_INET, socktype: int = socket.SOCK_STREAM
) -> int:
    """Return a port that was free a moment ago."""
    with socket.socket(family, socktype) as sock:
        return bindOnUnusedPort(sock, "localhost")


def interruptSocket(address: tuple[str, int] | str) -> None:
    """Wake whoever waits at an address for connections, by making one."""
    with contextlib.suppress(OSError, CommunicationError):
        sock = createSocket(connect=address, keepalive=False, timeout=None)
        with contextlib.closing(sock):
            sock.sendall(b"!" * 16)


class SocketConnection(SocketConnectionBase):
    """A connected socket, with the operations that a message needs.

    Args:
        sock: the socket.
        objectId: the id of the object that it leads to.
        keep_open: whether closing this leaves the socket open.
    """

    def __init__(
        self, sock: socket.socket, objectId: str | None = None, keep_open: bool = False
    ) -> None:
        super().__init__(sock, objectId, keep_open)
        self.pyroInstances: dict[type, Any] = {}
        self.tracked_resources: Iterable[Any] = set()

    def setTimeout(self, timeout: float | None) -> None:
        """Set how many seconds sending or receiving may take; None for no limit."""
        self.sock.settimeout(timeout)

    def getTimeout(self) -> float | None:
        """Return how many seconds sending or receiving may take."""
        return self.sock.gettimeout()
