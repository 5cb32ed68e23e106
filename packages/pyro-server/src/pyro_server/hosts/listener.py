"""Accepting connections, as far as there is room for them."""

from __future__ import annotations

import errno
import logging
import selectors
import time
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.transport.addresses import prepare_connected

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from pyro_protocol.config import Configuration

__all__ = ["ACCEPT_PAUSE", "Listener"]

_logger = logging.getLogger("pyro.server")

# New connections may not keep those that are open from being served.
_ACCEPTED_AT_ONCE: Final = 64
ACCEPT_PAUSE: Final = 0.5
"""Seconds until accepting is tried again when the system has no descriptors left.

Until then the system's own queue holds the newcomers.
"""
_OUT_OF_RESOURCES: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
)


class Listener:
    """The listening socket of a host.

    Args:
        sock: the socket, non-blocking.
        config: the settings.
        tls: the context to accept connections with, or None.
        count: returns how many connections there are.
        admit: called with the socket and the address of each new connection.
    """

    def __init__(
        self,
        sock: socket.socket,
        config: Configuration,
        tls: ssl.SSLContext | None,
        count: Callable[[], int],
        admit: Callable[[socket.socket, Any], None],
    ) -> None:
        self.sock = sock
        self._config = config
        self._tls = tls
        self._count = count
        self._admit = admit
        self._selector: selectors.BaseSelector | None = None
        self._again_at = 0.0
        self._closed = False

    @property
    def paused(self) -> bool:
        """Whether accepting is to be tried again in a moment."""
        return bool(self._again_at)

    def watch(self, selector: selectors.BaseSelector) -> None:
        """Accept connections whenever the selector says that there are some."""
        self._selector = selector
        if not self._again_at:
            selector.register(self.sock, selectors.EVENT_READ, self._accept)

    def moved(self, selector: selectors.BaseSelector) -> None:
        """Take note that the socket was registered with another selector."""
        self._selector = selector

    def tick(self) -> None:
        """Resume after a pause."""
        if self._again_at and time.monotonic() >= self._again_at and not self._closed:
            self._again_at = 0.0
            if self._selector is not None:
                self.watch(self._selector)

    def close(self) -> None:
        """Accept no more; what was not accepted yet is refused by the system."""
        if self._closed:
            return
        self._closed = True
        if self._selector is not None and not self._again_at:
            self._selector.unregister(self.sock)
        self._again_at = 0.0
        self.sock.close()

    def _accept(self, listener: Any) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            if self._closed:
                return
            try:
                sock, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _OUT_OF_RESOURCES:
                    _logger.warning("cannot accept connections for now: %s", error)
                    if self._selector is not None:
                        self._selector.unregister(listener)
                    self._again_at = time.monotonic() + ACCEPT_PAUSE
                else:
                    _logger.info(
                        "a connection was lost while it was accepted: %s", error
                    )
                return
            self._prepare(sock, address)

    def _prepare(self, sock: socket.socket, address: Any) -> None:
        most = self._config.MAX_CONNECTIONS
        if most and self._count() >= most:
            _logger.warning("a connection was refused: there are %d already", most)
            sock.close()
            return
        try:
            prepare_connected(sock, self._config)
            if self._tls is not None:
                sock.setblocking(False)  # noqa: FBT003 - the name tells
                sock = self._tls.wrap_socket(
                    sock, server_side=True, do_handshake_on_connect=False
                )
            self._admit(sock, address)
        except OSError as error:
            _logger.info("a connection was lost while it was accepted: %s", error)
            sock.close()
