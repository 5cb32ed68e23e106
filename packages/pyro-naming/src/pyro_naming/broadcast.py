"""The responder: tells whoever asks the local network where the name server is."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final, cast

from pyro_protocol import URI
from pyro_protocol.errors import CommunicationError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MOST_ANSWERS", "BroadcastServer", "answer_to", "takes_ipv4"]

_logger = logging.getLogger("pyro.naming")

MOST_ANSWERS: Final = 1000
"""How many broadcasts are answered within a second: more than a hall of machines asks
when the power comes back, and some percent of a processor. Whoever gets no answer
asks again; so a flood of forged questions neither occupies the name server nor becomes
one of answers."""

_REQUEST: Final = b"GET_NSURI"
_ALL_INTERFACES: Final = "0.0.0.0"  # noqa: S104 - to listen, and to recognise it


class BroadcastServer(asyncio.DatagramProtocol):
    """Answers the datagram ``GET_NSURI`` with the URI of a name server.

    Make one with `start`, in an event loop. It needs no further attention. An asker
    that could not use the address gets no answer: that of a loopback interface if it
    is another machine, one of IPv6, or a Unix socket.

    Args:
        uri: the URI to tell. One that says "all interfaces" is told with the
            address that the asker can reach.
        clock: returns the time in seconds; that of the event loop if left out.
    """

    def __init__(self, uri: URI, clock: Callable[[], float] | None = None) -> None:
        self._uri = uri
        self._loop = asyncio.get_running_loop()
        self._clock = clock or self._loop.time
        self._second = 0
        self._answered = 0
        self._writable = True
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def start(
        cls,
        uri: URI,
        host: str,
        port: int,
        *,
        clock: Callable[[], float] | None = None,
    ) -> BroadcastServer:
        """Begin to answer.

        Args:
            uri: the URI to tell.
            host: the address to listen on; empty for all interfaces.
            port: the UDP port; 0 lets the system choose.
            clock: as for the class.

        Raises:
            CommunicationError: the address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        host = host or _ALL_INTERFACES
        try:
            _transport, responder = await loop.create_datagram_endpoint(
                lambda: cls(uri, clock),
                local_addr=(host, port),
                # It takes broadcasts, and must not be allowed to send any: the
                # address of an asker may be forged.
                family=socket.AF_INET,
            )
        except OSError as error:
            raise CommunicationError(
                f"cannot listen for broadcasts on {host}:{port}: {error}"
            ) from error
        return responder

    @property
    def locationStr(self) -> str:
        """The address it listens on."""
        if self._transport is None:
            return ""
        host, port = self._transport.get_extra_info("sockname")[:2]
        return f"{host}:{port}"

    def runInThread(self) -> None:  # noqa: N802 - the documented name
        """Do nothing: it answers as long as its name server runs."""

    def close(self) -> None:
        """Stop answering; may be called from any thread."""
        # A loop that has ended has closed the socket already.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._close)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over the socket; called by the event loop."""
        # Python 3.11's own class does not say that it is one.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a request, and nothing else; called by the event loop."""
        if data != _REQUEST or self._transport is None:
            return
        if not self._writable or not self._may_answer():
            return
        _logger.debug("%s:%d asks where the name server is", *addr)
        uri = answer_to(addr, self._uri)
        if uri is not None:
            self._transport.sendto(str(uri).encode("iso-8859-1", "replace"), addr)

    def pause_writing(self) -> None:
        """Answer nobody while answers wait to be sent; called by the event loop."""
        self._writable = False

    def resume_writing(self) -> None:
        """Go on answering; called by the event loop."""
        self._writable = True

    def error_received(self, exc: Exception) -> None:
        """Take notice of an answer that did not arrive; called by the event loop."""
        _logger.debug("an answer to a broadcast could not be sent: %s", exc)

    def _may_answer(self) -> bool:
        """Count an answer; False if there were too many in this second."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._answered = second, 0
        self._answered += 1
        return self._answered <= MOST_ANSWERS


def takes_ipv4(sock: socket.socket) -> bool:
    """Tell whether a listening TCP socket takes connections by IPv4.

    On most systems that on all interfaces of IPv6 does.
    """
    if sock.family == socket.AF_INET:
        return True
    own = _address(str(sock.getsockname()[0]))
    if isinstance(own, IPv4Address):
        return True
    return (
        own is not None
        and own.is_unspecified
        and not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    )


def answer_to(asker: tuple[str, int], uri: URI) -> URI | None:
    """Return what to tell an asker; None if it could not use the address.

    Args:
        asker: its address and port.
        uri: the URI of the name server, as it is bound.
    """
    if uri.host is None:
        return None
    own = _address(uri.host)
    if own is None:
        # A name was chosen on purpose; certificates may be made out to it.
        return uri
    if own.is_unspecified:
        own = _own_address_towards(asker)
    if not isinstance(own, IPv4Address) or own.is_unspecified:
        return None
    if own.is_loopback and not IPv4Address(asker[0]).is_loopback:
        return None
    return URI(f"{uri.protocol}:{uri.object_id}@{own}:{uri.port}")


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a host is; None if it is a name.

    One of IPv6 that stands for one of IPv4 is returned as such.
    """
    if host == "localhost":
        return IPv4Address("127.0.0.1")
    try:
        own = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(own, IPv6Address) and own.ipv4_mapped is not None:
        return own.ipv4_mapped
    return own


def _own_address_towards(peer: tuple[str, int]) -> IPv4Address | None:
    """Return this machine's address on the way to a peer; None if there is no way."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing; it only finds the route.
            probe.connect(peer)
        except OSError as error:
            _logger.debug("no way to %s:%d: %s", *peer, error)
            return None
        return IPv4Address(probe.getsockname()[0])
