"""Writing to etcd exactly once, though answers may get lost."""

from __future__ import annotations

import base64
import contextlib
import itertools
import secrets
import threading
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from .etcd_client import EtcdError
from .etcd_keys import compare_revision, in_one_transaction, put, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .etcd_client import EtcdClient
    from .etcd_keys import EtcdKeys

__all__ = ["EtcdWriters", "Writer"]

# The keys of a name server that was killed are gone after that.
_LEASE_SECONDS: Final = 3600
_LEASE_USED_SECONDS: Final = _LEASE_SECONDS / 2
# How etcd says so.
_LEASE_IS_GONE: Final = "lease not found"


@dataclass
class Writer:
    """The key in which one thread at a time notes its writes.

    Attributes:
        key: the key.
        revision: when it was written last; 0 if that is not so.
    """

    key: bytes
    revision: int = 0


class EtcdWriters:
    """Writes that happen once, even when they have to be asked for several times.

    Every write leaves its number in a key that no other write uses meanwhile, and
    depends on what was there before. So it cannot happen twice, and whether it has
    happened can be read.

    Args:
        client: asks the cluster.
        keys: the keys of the storage.
    """

    def __init__(self, client: EtcdClient, keys: EtcdKeys) -> None:
        self._client = client
        self._keys = keys
        self._identity = secrets.token_hex(8)
        self._numbers = itertools.count()
        self._idle: list[Writer] = []
        self._lease = ("", 0.0)
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def one(self) -> Iterator[Writer]:
        """Lend a writer."""
        with self._lock:
            writer = self._idle.pop() if self._idle else None
        if writer is None:
            identity = f"{self._identity}-{next(self._numbers)}"
            writer = Writer(self._keys.writer(identity))
        try:
            yield writer
        finally:
            with self._lock:
                self._idle.append(writer)

    def write(
        self,
        writer: Writer,
        expected: dict[bytes, int],
        operations: Sequence[dict[str, Any]],
    ) -> list[dict[str, Any]] | None:
        """Carry out operations if keys have the expected revisions.

        Returns:
            None if that was done, otherwise what these keys hold instead.

        Raises:
            NamingError: the cluster refuses, or cannot be reached.
        """
        number = secrets.token_bytes(12)
        was_lost = False

        def attempt() -> list[dict[str, Any]] | None:
            nonlocal was_lost
            lease = self._lease_to_use()
            failure = [read(key) for key in (writer.key, *expected)]
            if was_lost:
                # The first request may still be under way, and must not be carried
                # out after all.
                failure.append(put(writer.key, b"", lease))
            note = put(writer.key, number, lease)
            request = {
                "compare": [
                    compare_revision(writer.key, writer.revision),
                    *(compare_revision(*condition) for condition in expected.items()),
                ],
                "success": in_one_transaction([note, *operations]),
                "failure": failure,
            }
            try:
                answer = self._client.attempt("/kv/txn", request)
            except EtcdError as error:
                was_lost = True
                if _LEASE_IS_GONE not in str(error):
                    raise
                self._forget(lease)
                raise EtcdError(str(error), is_passing=True) from error
            return self._outcome(writer, number, answer, was_sealed=was_lost)

        return self._client.calls.persist(attempt)

    def _outcome(
        self, writer: Writer, number: bytes, answer: dict[str, Any], *, was_sealed: bool
    ) -> list[dict[str, Any]] | None:
        revision = int(answer["header"]["revision"])
        if answer.get("succeeded"):
            writer.revision = revision
            return None
        note, *found = (
            one["response_range"].get("kvs", [])
            for one in answer["responses"]
            if "response_range" in one
        )
        writer.revision = int(note[0]["mod_revision"]) if note else 0
        if was_sealed:
            writer.revision = revision
        if note and base64.b64decode(note[0].get("value", "")) == number:
            return None
        return [pair for pairs in found for pair in pairs]

    def _lease_to_use(self) -> str:
        with self._lock:
            lease, granted = self._lease
        if not lease or monotonic() > granted + _LEASE_USED_SECONDS:
            granted = monotonic()
            lease = self._client.attempt("/lease/grant", {"TTL": _LEASE_SECONDS})["ID"]
            with self._lock:
                self._lease = (lease, granted)
        return lease

    def _forget(self, lease: str) -> None:
        with self._lock:
            if self._lease[0] == lease:
                self._lease = ("", 0.0)
