"""HMAC keys: a secret that both sides know, shown when a connection is made.

In Pyro4 each message is signed with the key. Here the two sides prove to each other
that they have it, in the handshake, and whoever cannot is refused; what follows is
protected by TLS or not at all. The key itself never travels. A proof names the time
and a random number, and is taken once.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import SecurityError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Gate", "checked_answer", "key_of", "shown"]

_PROOF: Final = "pyro4.key"
_VALUE: Final = "handshake"
_NONCE_SIZE: Final = 16
_LARGEST_DIFFERENCE: Final = 300.0
"""How many seconds the clocks of the two sides may differ. A proof that was taken is
remembered for longer."""

_ASYMMETRIC: Final = "hmac key config not symmetric"


def key_of(value: bytes | str | None) -> bytes | None:
    """Return a key as bytes; None means there is none."""
    return value.encode("utf-8") if isinstance(value, str) else value or None


def shown(value: Any, key: bytes) -> dict[str, Any]:
    """Return what a client sends as its handshake value.

    Args:
        value: the handshake value of the program.
        key: the key.
    """
    nonce = secrets.token_hex(_NONCE_SIZE)
    moment = repr(time.time())
    proof = [nonce, moment, _digest(key, "client", nonce, moment)]
    return {_PROOF: proof, _VALUE: value}


def checked_answer(answer: Any, key: bytes, sent: Any) -> Any:
    """Return the handshake value of a server, if it has the key.

    Args:
        answer: what it has answered.
        key: the key.
        sent: what it was sent.

    Raises:
        SecurityError: it has not.
    """
    proof = answer.get(_PROOF) if isinstance(answer, dict) else None
    if not isinstance(proof, str):
        raise SecurityError(_ASYMMETRIC)
    if not hmac.compare_digest(proof, _digest(key, "server", sent[_PROOF][0])):
        raise SecurityError("message hmac mismatch")
    return answer.get(_VALUE)


class Gate:
    """What a server checks the handshake values of its clients with.

    Args:
        clock: returns the seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._taken: dict[str, float] = {}

    def admit(self, data: Any, key: bytes | None) -> tuple[Any, str | None]:
        """Check a handshake value.

        Args:
            data: what the client has sent.
            key: the key of the server, or None.

        Returns:
            The handshake value of its program, and what proves to it that the server
            has the key, too; None without a key.

        Raises:
            SecurityError: the client has not got the key, or has one and the server
                has none.
        """
        proof = data.get(_PROOF) if isinstance(data, dict) else None
        if (proof is None) != (key is None):
            raise SecurityError(_ASYMMETRIC)
        if proof is None or key is None:
            return data, None
        nonce, moment, digest = _parts(proof)
        if not hmac.compare_digest(digest, _digest(key, "client", nonce, moment)):
            raise SecurityError("message hmac mismatch")
        self._take(nonce, float(moment))
        return data.get(_VALUE), _digest(key, "server", nonce)

    def _take(self, nonce: str, moment: float) -> None:
        now = self._clock()
        if abs(now - moment) > _LARGEST_DIFFERENCE:
            raise SecurityError(
                "the clocks of client and server differ by more than "
                f"{_LARGEST_DIFFERENCE:.0f} seconds; set them, so that the hmac key "
                "can be checked"
            )
        with self._lock:
            for old, since in list(self._taken.items()):
                # They are in the order in which they came.
                if now - since <= 2 * _LARGEST_DIFFERENCE:
                    break
                del self._taken[old]
            if nonce in self._taken:
                raise SecurityError("this proof of the hmac key was used before")
            self._taken[nonce] = now

    @staticmethod
    def answer(value: Any, proof: str | None) -> Any:
        """Return what the server answers: its handshake value, with the proof."""
        return value if proof is None else {_PROOF: proof, _VALUE: value}


def _parts(proof: Any) -> tuple[str, str, str]:
    if not (
        isinstance(proof, list | tuple)
        and len(proof) == 3  # noqa: PLR2004 - the parts named below
        and all(isinstance(part, str) for part in proof)
    ):
        raise SecurityError("malformed proof of the hmac key")
    nonce, moment, digest = proof
    return nonce, moment, digest


def _digest(key: bytes, *parts: str) -> str:
    text = "\n".join(parts).encode("utf-8", "surrogatepass")
    return hmac.new(key, text, hashlib.sha256).hexdigest()
