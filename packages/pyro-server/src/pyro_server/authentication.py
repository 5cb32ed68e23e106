"""Finding out who a client is; it is all in `pyro_protocol.authentication`."""

from __future__ import annotations

from pyro_protocol.authentication import (
    SHORTEST_TOKEN,
    AnyOf,
    Authenticator,
    CertificateAuthentication,
    TokenAuthentication,
    UserAuthentication,
    hash_token,
)

__all__ = [
    "SHORTEST_TOKEN",
    "AnyOf",
    "Authenticator",
    "CertificateAuthentication",
    "TokenAuthentication",
    "UserAuthentication",
    "hash_token",
]
