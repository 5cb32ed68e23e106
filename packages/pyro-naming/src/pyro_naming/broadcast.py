"""The responder: tells whoever asks the local network where the name server is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import Final, cast

from pyro_protocol import URI
from pyro_protocol.errors import CommunicationError

__all__ = ["BroadcastServer"]

_logger = logging.getLogger("pyro.naming")

_REQUEST: Final = b"GET_NSURI"
_ALL_INTERFACES: Final = "0.0.0.0"  # noqa: S104 - to recognise it


class BroadcastServer(asyncio.DatagramProtocol):
    """Answers the datagram ``GET_NSURI`` with the URI of a name server.

    Make one with `start`, in an event loop. It needs no further attention.

    Args:
        uri: the URI to tell. One that says "all interfaces" is told with the
            address that the asker can reach.
    """

    def __init__(self, uri: URI) -> None:
        self._uri = uri
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def start(cls, uri: URI, host: str, port: int) -> BroadcastServer:
        """Begin to answer.

        Args:
            uri: the URI to tell.
            host: the address to listen on; empty for all interfaces.
            port: the UDP port; 0 lets the system choose.

        Raises:
            CommunicationError: the address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        host = host or _ALL_INTERFACES
        try:
            _transport, responder = await loop.create_datagram_endpoint(
                lambda: cls(uri),
                local_addr=(host, port),
                family=socket.AF_INET,
                allow_broadcast=True,
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
        _logger.debug("%s:%d asks where the name server is", *addr)
        uri = self._uri
        if uri.host == _ALL_INTERFACES:
            own = _own_address_towards(addr)
            if own is None:
                return
            uri = URI(f"{uri.protocol}:{uri.object_id}@{own}:{uri.port}")
        self._transport.sendto(str(uri).encode("iso-8859-1", "replace"), addr)

    def error_received(self, exc: Exception) -> None:
        """Take notice of an answer that did not arrive; called by the event loop."""
        _logger.debug("an answer to a broadcast could not be sent: %s", exc)


def _own_address_towards(peer: tuple[str, int]) -> str | None:
    """Return this machine's address on the way to a peer; None if there is no way."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing; it only finds the route.
            probe.connect(peer)
        except OSError as error:
            _logger.debug("no way to %s:%d: %s", *peer, error)
            return None
        address: str = probe.getsockname()[0]
        return address
