"""What has happened to registrations in etcd, by its revisions."""

from __future__ import annotations

import base64
import re
import secrets
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .etcd_client import EtcdError
from .etcd_keys import (
    as_text,
    compare_revision,
    following,
    put,
    read,
    registration_from,
    said_something,
)
from .interface import Change, HistoryLostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .etcd_client import EtcdClient
    from .etcd_keys import EtcdKeys

__all__ = ["EtcdHistory"]

_POSITION: Final = re.compile(r"([0-9a-f]+)\.([0-9]{1,18})\.([0-9]{1,18})")


class _Point(NamedTuple):
    """Where in the history somebody is.

    Attributes:
        revision: the first revision that is still to be read.
        skipped: how many of its changes were.
    """

    revision: int
    skipped: int


class _Present(NamedTuple):
    """How far the history has come.

    Attributes:
        origin: tells it from others.
        latest: the revision of the last change.
        revision: that of the last write of any kind.
    """

    origin: str
    latest: int
    revision: int


class EtcdHistory:
    """Reads the changes that etcd has kept.

    Args:
        client: asks the cluster.
        keys: the keys of the storage.
    """

    def __init__(self, client: EtcdClient, keys: EtcdKeys) -> None:
        self._client = client
        self._keys = keys

    def position(self) -> str:
        """Return where the history is now; see `Storage.position`."""
        present = self._present()
        return _position(present.origin, _Point(present.latest + 1, 0))

    def changes(self, after: str, wait: float, limit: int) -> list[Change]:
        """Return what has happened since a position; see `Storage.changes`."""
        end = monotonic() + wait
        while True:
            present = self._present()
            parts = _POSITION.fullmatch(after)
            if not parts or parts[1] != present.origin:
                raise _history_lost(after)
            point = _Point(int(parts[2]), int(parts[3]))
            if point.revision > present.latest + 1:
                raise _history_lost(after)
            if point.revision <= present.latest:
                found = self._changes_since(point, present, limit)
                if found is None:
                    raise _history_lost(after)
                return found
            if not self._wait_for_change(present.revision + 1, end):
                return []

    def _present(self) -> _Present:
        origin = secrets.token_hex(8)
        answer = self._client.post(
            "/kv/txn",
            {
                "compare": [compare_revision(self._keys.origin, 0)],
                "success": [
                    put(self._keys.origin, origin.encode()),
                    put(self._keys.change, b""),
                ],
                "failure": [read(self._keys.origin), read(self._keys.change)],
            },
        )
        revision = int(answer["header"]["revision"])
        if answer.get("succeeded"):
            return _Present(origin, revision, revision)
        first, last = (one["response_range"]["kvs"][0] for one in answer["responses"])
        origin = base64.b64decode(first["value"]).decode()
        return _Present(origin, int(last["mod_revision"]), revision)

    def _changes_since(
        self, point: _Point, present: _Present, limit: int
    ) -> list[Change] | None:
        """Return changes up to now; None if not all of them are kept."""
        revision = point.revision
        while True:
            found = self._client.calls.persist(
                partial(self._changes_from, revision, point, present, limit)
            )
            if not isinstance(found, int):
                return found
            if self._latest_at(found) >= point.revision:
                return None
            # What etcd has forgotten were renewals only.
            revision = found + 1

    def _changes_from(
        self, revision: int, point: _Point, present: _Present, limit: int
    ) -> list[Change] | int:
        """Return changes, or the revision up to which none are kept."""
        found: list[Change] = []
        key = self._keys.names
        events = self._client.events(as_text(key), as_text(following(key)), revision)
        with events as messages:
            for message in messages:
                if message.get("canceled"):
                    return found or int(message["compact_revision"])
                by_revision: dict[int, list[dict[str, Any]]] = {}
                for event in message.get("events", ()):
                    happened = int(event["kv"]["mod_revision"])
                    by_revision.setdefault(happened, []).append(event)
                for happened, some in by_revision.items():
                    found.extend(
                        self._changes_at(present.origin, happened, some, point)
                    )
                    if happened >= present.latest or len(found) >= limit:
                        return found[:limit]
        return found

    def _latest_at(self, revision: int) -> int:
        """Return the revision of the last change there was at a revision."""
        request = read(self._keys.change, revision=revision)["request_range"]
        pairs = self._client.post("/kv/range", request).get("kvs", ())
        return max((int(pair["mod_revision"]) for pair in pairs), default=0)

    def _changes_at(
        self, origin: str, revision: int, events: list[dict[str, Any]], point: _Point
    ) -> Iterator[Change]:
        """Return the changes of a revision that somebody does not know yet."""
        telling = [
            event
            for event in events
            if event.get("type") == "DELETE" or said_something(event["kv"])
        ]
        skipped = point.skipped if revision == point.revision else 0
        for number, event in enumerate(telling, 1):
            following_point = _Point(revision, number)
            if number == len(telling):
                following_point = _Point(revision + 1, 0)
            if number > skipped:
                yield self._change(event, _position(origin, following_point))

    def _change(self, event: dict[str, Any], position: str) -> Change:
        pair = event["kv"]
        name = self._keys.name_in(pair)
        if event.get("type") == "DELETE":
            return Change("removed", name, None, position)
        is_new = pair["create_revision"] == pair["mod_revision"]
        return Change(
            "added" if is_new else "changed", name, registration_from(pair), position
        )

    def _wait_for_change(self, revision: int, end: float) -> bool:
        """Return whether something has changed since a revision, at the latest then."""

        def attempt() -> bool:
            left = end - monotonic()
            if left <= 0 or self._client.calls.closed:
                return False
            try:
                events = self._client.events(
                    as_text(self._keys.change), None, revision, left
                )
                with events as messages:
                    return any(
                        "events" in message or message.get("canceled")
                        for message in messages
                    )
            except EtcdError:
                # The time is over, which is no failure.
                if monotonic() >= end or self._client.calls.closed:
                    return False
                raise

        return self._client.calls.persist(attempt)


def _position(origin: str, point: _Point) -> str:
    return f"{origin}.{point.revision}.{point.skipped}"


def _history_lost(after: str) -> HistoryLostError:
    return HistoryLostError(
        f"history lost: the changes since position {after[:50]!r} are not all kept; "
        "read all registrations again, and go on from there"
    )
