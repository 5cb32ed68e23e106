"""The signatures of Pyro4: whoever knows the key can have written a message.

They are HMAC-SHA1 over the payload as it is sent and then the other annotations in
the order of their ids (spec: pyro4-and-3, section 1). They do not cover the header,
and do not keep anything secret; nor do they stop a message from being sent again.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..wire import Buffer

__all__ = ["SIGNATURE_ID", "HmacKey"]

SIGNATURE_ID: Final = "HMAC"
"""The annotation that holds the signature."""


class HmacKey:
    """A key that messages are signed with; it does not show itself.

    Args:
        key: the key; a text stands for its UTF-8 bytes, and, as everywhere in Python
            where bytes are read as text, may stand for any others.

    Raises:
        ValueError: the key is empty.
        TypeError: the key is neither text nor bytes.
    """

    __slots__ = ("_key",)

    def __init__(self, key: str | bytes) -> None:
        if not isinstance(key, str | bytes):
            raise TypeError(
                f"a HMAC key must be text or bytes, not {type(key).__name__}"
            )
        if not key:
            raise ValueError("a HMAC key must not be empty; None means no key")
        self._key = (
            key.encode("utf-8", "surrogateescape") if isinstance(key, str) else key
        )

    def reveal(self) -> bytes:
        """Return the key itself."""
        return self._key

    def sign(self, payload: Buffer, annotations: Mapping[str, Buffer]) -> bytes:
        """Return the signature of a message.

        Args:
            payload: the payload as it is sent, compressed if it is.
            annotations: the annotations; a signature among them does not count.
        """
        signature = hmac.new(self._key, payload, "sha1")
        for name in sorted(annotations):
            if name != SIGNATURE_ID:
                signature.update(annotations[name])
        return signature.digest()

    def has_signed(self, payload: Buffer, annotations: Mapping[str, Buffer]) -> bool:
        """Whether the signature among the annotations is right."""
        given = annotations.get(SIGNATURE_ID, b"")
        return hmac.compare_digest(bytes(given), self.sign(payload, annotations))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HmacKey):
            return NotImplemented
        return hmac.compare_digest(self._key, other._key)

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return "<HMAC key>"
