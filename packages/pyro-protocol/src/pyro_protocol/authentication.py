"""Finding out who a client is, when it connects.

A server is given one of these as ``authenticate``, or any callable that takes the
connection and the handshake value of the client, and returns its `Identity`. A client
sends its handshake value by setting ``_pyroHandshake`` of its proxy, in Pyro5 as well.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .dispatch import ClientConnection, Identity

if TYPE_CHECKING:
    import os

__all__ = [
    "SHORTEST_TOKEN",
    "AnyOf",
    "Authenticator",
    "CertificateAuthentication",
    "TokenAuthentication",
    "UserAuthentication",
    "hash_token",
]

Authenticator = Callable[[ClientConnection, Any], Identity | None]
"""Takes the client and its handshake value; returns who it is, None if that is not
known. To refuse it with a text of its own it raises a `SecurityError`."""

SHORTEST_TOKEN: Final = 16
"""How many characters a token must have: shorter ones can be guessed, and found out
from their hashes. ``secrets.token_urlsafe(32)`` makes a good one."""

_HASH_SIZE: Final = hashlib.sha256().digest_size
# Between the name and the roles of a line in a file of tokens.
_FIELDS: Final = 3


def hash_token(token: str) -> str:
    """Return the form in which a file of tokens keeps a token.

    Raises:
        ValueError: the token is too short to be safe.
    """
    if len(token) < SHORTEST_TOKEN:
        raise ValueError(
            f"a token must have at least {SHORTEST_TOKEN} characters, or it could be "
            "guessed; secrets.token_urlsafe(32) makes a good one"
        )
    return _digest(token).hex()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class TokenAuthentication:
    """Knows clients by a secret that they send: ``{"token": "..."}``.

    Only hashes are kept. Whoever can read what travels can read the tokens, so use
    TLS beyond one machine.

    Args:
        tokens: who has which token.

    Raises:
        ValueError: a token is too short to be safe.
    """

    def __init__(self, tokens: Mapping[str, Identity]) -> None:
        self._identities: list[tuple[bytes, Identity]] = [
            (bytes.fromhex(hash_token(token)), identity)
            for token, identity in tokens.items()
        ]

    @classmethod
    def from_hashes(cls, hashes: Mapping[str, Identity]) -> TokenAuthentication:
        """Know clients by tokens of which only the hashes are at hand.

        Args:
            hashes: who has the token of which hash; see `hash_token`.

        Raises:
            ValueError: one is not a hash.
        """
        result = cls({})
        result._identities = [
            (_digest_of(text), identity) for text, identity in hashes.items()
        ]
        return result

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> TokenAuthentication:
        """Read the tokens from a file, which holds their hashes only.

        Each line is the hash of a token (see `hash_token`), the name of its owner
        and, if there are any, the owner's roles with commas between them. Empty lines
        and those that begin with ``#`` are skipped.

        Raises:
            OSError: the file cannot be read.
            ValueError: a line has another form.
        """
        result = cls({})
        text = Path(path).read_text("utf-8")
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip() and not line.lstrip().startswith("#"):
                try:
                    result._identities.append(_entry(line))
                except ValueError as error:
                    # Not the line itself: it may be a token that was not hashed.
                    raise ValueError(f"{path}, line {number}: {error}") from None
        return result

    def __call__(self, client: ClientConnection, handshake: Any) -> Identity | None:
        """Return whose token the handshake value holds."""
        del client
        token = handshake.get("token") if isinstance(handshake, dict) else None
        return self.identity_of(token) if isinstance(token, str) else None

    def identity_of(self, token: str) -> Identity | None:
        """Return whose token it is, None if it is nobody's."""
        digest = _digest(token)
        found: Identity | None = None
        # All of them, so that the time it takes tells nothing.
        for known, identity in self._identities:
            if hmac.compare_digest(known, digest):
                found = identity
        return found

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self._identities)} tokens>"


