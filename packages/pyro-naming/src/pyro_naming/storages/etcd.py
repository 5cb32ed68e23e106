"""Registrations in etcd, which any number of name servers share."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, ClassVar, Final

from .etcd_client import EtcdClient
from .etcd_history import EtcdHistory
from .etcd_keys import EtcdKeys, as_bytes, following, put, read, registration_from
from .etcd_writers import EtcdWriters
from .interface import FREE, Change, Registration, Storage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from .etcd_writers import Writer

__all__ = ["EtcdStorage"]

# An answer of etcd is held in memory on both sides: these take about a megabyte.
_NAMES_READ_AT_ONCE: Final = 2000
# etcd takes at most 128 operations that are not folded.
_NAMES_ASKED_AT_ONCE: Final = 100
_NAMES_WRITTEN_AT_ONCE: Final = 25
# etcd takes requests of one and a half megabytes; an entry of an index has about the
# length of a name and a tag.
_ENTRIES_WRITTEN_AT_ONCE: Final = 1000


class EtcdStorage(Storage):
    """Keeps registrations in etcd 3.4 or newer.

    Operations that find no member of the cluster are tried again for
    `engine_calls.RETRY_SECONDS`; those that change something happen once even so.
    Each name is written as a whole, with its place in all indexes; many names at once
    are written in groups. The history is that of etcd, which has to be told how long
    to keep it: ``--auto-compaction-retention=1h``, and which otherwise keeps it until
    it has no more room.

    Args:
        url: ``etcd://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT]…/PREFIX``, or ``etcds:``
            for TLS. Name servers with the same prefix (``pyro``) share their names.
            Its query may have ``user``, ``password``, and the files ``ca``, ``cert``
            and ``key``.

    Raises:
        ValueError: the URL is no such.
        NamingError: etcd3gw is not installed, or etcd refuses or cannot be reached.
    """

    networked: ClassVar[bool] = True

    def __init__(self, url: str) -> None:
        self._client = EtcdClient(url)
        self._keys = EtcdKeys(self._client.prefix)
        self._writers = EtcdWriters(self._client, self._keys)
        self._history = EtcdHistory(self._client, self._keys)
        try:
            self._history.position()
        except BaseException:
            self.close()
            raise

    def get(self, name: str) -> Registration | None:
        """Return the registration of a name, or None."""
        return self._read([name]).get(name)

    def put(
        self, name: str, registration: Registration, *, expected: int | None = None
    ) -> bool:
        """Register a name, or replace what is registered; see `Storage.put`."""
        known = None if expected == FREE else self.get(name)
        with self._writers.one() as writer:
            while expected in (None, _version_of(known)):
                current = self._replace(writer, {name: (known, registration)})
                if current is None:
                    return True
                known = current.get(name)
        return False

    def renew(self, names: Collection[str], owner: str, now: float) -> set[str]:
        """Note that an owner still lives; see `Storage.renew`."""

        def renewed(_name: str, known: Registration) -> Registration | None:
            if known.owner != owner or known.has_expired(now):
                return None
            return known._replace(renewed=now)

        done: set[str] = set()
        known = self._read(names)
        with self._writers.one() as writer:
            for some in _groups(known):
                current: dict[str, Registration] | None = some
                while current:
                    changes = {
                        name: (one, new)
                        for name, one in current.items()
                        if (new := renewed(name, one))
                    }
                    current = self._replace(writer, changes) if changes else None
                    if current is None:
                        done.update(changes)
        return done

    def remove(self, names: Mapping[str, int | None]) -> list[str]:
        """Remove names, and return those that were removed; see `Storage.remove`."""
        removed: list[str] = []
        known = self._read(names)
        with self._writers.one() as writer:
            for some in _groups(known):
                current: dict[str, Registration] | None = some
                while current:
                    changes = {
                        name: (one, None)
                        for name, one in current.items()
                        if names[name] in (None, one.version)
                    }
                    current = self._replace(writer, changes) if changes else None
                    if current is None:
                        removed.extend(changes)
        return removed

    def find(
        self, prefix: str = "", *, after: str | None = None, limit: int | None = None
    ) -> dict[str, Registration]:
        """Return registrations by the beginning of names; see `Storage.find`."""
        beginning = self._keys.name(prefix)
        key, end = beginning, following(beginning)
        if after is not None and after >= prefix:
            key = self._keys.name(after) + b"\0"
        result: dict[str, Registration] = {}
        # All parts are read as they were when the first one was.
        options: dict[str, Any] = {}
        while key < end and (limit is None or len(result) < limit):
            wanted = _NAMES_READ_AT_ONCE
            if limit is not None:
                wanted = min(wanted, limit - len(result))
            answer = self._range(key, end, limit=wanted, **options)
            for pair in answer.get("kvs", ()):
                result[self._keys.name_in(pair)] = registration_from(pair)
            if not answer.get("more"):
                break
            options["revision"] = answer["header"]["revision"]
            key = base64.b64decode(answer["kvs"][-1]["key"]) + b"\0"
        return result

    def find_by_metadata(
        self,
        tags: frozenset[str],
        *,
        every: bool,
        after: str | None = None,
        limit: int | None = None,
    ) -> dict[str, Registration]:
        """Return the registrations that have every one of some tags, or any."""
        indexes = [self._keys.tag(tag) for tag in tags]
        if every:
            indexes = [min(indexes, key=self._count)]
        result: dict[str, Registration] = {}
        while limit is None or len(result) < limit:
            wanted = _NAMES_READ_AT_ONCE if limit is None else limit - len(result)
            wanted = min(wanted, _NAMES_READ_AT_ONCE)
            names = self._indexed(indexes, after, wanted)
            found = self._read(names)
            for name in names:
                # The index may be read before a change, and the name after it.
                one = found.get(name)
                if one and (tags <= one.metadata if every else tags & one.metadata):
                    result[name] = one
            if len(names) < wanted:
                break
            after = names[-1]
        return result

    def expired(self, now: float, limit: int) -> dict[str, int]:
        """Return names that have expired, with their versions."""
        first = self._keys.expiries()
        last = self._keys.expiry(now)
        answer = self._range(first, following(last), limit=limit, keys_only=True)
        skipped = len(last)
        names = [
            base64.b64decode(pair["key"])[skipped:].decode("utf-8", "surrogatepass")
            for pair in answer.get("kvs", ())
        ]
        return {
            name: one.version
            for name, one in self._read(names).items()
            if one.has_expired(now)
        }

    def count_of(self, owner: str) -> int:
        """Return how many names are registered in the name of an owner."""
        return self._count(self._keys.owner(owner))

    def position(self) -> str:
        """Return where in its history the storage is now."""
        return self._history.position()

    def changes(self, after: str, *, wait: float, limit: int = 1000) -> list[Change]:
        """Return what has happened since a position; see `Storage.changes`."""
        return self._history.changes(after, wait, limit)

    def __len__(self) -> int:
        return self._count(self._keys.names)

    def close(self) -> None:
        """Close the connections, and end the waiting of others."""
        self._client.close()

    def _replace(
        self,
        writer: Writer,
        changes: Mapping[str, tuple[Registration | None, Registration | None]],
    ) -> dict[str, Registration] | None:
        """Replace registrations as a whole; return what is there if it is another."""
        operations = [
            operation
            for name, (old, new) in changes.items()
            for operation in self._keys.replacement(name, old, new)
        ]
        if any(_is_change(old, new) for old, new in changes.values()):
            operations.append(put(self._keys.change, b""))
        expected = {
            self._keys.name(name): _version_of(old)
            for name, (old, _) in changes.items()
        }
        found = self._writers.write(writer, expected, operations)
        if found is None:
            return None
        return {self._keys.name_in(pair): registration_from(pair) for pair in found}

    def _read(self, names: Iterable[str]) -> dict[str, Registration]:
        """Return registrations by name, without those that do not exist."""
        result: dict[str, Registration] = {}
        ordered = list(names)
        for start in range(0, len(ordered), _NAMES_ASKED_AT_ONCE):
            some = ordered[start : start + _NAMES_ASKED_AT_ONCE]
            operations = [read(self._keys.name(name)) for name in some]
            answer = self._client.post("/kv/txn", {"success": operations})
            for one in answer["responses"]:
                for pair in one["response_range"].get("kvs", ()):
                    result[self._keys.name_in(pair)] = registration_from(pair)
        return result

    def _indexed(
        self, indexes: Sequence[bytes], after: str | None, wanted: int
    ) -> list[str]:
        """Return the next names in any of some indexes."""
        names: set[str] = set()
        for index in indexes:
            key = index if after is None else index + as_bytes(after) + b"\0"
            answer = self._range(key, following(index), limit=wanted, keys_only=True)
            for pair in answer.get("kvs", ()):
                encoded = base64.b64decode(pair["key"]).removeprefix(index)
                names.add(encoded.decode("utf-8", "surrogatepass"))
        return sorted(names)[:wanted]

    def _range(self, key: bytes, end: bytes, **options: Any) -> dict[str, Any]:
        return self._client.post(
            "/kv/range", read(key, end, **options)["request_range"]
        )

    def _count(self, beginning: bytes) -> int:
        answer = self._range(beginning, following(beginning), count_only=True)
        return int(answer.get("count", 0))


def _version_of(one: Registration | None) -> int:
    return FREE if one is None else one.version


def _is_change(old: Registration | None, new: Registration | None) -> bool:
    return old is None or new is None or not old.says_the_same(new)


def _groups(known: Mapping[str, Registration]) -> Iterator[dict[str, Registration]]:
    """Return registrations in groups that etcd takes in one request."""
    group: dict[str, Registration] = {}
    entries = 0
    for name, one in known.items():
        entries += len(one.metadata)
        if len(group) == _NAMES_WRITTEN_AT_ONCE or entries > _ENTRIES_WRITTEN_AT_ONCE:
            yield group
            group, entries = {}, len(one.metadata)
        group[name] = one
    yield group
