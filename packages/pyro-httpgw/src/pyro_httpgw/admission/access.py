"""Who may do what: the gateway key, tokens, and the exposed names."""

from __future__ import annotations

import hashlib
import hmac
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

from ..errors import RequestRefusedError
from ..exchange import Caller

if TYPE_CHECKING:
    from ..messages import Headers, Request
    from ..settings import Settings

__all__ = [
    "KEY_PARAMETER",
    "Credential",
    "caller_with",
    "check_name",
    "credential_of",
    "is_exposed",
    "missing_credential",
]

KEY_PARAMETER: Final = "$key"
"""The query parameter for clients that cannot set a header field."""

_KEY_HEADER: Final = "x-pyro-gateway-key"
_BEARER: Final = "bearer"
_WAYS: Final = "in the header X-Pyro-Gateway-Key, or as Authorization: Bearer"

_CHALLENGE: Final[Headers] = (("WWW-Authenticate", 'Bearer realm="pyro"'),)
_WRONG_TOKEN: Final[Headers] = (
    ("WWW-Authenticate", 'Bearer realm="pyro", error="invalid_token"'),
)


class Credential(NamedTuple):
    """What a request presents to be answered.

    Attributes:
        secret: a key or token.
        bearer: whether it came as a bearer token.
    """

    secret: str
    bearer: bool


def credential_of(
    request: Request, parameters: dict[str, list[str]]
) -> Credential | None:
    """Return what a request presents; None if that is nothing.

    The header of the key counts before that of tokens, and both before the parameter,
    which is taken out of the parameters. One that is given twice is wrong, whatever
    its values.
    """
    values = parameters.pop(KEY_PARAMETER, None)
    key = request.headers.get(_KEY_HEADER)
    if key:
        return Credential(_sent_text(key), bearer=False)
    scheme, _blank, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == _BEARER:
        return Credential(_sent_text(token.strip()), bearer=True)
    if values is None:
        return None
    return Credential(values[0] if len(values) == 1 else "", bearer=False)


def caller_with(credential: Credential, settings: Settings) -> Caller:
    """Return who presents a credential.

    The key and the tokens do in whichever way they are presented.

    Raises:
        RequestRefusedError: it is wrong.
    """
    secret = credential.secret
    # Both comparisons always, and of hashes: the time tells nothing of what is right.
    digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
    has_key = settings.key_digest is not None and hmac.compare_digest(
        digest, settings.key_digest
    )
    identity = None if settings.tokens is None else settings.tokens.identity_of(secret)
    if identity is not None:
        return Caller(authenticated=True, name=identity.name)
    if has_key:
        return Caller(authenticated=True)
    if credential.bearer:
        raise RequestRefusedError(
            HTTPStatus.UNAUTHORIZED, "unknown token", headers=_WRONG_TOKEN
        )
    raise RequestRefusedError(HTTPStatus.FORBIDDEN, "incorrect gateway key")


def _sent_text(text: str) -> str:
    """Return the text that a client has put into a header field.

    Web servers read each byte as a character; some clients send UTF-8.
    """
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def missing_credential() -> RequestRefusedError:
    """Return why a request is refused that presents nothing."""
    return RequestRefusedError(
        HTTPStatus.UNAUTHORIZED,
        "this gateway asks for a key or a token",
        f"send it {_WAYS}",
        headers=_CHALLENGE,
    )


def is_exposed(name: str, settings: Settings) -> bool:
    """Whether the object of this name is reachable."""
    return settings.exposed.match(name) is not None


def check_name(name: str, settings: Settings) -> None:
    """Let the name of a reachable object pass.

    Raises:
        RequestRefusedError: the name is not exposed; whether there is such an
            object is not told.
    """
    if not is_exposed(name, settings):
        raise RequestRefusedError(
            HTTPStatus.FORBIDDEN,
            f"access to {name!r} is denied",
            "names are exposed that begin with a match of the gateway's expression",
        )