def _entry(line: str) -> tuple[bytes, Identity]:
    """Take a line of a file of tokens apart.

    Raises:
        ValueError: it has another form.
    """
    fields = line.split()
    if not 1 < len(fields) <= _FIELDS:
        raise ValueError("expected a hash, a name and roles with commas between them")
    try:
        digest = _digest_of(fields[0])
    except ValueError as error:
        raise ValueError(f"the first field is {error}") from None
    roles = fields[2].split(",") if len(fields) == _FIELDS else []
    return digest, Identity(fields[1], filter(None, roles))


def _digest_of(text: str) -> bytes:
    """Return the hash that a text stands for.

    Raises:
        ValueError: it is none.
    """
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != _HASH_SIZE:
        raise ValueError(
            "not a hash; pyro_protocol.authentication.hash_token makes it of a token"
        )
    return digest


class CertificateAuthentication:
    """Knows clients by their TLS certificates.

    The TLS context must demand or at least ask for certificates, and knows which
    authorities to trust: what they have signed is believed here.

    Args:
        names: who has which name in its certificate: ``"CN:alice"`` for the common
            name of the subject, and ``"DNS:…"``, ``"email:…"``, ``"URI:…"``,
            ``"IP:…"`` for the alternative names.

    Raises:
        ValueError: a name is of none of these forms.
    """

    KINDS: Final = ("CN", "DNS", "email", "URI", "IP")

    def __init__(self, names: Mapping[str, Identity]) -> None:
        for name in names:
            kind, separator, value = name.partition(":")
            if kind not in self.KINDS or not separator or not value:
                known = ", ".join(f"{one}:…" for one in self.KINDS)
                raise ValueError(
                    f"{name!r} is no name in a certificate; expected {known}"
                )
        self._identities = dict(names)

    def __call__(self, client: ClientConnection, handshake: Any) -> Identity | None:
        """Return whose certificate the client has."""
        del handshake
        # Empty, or None, unless the certificate was verified.
        certificate = client.getpeercert()
        for name in _names_in(certificate) if certificate else ():
            identity = self._identities.get(name)
            if identity is not None:
                return identity
        return None

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self._identities)} names>"


def _names_in(certificate: Mapping[str, Any]) -> Iterator[str]:
    for kind, value in certificate.get("subjectAltName", ()):
        yield f"{'IP' if kind == 'IP Address' else kind}:{value}"
    for part in certificate.get("subject", ()):
        for kind, value in part:
            if kind == "commonName":
                yield f"CN:{value}"


class UserAuthentication:
    """Knows the users of this machine that connect over a Unix socket, on Linux.

    The operating system says who they are, so they need no secret.

    Args:
        users: who is which user, by name or number.

    Raises:
        ValueError: there is no such user.
    """

    def __init__(self, users: Mapping[str | int, Identity]) -> None:
        self._identities = {
            _user_id(user): identity for user, identity in users.items()
        }

    def __call__(self, client: ClientConnection, handshake: Any) -> Identity | None:
        """Return which user has connected."""
        del handshake
        credentials = client.peer_credentials
        return None if credentials is None else self._identities.get(credentials.uid)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self._identities)} users>"


def _user_id(user: str | int) -> int:
    if isinstance(user, int):
        return user
    try:
        import pwd  # noqa: PLC0415 - not there on Windows

        return pwd.getpwnam(user).pw_uid
    except (ImportError, KeyError):
        raise ValueError(f"there is no user {user!r} on this machine") from None


class AnyOf:
    """Knows a client if one of several ways does; they are tried in order.

    Args:
        ways: what to try. One that raises ends the search: the client is refused.
    """

    def __init__(self, *ways: Authenticator) -> None:
        self._ways = ways

    def __call__(self, client: ClientConnection, handshake: Any) -> Identity | None:
        """Return what the first way says that knows the client."""
        for way in self._ways:
            identity = way(client, handshake)
            if identity is not None:
                return identity
        return None

    def __repr__(self) -> str:
        return f"AnyOf({', '.join(map(repr, self._ways))})"
