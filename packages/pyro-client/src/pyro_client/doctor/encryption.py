"""TLS: the handshake, and what its failures mean."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from .report import Finding

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

__all__ = ["describe", "encrypt", "looks_like_tls", "speaks_tls", "tls_finding"]

# Codes of OpenSSL's verification, of those that people meet.
_VERIFICATION: Final = {
    9: "not-yet-valid",
    10: "expired",
    18: "unknown-authority",
    19: "unknown-authority",
    20: "unknown-authority",
    21: "unknown-authority",
    62: "wrong-host-name",
    64: "wrong-host-name",
}
# What OpenSSL calls bytes that are no TLS, in its several versions.
_NO_TLS: Final = frozenset(
    {
        "HTTP_REQUEST",
        "PACKET_LENGTH_TOO_LONG",
        "RECORD_LAYER_FAILURE",
        "UNKNOWN_PROTOCOL",
        "WRONG_VERSION_NUMBER",
    }
)
_WORDS: Final = (
    ("CERTIFICATE_REQUIRED", "client-certificate-required"),
    ("HANDSHAKE_FAILURE", "client-certificate-required"),
    ("UNKNOWN_CA", "client-certificate-refused"),
    ("BAD_CERTIFICATE", "client-certificate-refused"),
    ("CERTIFICATE_EXPIRED", "client-certificate-refused"),
    ("CERTIFICATE_UNKNOWN", "client-certificate-refused"),
    ("PROTOCOL_VERSION", "no-common-tls"),
    ("UNSUPPORTED_PROTOCOL", "no-common-tls"),
    ("NO_SHARED_CIPHER", "no-common-tls"),
)
_ALERT: Final = 0x15
_HIGHEST_MAJOR: Final = 3


def encrypt(
    sock: socket.socket, context: ssl.SSLContext, host: str, timeout: float
) -> ssl.SSLSocket:
    """Make the TLS handshake on a connected socket.

    Raises:
        Finding: it failed; the socket is closed.
    """
    sock.settimeout(timeout)
    try:
        return context.wrap_socket(sock, server_hostname=host)
    except (OSError, ValueError) as error:
        sock.close()
        raise tls_finding(error) from error


def tls_finding(error: Exception) -> Finding:
    """Return what a failure during the TLS handshake, or after it, means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        cause = _VERIFICATION.get(error.verify_code, "unverified")
        detail = f"the server's certificate: {error.verify_message}"
        return Finding(cause, detail, "tls")
    if isinstance(error, TimeoutError):
        return Finding("tls-silent", "no answer to the TLS handshake in time", "tls")
    reason = str(getattr(error, "reason", None) or "")
    if reason in _NO_TLS:
        return Finding("no-tls", "the answer to the TLS handshake is not TLS", "tls")
    for word, cause in _WORDS:
        if word in reason:
            return Finding(cause, f"the TLS handshake failed: {reason}", "tls")
    if isinstance(error, ssl.SSLEOFError | ConnectionError):
        detail = "the server closed the connection during the TLS handshake"
        return Finding("tls-closed", detail, "tls")
    return Finding("tls-failed", f"the TLS handshake failed: {error}", "tls")


def describe(sock: ssl.SSLSocket) -> str:
    """Return what was agreed on, and whose certificate the server has."""
    certificate = sock.getpeercert() or {}
    names = [str(one[1]) for one in certificate.get("subjectAltName", ())]
    until = certificate.get("notAfter", "?")
    return f"{sock.version()}, certificate of {', '.join(names)}, valid until {until}"


def looks_like_tls(data: bytes) -> bool:
    """Whether what a server said first is TLS, complaining that we do not speak it."""
    return data[:1] == bytes([_ALERT]) and data[1:2] <= bytes([_HIGHEST_MAJOR])


def speaks_tls(connect: Callable[[], socket.socket], timeout: float) -> bool:
    """Whether a server answers to a TLS handshake; nothing is sent through it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # Nothing is trusted: the connection ends at once.
    context.verify_mode = ssl.CERT_NONE
    try:
        with connect() as sock:
            sock.settimeout(timeout)
            context.wrap_socket(sock).close()
    except ssl.SSLError as error:
        # It complains in TLS, of a certificate that it misses, say.
        return "ALERT" in str(error.reason)
    except (OSError, ValueError, Finding):
        return False
    return True
