"""TLS contexts, made from the configuration each time one is needed."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    import ssl

    from ..config import Configuration

__all__ = [
    "check_server_context",
    "client_tls_context",
    "is_encrypted",
    "server_tls_context",
]


def is_encrypted(sock: socket.socket) -> TypeGuard[ssl.SSLSocket]:
    """Whether a socket is one of TLS."""
    if type(sock) is socket.socket:
        return False
    # The module takes long to import; without it there are no such sockets. Another
    # thread may be importing it just now.
    kind = getattr(sys.modules.get("ssl"), "SSLSocket", None)
    return kind is not None and isinstance(sock, kind)


def client_tls_context(config: Configuration) -> ssl.SSLContext | None:
    """Return the context to connect with, or None if ``config.SSL`` is off.

    The server's certificate and host name are always checked.

    Raises:
        OSError: a certificate file cannot be read.
    """
    if not config.SSL:
        return None
    import ssl  # noqa: PLC0415 - many programs do without

    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    _add_authorities(context, config.SSL_CACERTS)
    if config.SSL_CLIENTCERT:
        context.load_cert_chain(
            config.SSL_CLIENTCERT,
            config.SSL_CLIENTKEY or None,
            config.SSL_CLIENTKEYPASSWD or None,
        )
    return context


def server_tls_context(config: Configuration) -> ssl.SSLContext | None:
    """Return the context to accept with, or None if ``config.SSL`` is off.

    Raises:
        ValueError: no server certificate is configured.
        OSError: a certificate file cannot be read.
    """
    if not config.SSL:
        return None
    if not config.SSL_SERVERCERT:
        raise ValueError("SSL is on, but SSL_SERVERCERT does not name a certificate")
    import ssl  # noqa: PLC0415 - many programs do without

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(
        config.SSL_SERVERCERT,
        config.SSL_SERVERKEY or None,
        config.SSL_SERVERKEYPASSWD or None,
    )
    _add_authorities(context, config.SSL_CACERTS)
    if config.SSL_REQUIRECLIENTCERT:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def check_server_context(context: ssl.SSLContext, config: Configuration) -> None:
    """Make sure that a server can use a context that a program has made.

    Raises:
        TypeError: it is no context.
        ValueError: it is one for clients, or does not demand the certificates that
            ``SSL_REQUIRECLIENTCERT`` wants.
    """
    import ssl  # noqa: PLC0415 - many programs do without

    if not isinstance(context, ssl.SSLContext):
        raise TypeError(f"ssl_context must be an ssl.SSLContext, not {context!r}")
    if context.protocol == ssl.PROTOCOL_TLS_CLIENT or context.check_hostname:
        raise ValueError(
            "ssl_context is one for clients; make one for a server with "
            "ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), and give it the "
            "certificate of the server with load_cert_chain"
        )
    if config.SSL_REQUIRECLIENTCERT and context.verify_mode != ssl.CERT_REQUIRED:
        raise ValueError(
            "SSL_REQUIRECLIENTCERT is on, but ssl_context does not demand certificates "
            "of clients; set its verify_mode to ssl.CERT_REQUIRED"
        )


def _add_authorities(context: ssl.SSLContext, location: str) -> None:
    if not location:
        return
    from pathlib import Path  # noqa: PLC0415 - many programs do without

    if Path(location).is_dir():
        context.load_verify_locations(capath=location)
    else:
        context.load_verify_locations(cafile=location)
