"""Accepting connections, as far as there is room for them."""

from __future__ import annotations

import errno
import logging
import selectors
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.transport.addresses import prepare_connected

from ..byte_streams import set_linger

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from pyro_protocol.config import Configuration

__all__ = ["ACCEPT_PAUSE", "Listener"]

_logger = logging.getLogger("pyro.server")

# New connections may not keep those that are open from being served.
_ACCEPTED_AT_ONCE: Final = 64
# Most come alone. To look for another each time is a system call and an exception, so
# after one that came alone it is looked only now and then whether several come again.
_LOOK_EVERY: Final = 8
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

    Attributes:
        resumes_at: when accepting is tried again; 0 while it is not paused.
        lingers: whether those who are accepted need no `set_linger`.
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
        self.resumes_at: float = 0.0
        self._closed = False
        self._several = True
        self._alone = 0
        # On Linux the accepted sockets have the options of this one.
        self._inherits = sys.platform == "linux" and sock.family != socket.AF_UNIX
        self.lingers: bool = self._inherits and tls is None
        if self._inherits:
            prepare_connected(sock, config)
        if self.lingers:
            set_linger(sock)
        self._kind = sock.family, sock.type, sock.proto

    @property
    def paused(self) -> bool:
        """Whether accepting is to be tried again in a moment."""
        return bool(self.resumes_at)

    def watch(self, selector: selectors.BaseSelector) -> None:
        """Accept connections whenever the selector says that there are some."""
        self._selector = selector
        if not self.resumes_at:
            selector.register(self.sock, selectors.EVENT_READ, self._accept)

    def moved(self, selector: selectors.BaseSelector) -> None:
        """Take note that the socket was registered with another selector."""
        self._selector = selector

    def tick(self) -> None:
        """Resume after a pause."""
        if self.resumes_at and time.monotonic() >= self.resumes_at and not self._closed:
            self.resumes_at = 0.0
            if self._selector is not None:
                self.watch(self._selector)

    def close(self) -> None:
        """Accept no more; what was not accepted yet is refused by the system."""
        if self._closed:
            return
        self._closed = True
        if self._selector is not None and not self.resumes_at:
            self._selector.unregister(self.sock)
        self.resumes_at = 0.0
        self.sock.close()

    def _accepted(self, listener: Any) -> tuple[socket.socket, Any]:
        """Accept a connection.

        Raises:
            OSError: there is none, or it cannot be accepted.
        """
        accept = getattr(listener, "_accept", None)
        if accept is None:
            sock, address = listener.accept()
            return sock, address
        # What `accept` does, which finds out each time what kind of socket it is.
        descriptor, address = accept()
        return socket.socket(*self._kind, descriptor), address

    def _accept(self, listener: Any) -> None:
        self._alone += 1
        looks = self._several or self._alone >= _LOOK_EVERY
        for number in range(_ACCEPTED_AT_ONCE if looks else 1):
            if self._closed:
                return
            try:
                sock, address = self._accepted(listener)
            except BlockingIOError:
                self._several = number > 1
                self._alone = 0
                return
            except OSError as error:
                if error.errno in _OUT_OF_RESOURCES:
                    _logger.warning("cannot accept connections for now: %s", error)
                    if self._selector is not None:
                        self._selector.unregister(listener)
                    self.resumes_at = time.monotonic() + ACCEPT_PAUSE
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
            if not self._inherits:
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
