"""Following the changes of a storage, in a thread that waits for them."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from pyro_protocol.errors import NamingError

from .records import Record, change_of, known_of
from .storages.interface import Change, HistoryLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .storages import Storage

__all__ = ["Watch", "next_changes", "read_changes", "watch_changes"]

# A thread looks that often whether its name server has ended.
_LONGEST_SILENCE_SECONDS = 1.0


class Watch(NamedTuple):
    """What somebody wants to know of.

    Attributes:
        prefix: what the names have to begin with.
        limit: how many changes are wanted at a time.
        existing: whether what is registered at first is wanted too.
        view: tells whether a name may be shown; None if all may be.
        has_ended: tells whether the name server has ended.
    """

    prefix: str
    limit: int
    existing: bool
    view: Callable[[str], bool] | None
    has_ended: Callable[[], bool]

    def wants(self, name: str) -> bool:
        """Tell whether changes of a name are wanted, and may be shown."""
        return name.startswith(self.prefix) and (self.view is None or self.view(name))

    def choose(self, changes: Iterable[Change]) -> list[Record]:
        """Return the changes that are wanted, as clients get them."""
        return [change_of(change) for change in changes if self.wants(change.name)]


def read_changes(
    storage: Storage, after: str, limit: int, wait: float = 0.0
) -> list[Change]:
    """Return what has happened since a position; see `Storage.changes`.

    Raises:
        NamingError: the history since then is not kept.
    """
    try:
        return storage.changes(after, wait=wait, limit=limit)
    except HistoryLostError as error:
        # Clients have no such class, so they go by the text.
        text = str(error)
        if not text.startswith("history lost"):
            text = f"history lost: {text}"
        raise NamingError(text) from error


def next_changes(storage: Storage, watch: Watch, after: str, wait: float) -> Record:
    """Return the next changes as `NameServer.changes` gives them.

    Args:
        storage: the registrations.
        watch: what is wanted.
        after: the position.
        wait: how many seconds to wait for the first.

    Raises:
        NamingError: the history since then is not kept.
    """
    end = monotonic() + wait
    while True:
        left = max(end - monotonic(), 0.0)
        pause = min(left, _LONGEST_SILENCE_SECONDS)
        found = read_changes(storage, after, watch.limit, pause)
        if found:
            after = found[-1].position
        chosen = watch.choose(found)
        if chosen or left <= 0 or watch.has_ended():
            return {"changes": chosen, "position": after}


def watch_changes(
    storage: Storage, watch: Watch, after: str, clock: Callable[[], float]
) -> Iterator[Record]:
    """Give the changes as `NameServer.watch` does.

    Args:
        storage: the registrations.
        watch: what is wanted.
        after: the position to begin at.
        clock: returns the seconds since the epoch.

    Raises:
        NamingError: the history is not kept.
    """
    if watch.existing:
        name: str | None = None
        while found := storage.find(watch.prefix, after=name, limit=watch.limit):
            for name, one in found.items():
                if not one.has_expired(clock()) and watch.wants(name):
                    yield known_of(name, one, after)
    while not watch.has_ended():
        answer = next_changes(storage, watch, after, _LONGEST_SILENCE_SECONDS)
        after = answer["position"]
        yield from answer["changes"]
