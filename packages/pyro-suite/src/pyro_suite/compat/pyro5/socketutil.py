"""``Pyro5.socketutil``: sockets, for programs that make their own."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any

from pyro_protocol import config
from pyro_protocol.errors import CommunicationError

from ..sockets import SocketConnection as SocketConnectionBase
from ..sockets import (
    family_str,
    receive_data,
    send_data,
    set_keepalive,
    set_nodelay,
    set_noinherit,
    set_reuseaddr,
)

__all__ = [
    "SocketConnection",
    "bind_unused_port",
    "create_bc_socket",
    "create_socket",
    "family_str",
    "find_probably_unused_port",
    "get_interface",
    "get_ip_address",
    "get_ssl_context",
    "interrupt_socket",
    "receive_data",
    "send_data",
    "set_keepalive",
    "set_nodelay",
    "set_noinherit",
    "set_reuseaddr",
]

Address = IPv4Address | IPv6Address

_WAKING: bytes = b"!" * 16
_NO_TIMEOUT_GIVEN: float = -1


def get_ip_address(
    hostname: str, workaround127: bool = False, version: int | None = None
) -> Address:
    """Return the address of a host.

    Args:
        hostname: the host; empty for this machine.
        workaround127: whether to look for the address of the way out, where the one
            found is on the loopback interface.
        version: 4 or 6; 0 for any, None for what ``PREFER_IP_VERSION`` says.

    Raises:
        OSError: it is not known.
    """
    wanted = config.PREFER_IP_VERSION if version is None else version
    families = {4: socket.AF_INET, 6: socket.AF_INET6}
    family = families.get(wanted, socket.AF_UNSPEC)
    name = hostname or socket.gethostname()
    found = socket.getaddrinfo(name, 80, family, socket.SOCK_STREAM)
    address = ipaddress.ip_address(str(found[0][4][0]).partition("%")[0])
    if workaround127 and (address.is_loopback or address.is_unspecified):
        return get_interface("4.2.2.2").ip
    return address


def get_interface(
    ip_address: str | Address,
) -> IPv4Interface | IPv6Interface:
    """Return the own address on the way to another one, as an interface.

    Raises:
        OSError: there is no way.
    """
    peer = ipaddress.ip_address(str(ip_address))
    family = socket.AF_INET if peer.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IPv4
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        # Connecting a datagram socket sends nothing; it only finds the route.
        probe.connect((str(peer), 53))
        return ipaddress.ip_interface(probe.getsockname()[0])


def create_socket(
    bind: tuple[Any, ...] | str | None = None,
    connect: tuple[Any, ...] | str | None = None,
    reuseaddr: bool = False,
    keepalive: bool = True,
    timeout: float | None = _NO_TIMEOUT_GIVEN,
    noinherit: bool = False,
    ipv6: bool = False,
    nodelay: bool = True,
    sslContext: ssl.SSLContext | None = None,  # noqa: N803 - the documented name
) -> socket.socket:
    """Return a stream socket that listens, or is connected, or neither.

    Args:
        bind: where to listen: host and port, or the path of a Unix socket.
        connect: where to connect to, likewise.
        reuseaddr: whether the port may be one that was just in use.
        keepalive: whether the system looks now and then if the peer is there.
        timeout: how many seconds operations may take; None or 0 for no bound, -1 for
            what the system has.
        noinherit: whether child processes do not get it, as is the case anyway.
        ipv6: whether it is of IPv6; an address in numbers tells by itself.
        nodelay: whether short messages are sent at once.
        sslContext: the context to encrypt it with, or None.

    Raises:
        ValueError: it is both to listen and to be connected.
        OSError: the system refuses it.
    """
    if bind and connect:
        raise ValueError("a socket either listens or is connected: bind and connect")
    place = bind or connect
    family = _family_of(place, ipv6=ipv6)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sslContext is not None:
            name = connect[0] if isinstance(connect, tuple) else None
            sock = sslContext.wrap_socket(
                sock, server_side=bool(bind), server_hostname=name
            )
        if family != socket.AF_UNIX and nodelay:
            set_nodelay(sock)
        if reuseaddr:
            set_reuseaddr(sock)
        if noinherit:
            set_noinherit(sock)
        if timeout != _NO_TIMEOUT_GIVEN:
            sock.settimeout(timeout or None)
        if bind:
            sock.bind(bind)
            sock.listen(100)
        if connect:
            sock.connect(connect)
        if keepalive:
            set_keepalive(sock)
    except BaseException:
        sock.close()
        raise
    return sock


def _family_of(
    place: tuple[Any, ...] | str | None, *, ipv6: bool
) -> socket.AddressFamily:
    if isinstance(place, str):
        return socket.AF_UNIX
    numeric = bool(place) and ":" in str(place[0])  # type: ignore[index] # it is a tuple
    return socket.AF_INET6 if ipv6 or numeric else socket.AF_INET


def create_bc_socket(
    bind: tuple[Any, ...] | str | None = None,
    reuseaddr: bool = False,
    timeout: float | None = _NO_TIMEOUT_GIVEN,
    ipv6: bool = False,
) -> socket.socket:
    """Return a datagram socket that may send broadcasts.

    Args:
        bind: where to listen, or None.
        reuseaddr: whether the port may be one that is in use.
        timeout: as for `create_socket`.
        ipv6: whether it is of IPv6.

    Raises:
        OSError: the system refuses it.
    """
    sock = socket.socket(_family_of(bind, ipv6=ipv6), socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if reuseaddr:
            set_reuseaddr(sock)
        if timeout != _NO_TIMEOUT_GIVEN:
            sock.settimeout(timeout or None)
        if bind:
            sock.bind(bind)
    except BaseException:
        sock.close()
        raise
    return sock


def interrupt_socket(address: tuple[str, int]) -> None:
    """Wake whoever waits at a listening socket, by connecting to it."""
    with contextlib.suppress(OSError), socket.create_connection(address, 1.0) as sock:
        sock.sendall(_WAKING)


def find_probably_unused_port(
    family: int = socket.AF_INET, socktype: int = socket.SOCK_STREAM
) -> int:
    """Return a port of this machine that nobody has used a moment ago."""
    with socket.socket(family, socktype) as probe:
        return bind_unused_port(probe)


def bind_unused_port(sock: socket.socket, host: str | Address = "localhost") -> int:
    """Bind a socket to a port that nobody uses, and return it.

    Raises:
        CommunicationError: there is none, or the host is not of this machine.
    """
    try:
        sock.bind((str(host), 0))
    except OSError as error:
        raise CommunicationError(f"cannot bind to {host}: {error}") from error
    port: int = sock.getsockname()[1]
    return port


def get_ssl_context(
    servercert: str = "",
    serverkey: str = "",
    clientcert: str = "",
    clientkey: str = "",
    cacerts: str = "",
    keypassword: str = "",
) -> ssl.SSLContext:
    """Return a TLS context: that of a server if there is a server certificate.

    Args:
        servercert: the file of the certificate of the server.
        serverkey: the file of its key, if it is another.
        clientcert: the file of the certificate of the client.
        clientkey: the file of its key, if it is another.
        cacerts: the file or folder of the authorities that are trusted besides.
        keypassword: the password of the key.

    Raises:
        ValueError: both certificates, or a key without its certificate, are given.
        OSError: a file cannot be read.
    """
    if servercert and clientcert:
        raise ValueError(
            "give the certificate of the server or of the client, not both"
        )
    if (serverkey and not servercert) or (clientkey and not clientcert):
        raise ValueError("a key is of no use without its certificate")
    purpose = ssl.Purpose.CLIENT_AUTH if servercert else ssl.Purpose.SERVER_AUTH
    context = ssl.create_default_context(purpose)
    certificate, key = servercert or clientcert, serverkey or clientkey
    if certificate:
        context.load_cert_chain(certificate, key or None, keypassword or None)
    if cacerts:
        _trust(context, cacerts)
    if servercert and config.SSL_REQUIRECLIENTCERT:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _trust(context: ssl.SSLContext, authorities: str) -> None:
    from pathlib import Path  # noqa: PLC0415 - a name of the module would be public

    folder = Path(authorities).is_dir()
    context.load_verify_locations(
        cafile=None if folder else authorities, capath=authorities if folder else None
    )


class SocketConnection(SocketConnectionBase):
    """A connected socket that sends and receives whole pieces.

    Args:
        sock: the socket.
        objectId: the id of the object it belongs to, if any.
        keep_open: whether `close` leaves the socket open.
    """

    __module__ = "Pyro5.socketutil"

    def settimeout(self, timeout: float | None) -> None:
        """Say how many seconds operations may take; None for no bound."""
        self.sock.settimeout(timeout)

    def gettimeout(self) -> float | None:
        """Return how many seconds operations may take; None for no bound."""
        return self.sock.gettimeout()
