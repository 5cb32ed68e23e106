"""How registrations are written into etcd: its keys, values and requests.

Below the prefix there is

* ``name/NAME``: the registration of a name,
* ``tag/TAG/NAME``, ``owner/OWNER/NAME``, ``expiry/TIME/NAME``: indexes of those,
* ``change``: written with every change, so that its revision is that of the last one,
* ``origin``: tells the history of these keys from others,
* ``writer/ID``: the last write of one thread of a name server.
"""

from __future__ import annotations

import base64
import json
import struct
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from .interface import Registration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "EtcdKeys",
    "as_text",
    "compare_revision",
    "delete",
    "following",
    "in_one_transaction",
    "put",
    "read",
    "registration_from",
    "said_something",
]

# etcd takes 128 operations in a row, and as many in each one that is a transaction.
_OPERATIONS_IN_A_ROW: Final = 60


class EtcdKeys:
    """The keys of a storage.

    Args:
        prefix: what they begin with.

    Attributes:
        names: what the keys of registrations begin with.
        change: the key that is written with every change.
        origin: the key that tells the history from others.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix.encode()
        self.names: bytes = self._key("name", "")
        self.change: bytes = self._key("change")
        self.origin: bytes = self._key("origin")

    def name(self, name: str) -> bytes:
        """Return the key of the registration of a name."""
        return self.names + as_bytes(name)

    def name_in(self, pair: dict[str, Any]) -> str:
        """Return the name whose registration a key of etcd holds."""
        key = base64.b64decode(pair["key"])
        return key.removeprefix(self.names).decode("utf-8", "surrogatepass")

    def tag(self, tag: str) -> bytes:
        """Return what the keys of names with a tag begin with."""
        return self._key("tag", _quoted(tag), "")

    def owner(self, owner: str) -> bytes:
        """Return what the keys of an owner's names begin with."""
        return self._key("owner", _quoted(owner), "")

    def expiry(self, time: float) -> bytes:
        """Return what the keys of names begin with that expire at a time.

        They are in the order of time.
        """
        # The bytes of positive numbers are ordered as they are.
        return self._key("expiry", struct.pack(">d", time).hex(), "")

    def expiries(self) -> bytes:
        """Return what the keys of all names with a ttl begin with."""
        return self._key("expiry", "")

    def writer(self, identity: str) -> bytes:
        """Return the key of the last write of a thread."""
        return self._key("writer", identity)

    def replacement(
        self, name: str, old: Registration | None, new: Registration | None
    ) -> Iterator[dict[str, Any]]:
        """Return the operations that replace a registration; None is none."""
        key = self.name(name)
        if new is None:
            yield delete(key)
        else:
            is_change = old is None or not old.says_the_same(new)
            yield put(key, _value(new, is_change=is_change))
        before, after = self._indexed(name, old), self._indexed(name, new)
        for entry in sorted(before - after):
            yield delete(entry)
        for entry in sorted(after - before):
            yield put(entry, b"")

    def _indexed(self, name: str, one: Registration | None) -> set[bytes]:
        if one is None:
            return set()
        ending = as_bytes(name)
        keys = {self.tag(tag) + ending for tag in one.metadata}
        keys.add(self.owner(one.owner) + ending)
        if one.ttl > 0:
            keys.add(self.expiry(one.renewed + one.ttl) + ending)
        return keys

    def _key(self, *parts: str) -> bytes:
        return b"/".join((self._prefix, *(part.encode() for part in parts)))


def put(key: bytes, value: bytes, lease: str | None = None) -> dict[str, Any]:
    """Return the operation that writes a key."""
    request = {"key": as_text(key), "value": as_text(value)}
    if lease is not None:
        request["lease"] = lease
    return {"request_put": request}


def delete(key: bytes) -> dict[str, Any]:
    """Return the operation that deletes a key."""
    return {"request_delete_range": {"key": as_text(key)}}


def read(key: bytes, end: bytes | None = None, **options: Any) -> dict[str, Any]:
    """Return the operation that reads a key, or all from it to another."""
    request = {"key": as_text(key), **options}
    if end is not None:
        request["range_end"] = as_text(end)
    return {"request_range": request}


def compare_revision(key: bytes, revision: int) -> dict[str, Any]:
    """Return the condition that a key was written last at a revision; 0: never."""
    return {
        "key": as_text(key),
        "target": "MOD",
        "result": "EQUAL",
        "mod_revision": revision,
    }


def in_one_transaction(operations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return operations for a transaction, folded if they are many."""
    if len(operations) <= _OPERATIONS_IN_A_ROW:
        return list(operations)
    return [
        {"request_txn": {"success": operations[start : start + _OPERATIONS_IN_A_ROW]}}
        for start in range(0, len(operations), _OPERATIONS_IN_A_ROW)
    ]


def registration_from(pair: dict[str, Any]) -> Registration:
    """Return the registration that a key of etcd holds."""
    fields = json.loads(base64.b64decode(pair["value"]))
    return Registration(
        fields["uri"],
        frozenset(fields["metadata"]),
        fields["owner"],
        fields["ttl"],
        fields["registered"],
        fields["renewed"],
        int(pair["mod_revision"]),
    )


def said_something(pair: dict[str, Any]) -> bool:
    """Tell whether a registration was written because it has changed."""
    is_change: bool = json.loads(base64.b64decode(pair["value"]))["is_change"]
    return is_change


def following(prefix: bytes) -> bytes:
    """Return what comes after all keys that begin so; the last byte is no highest."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def as_bytes(text: str) -> bytes:
    """Return a name as it is in a key."""
    return text.encode("utf-8", "surrogatepass")


def as_text(data: bytes) -> str:
    """Return bytes as they are in a request."""
    return base64.b64encode(data).decode()


def _value(one: Registration, *, is_change: bool) -> bytes:
    fields = {
        "uri": one.uri,
        "metadata": sorted(one.metadata),
        "owner": one.owner,
        "ttl": float(one.ttl),
        "registered": float(one.registered),
        "renewed": float(one.renewed),
        # Whether somebody who watches has to hear of it.
        "is_change": is_change,
    }
    return json.dumps(fields).encode()


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")
