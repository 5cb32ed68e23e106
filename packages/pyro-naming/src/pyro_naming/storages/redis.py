"""Registrations in Redis, which any number of name servers share."""

from __future__ import annotations

import json
import re
import secrets
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeVar

from . import redis_scripts
from .engine_calls import EngineCalls
from .history import HISTORY_LENGTH
from .interface import Change, HistoryLostError, Registration, Storage
from .redis_client import connect, errors, is_passing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

__all__ = ["RedisStorage"]

# `close` is noticed after that.
_WAITING_SLICE_SECONDS: Final = 0.25
# Redis does nothing else while it gathers these: some ten milliseconds.
_NAMES_AT_ONCE: Final = 2000

_POSITION: Final = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")


T = TypeVar("T")


class RedisStorage(Storage):
    """Keeps registrations in Redis 6.2 or newer.

    Operations that find Redis out of reach are tried again for
    `engine_calls.RETRY_SECONDS`; those that change something happen once even so.
    What was acknowledged outlives a crash of Redis if that runs with ``appendonly
    yes`` and ``appendfsync always``. More than 2000 names are read, renewed or removed
    in parts, and what others change meanwhile may be in a list or not.

    Args:
        url: ``redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]``, ``rediss://…`` over TLS,
            or ``redis+unix://[[USER]:PASSWORD@]/PATH[?db=DB]``. ``prefix=TEXT`` in
            its query is what the keys begin with (``pyro``): name servers with the
            same share their names. ``sentinel=SERVICE`` says that the hosts, several
            with commas between, are Redis Sentinels who know where the service is.
            Anything else there goes to `redis.Redis.from_url`.
        history: how many changes are kept for those who watch.

    Raises:
        ValueError: the URL is no such.
        NamingError: redis-py is not installed, or Redis refuses or cannot be reached.
    """

    networked: ClassVar[bool] = True

    def __init__(self, url: str, *, history: int = HISTORY_LENGTH) -> None:
        self._history = str(history + 1)
        self._client, description, prefix = connect(url)
        self._calls = EngineCalls(description, errors(), is_passing)
        # The braces keep all keys on one node of a cluster.
        self._base = _encoded("{" + prefix + "}")
        register = self._client.register_script
        self._put_script = register(redis_scripts.PUT)
        self._renew_script = register(redis_scripts.RENEW)
        self._remove_script = register(redis_scripts.REMOVE)
        self._search_script = register(redis_scripts.SEARCH)
        self._expired_script = register(redis_scripts.EXPIRED)
        self._position_script = register(redis_scripts.POSITION)
        self._changes_script = register(redis_scripts.CHANGES)
        try:
            len(self)
        except BaseException:
            self.close()
            raise

    def get(self, name: str) -> Registration | None:
        """Return the registration of a name, or None."""
        fields = ("uri", "tags", "owner", "ttl", "registered", "renewed", "version")
        return _registration(
            self._command("HMGET", self._key(f":name:{name}"), *fields)
        )

    def put(
        self, name: str, registration: Registration, *, expected: int | None = None
    ) -> bool:
        """Register a name, or replace what is registered; see `Storage.put`."""
        uri, metadata, owner, ttl, registered, renewed, _ = registration
        done = self._run(
            self._put_script,
            secrets.token_hex(16),
            self._history,
            name,
            "" if expected is None else expected,
            repr(renewed + ttl) if ttl > 0 else "",
            uri,
            json.dumps(sorted(metadata), ensure_ascii=False),
            owner,
            *(repr(float(number)) for number in (ttl, registered, renewed)),
        )
        return bool(done)

    def renew(self, names: Collection[str], owner: str, now: float) -> set[str]:
        """Note that an owner still lives; see `Storage.renew`."""
        renewed: set[str] = set()
        for some in _in_groups(list(names)):
            renewed.update(
                map(_decoded, self._run(self._renew_script, owner, repr(now), *some))
            )
        return renewed

    def remove(self, names: Mapping[str, int | None]) -> list[str]:
        """Remove names, and return those that were removed; see `Storage.remove`."""
        removed: list[str] = []
        for some in _in_groups(list(names.items())):
            pairs = (
                text
                for name, expected in some
                for text in (name, "" if expected is None else expected)
            )
            write = secrets.token_hex(16)
            removed.extend(
                map(
                    _decoded,
                    self._run(self._remove_script, write, self._history, *pairs),
                )
            )
        return removed

    def find(
        self, prefix: str = "", *, after: str | None = None, limit: int | None = None
    ) -> dict[str, Registration]:
        """Return registrations by the beginning of names; see `Storage.find`."""
        return self._search([":names"], prefix, after, limit, "any")

    def find_by_metadata(
        self,
        tags: frozenset[str],
        *,
        every: bool,
        after: str | None = None,
        limit: int | None = None,
    ) -> dict[str, Registration]:
        """Return the registrations that have every one of some tags, or any."""
        sets = [f":tag:{tag}" for tag in tags]
        return self._search(sets, "", after, limit, "every" if every else "any")

    def expired(self, now: float, limit: int) -> dict[str, int]:
        """Return names that have expired, with their versions."""
        found = self._run(self._expired_script, repr(now), limit)
        return {_decoded(name): int(version) for name, version in _pairs(found)}

    def count_of(self, owner: str) -> int:
        """Return how many names are registered in the name of an owner."""
        count = self._command("HGET", self._key(":owners"), _encoded(owner))
        return int(count or 0)

    def position(self) -> str:
        """Return where in its history the storage is now."""
        return _decoded(self._run(self._position_script))

    def changes(self, after: str, *, wait: float, limit: int = 1000) -> list[Change]:
        """Return what has happened since a position; see `Storage.changes`."""
        end = monotonic() + wait
        while True:
            found = self._changes_since(after, limit)
            if found or not self._wait_for_change(after, end):
                return found

    def __len__(self) -> int:
        return int(self._command("ZCARD", self._key(":names")))

    def close(self) -> None:
        """Close the connections, and end the waiting of others."""
        self._calls.close()
        self._client.close()

    def _changes_since(self, after: str, limit: int) -> list[Change]:
        entries = None
        if _POSITION.fullmatch(after):
            entries = self._run(self._changes_script, after, limit)
        if entries is None:
            raise HistoryLostError(
                f"history lost: the changes since position {after[:50]!r} are not "
                "all kept; read all registrations again, and go on from there"
            )
        return [_change(_decoded(identity), values) for identity, values in entries]

    def _wait_for_change(self, after: str, end: float) -> bool:
        """Return whether there is one now; it may not be there any more."""
        stream = self._key(":changes")
        while (left := end - monotonic()) > 0 and not self._calls.closed:
            milliseconds = max(int(min(left, _WAITING_SLICE_SECONDS) * 1000), 1)
            block = ("COUNT", 1, "BLOCK", milliseconds)
            if self._command("XREAD", *block, "STREAMS", stream, after):
                return True
        return False

    def _search(
        self,
        sets: Sequence[str],
        prefix: str,
        after: str | None,
        limit: int | None,
        mode: Literal["any", "every"],
    ) -> dict[str, Registration]:
        last = b"(" + _following(prefix) if prefix else b"+"
        result: dict[str, Registration] = {}
        while limit is None or len(result) < limit:
            wanted = _NAMES_AT_ONCE
            if limit is not None:
                wanted = min(wanted, limit - len(result))
            if after is not None and after >= prefix:
                first = b"(" + _encoded(after)
            else:
                first = b"[" + _encoded(prefix)
            found = self._run(self._search_script, first, last, wanted, mode, *sets)
            some = {_decoded(name): values for name, values in _pairs(found)}
            # Of several sets it may be more.
            names = sorted(some)[:wanted]
            for name in names:
                if one := _registration(some[name]):
                    result[name] = one
            if len(names) < wanted:
                break
            after = names[-1]
        return result

    def _key(self, rest: str) -> bytes:
        return self._base + _encoded(rest)

    def _command(self, *arguments: object) -> Any:
        return self._calls.persist(lambda: self._client.execute_command(*arguments))

    def _run(self, script: Any, *arguments: str | bytes | int) -> Any:
        encoded = [_encoded(one) if isinstance(one, str) else one for one in arguments]
        return self._calls.persist(lambda: script(keys=[self._base], args=encoded))


def _registration(values: Sequence[bytes | None]) -> Registration | None:
    uri, tags, owner, ttl, registered, renewed, version = values
    if uri is None or tags is None or owner is None or version is None:
        return None
    return Registration(
        _decoded(uri),
        frozenset(json.loads(_decoded(tags))),
        _decoded(owner),
        float(ttl or 0),
        float(registered or 0),
        float(renewed or 0),
        int(version),
    )


def _change(position: str, values: Sequence[bytes]) -> Change:
    kind, name = (_decoded(value) for value in values[1:4:2])
    if kind == "removed":
        return Change("removed", name, None, position)
    registration = _registration(values[5::2])
    return Change(
        "added" if kind == "added" else "changed", name, registration, position
    )


def _following(prefix: str) -> bytes:
    """Return what comes, in the order of bytes, after all that begins so."""
    encoded = _encoded(prefix)
    # No byte of UTF-8 is the highest one.
    return encoded[:-1] + bytes([encoded[-1] + 1])


def _pairs(flat: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _in_groups(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _NAMES_AT_ONCE):
        yield items[start : start + _NAMES_AT_ONCE]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
