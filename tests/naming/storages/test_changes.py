"""What every storage tells those who watch."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pyro_naming import Registration
from pyro_naming.storages import HistoryLostError
from pyro_protocol.errors import NamingError
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_naming import Storage
    from pyro_naming.storages import Change
    from support.storages import StorageKind

PLAIN = Registration("PYRO:plain@h:1")
OWNED = Registration("PYRO:owned@h:1", frozenset({"x"}), "alice@lab", 60.0, 10.0, 20.0)


def summary(changes: list[Change]) -> list[tuple[str, str]]:
    return [(change.kind, change.name) for change in changes]


def test_changes_tell_what_happened_in_order(storage: Storage) -> None:
    before = storage.position()
    storage.put("a", OWNED)
    storage.put("b", PLAIN)
    storage.put("a", PLAIN)
    storage.remove({"b": None, "unknown": None})
    storage.put("b", OWNED)
    changes = storage.changes(before, wait=0)
    assert summary(changes) == [
        ("added", "a"),
        ("added", "b"),
        ("changed", "a"),
        ("removed", "b"),
        ("added", "b"),
    ]
    contents = [change.registration for change in changes]
    assert [one and one[:4] for one in contents] == [
        OWNED[:4],
        PLAIN[:4],
        PLAIN[:4],
        None,
        OWNED[:4],
    ]
    assert len({change.position for change in changes}) == 5


def test_several_names_removed_at_once_are_several_changes(storage: Storage) -> None:
    names = [f"n{number}" for number in range(5)]
    for name in names:
        storage.put(name, PLAIN)
    before = storage.position()
    storage.remove(dict.fromkeys(names))
    changes = storage.changes(before, wait=0)
    assert sorted(summary(changes)) == [("removed", name) for name in names]
    assert len({change.position for change in changes}) == 5


@pytest.mark.parametrize(
    "part",
    [{"uri": "PYRO:x@h:2"}, {"metadata": frozenset("t")}, {"owner": "o"}, {"ttl": 9.0}],
    ids="".join,
)
def test_other_contents_are_a_change(storage: Storage, part: dict[str, object]) -> None:
    storage.put("name", OWNED)
    before = storage.position()
    changed = Registration(**(OWNED._asdict() | part))
    storage.put("name", changed)
    assert summary(storage.changes(before, wait=0)) == [("changed", "name")]


def test_renewing_and_registering_the_same_again_are_no_changes(
    storage: Storage,
) -> None:
    storage.put("name", OWNED)
    before = storage.position()
    storage.renew(["name"], "alice@lab", 30.0)
    storage.put("name", OWNED._replace(registered=31.0, renewed=31.0))
    assert storage.changes(before, wait=0) == []
    storage.put("other", PLAIN)
    assert summary(storage.changes(before, wait=0)) == [("added", "other")]


def test_one_can_go_on_from_every_position(storage: Storage) -> None:
    start = storage.position()
    for number in range(10):
        storage.put(f"n{number}", PLAIN)
    everything = storage.changes(start, wait=0)
    for number, change in enumerate(everything):
        assert storage.changes(change.position, wait=0) == everything[number + 1 :]
    assert storage.changes(storage.position(), wait=0) == []
    collected: list[Change] = []
    position = start
    while page := storage.changes(position, wait=0, limit=3):
        assert len(page) <= 3
        collected += page
        position = page[-1].position
    assert collected == everything


def test_the_position_now_is_followed_by_what_comes_next(storage: Storage) -> None:
    storage.put("before", PLAIN)
    now = storage.position()
    storage.put("after", PLAIN)
    assert summary(storage.changes(now, wait=0)) == [("added", "after")]


@pytest.mark.parametrize(
    "position",
    ["", "x", "0", "-", "-1", "1-", "nowhere-5", "9" * 5000, "\ud800", "a\0b", "é"],
)
def test_an_unknown_position_is_lost_history(storage: Storage, position: str) -> None:
    storage.put("name", PLAIN)
    with pytest.raises(HistoryLostError, match="history lost"):
        storage.changes(position, wait=0)


def test_what_is_not_kept_any_more_is_lost_history(
    kind: StorageKind, opened: Callable[..., Storage]
) -> None:
    if not kind.forgets:
        pytest.skip("it is told by others what to forget")
    storage = opened(history=50)
    start = storage.position()
    for number in range(100):
        storage.put(f"n{number % 3}", PLAIN if number % 2 else OWNED)
    late = storage.position()
    for number in range(100, 119):
        storage.put(f"n{number % 3}", PLAIN if number % 2 else OWNED)
    with pytest.raises(HistoryLostError, match="history lost"):
        storage.changes(start, wait=0)
    assert len(storage.changes(late, wait=0)) == 19


def test_the_history_outlives_the_storage(
    kind: StorageKind, opened: Callable[..., Storage]
) -> None:
    if not (kind.lasting and kind.shared):
        pytest.skip("it is told anew each time")
    storage = opened()
    storage.put("a", OWNED)
    middle = storage.position()
    storage.remove({"a": None})
    storage.put("b", OWNED)
    end = storage.position()
    expected = storage.changes(middle, wait=0)
    storage.close()
    again = opened()
    assert again.changes(middle, wait=0) == expected
    assert again.changes(end, wait=0) == []
    again.put("c", PLAIN)
    assert summary(again.changes(end, wait=0)) == [("added", "c")]


def test_whoever_waits_hears_of_the_next_change(storage: Storage) -> None:
    position = storage.position()
    with ThreadPoolExecutor(3) as threads:
        waiting = [
            threads.submit(storage.changes, position, wait=DEADLINE) for _ in range(3)
        ]
        storage.put("name", PLAIN)
        for one in waiting:
            assert summary(one.result(DEADLINE)) == [("added", "name")]


def test_whoever_waits_is_not_woken_by_what_is_no_change(storage: Storage) -> None:
    storage.put("name", OWNED)
    position = storage.position()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(storage.changes, position, wait=DEADLINE)
        for _ in range(20):
            storage.renew(["name"], "alice@lab", 30.0)
        storage.put("other", PLAIN)
        assert summary(waiting.result(DEADLINE)) == [("added", "other")]


def test_waiting_ends_without_changes(storage: Storage) -> None:
    assert storage.changes(storage.position(), wait=0.01) == []


def test_closing_ends_the_waiting(storage: Storage) -> None:
    position = storage.position()
    started = threading.Event()

    def wait() -> list[Change]:
        started.set()
        # It may be closed before the waiting has begun.
        with contextlib.suppress(NamingError):
            return storage.changes(position, wait=DEADLINE * 10)
        return []

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(wait)
        assert started.wait(DEADLINE)
        storage.close()
        assert waiting.result(DEADLINE) == []


def test_another_storage_on_the_same_data_tells_the_same(
    kind: StorageKind, opened: Callable[..., Storage]
) -> None:
    if not kind.shared:
        pytest.skip("only one can be open at a time")
    one, other = opened(), opened()
    start = one.position()
    assert other.changes(start, wait=0) == []
    one.put("a", OWNED)
    other.put("b", PLAIN)
    one.remove({"b": None})
    other.renew(["a"], "alice@lab", 25.0)
    one.put("a", PLAIN)
    assert summary(one.changes(start, wait=0)) == [
        ("added", "a"),
        ("added", "b"),
        ("removed", "b"),
        ("changed", "a"),
    ]
    assert other.changes(start, wait=0) == one.changes(start, wait=0)
    assert other.changes(one.position(), wait=0) == []


def test_whoever_waits_hears_of_what_others_change(
    kind: StorageKind, opened: Callable[..., Storage]
) -> None:
    if not kind.shared:
        pytest.skip("only one can be open at a time")
    one, other = opened(), opened()
    position = one.position()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(one.changes, position, wait=DEADLINE)
        other.put("name", PLAIN)
        assert summary(waiting.result(DEADLINE)) == [("added", "name")]


def test_others_who_have_slept_too_long_still_see_the_contents(
    kind: StorageKind, opened: Callable[..., Storage]
) -> None:
    if not kind.shared:
        pytest.skip("only one can be open at a time")
    one, sleeper = opened(history=10), opened(history=10)
    sleeper.put("gone", PLAIN)
    position = sleeper.position()
    one.remove({"gone": None})
    for number in range(50):
        one.put(f"n{number % 3}", PLAIN if number % 2 else OWNED)
    assert sleeper.get("gone") is None
    assert sleeper.find() == one.find()
    if kind.forgets:
        with pytest.raises(HistoryLostError, match="history lost"):
            sleeper.changes(position, wait=0)
