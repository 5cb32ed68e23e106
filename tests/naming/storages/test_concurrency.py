"""Storages under several threads and processes at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyro_naming import Registration
from pyro_naming.storages import FREE
from support.programs import Program
from support.storages import STORAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_naming import Storage
    from support.storages import StorageKind

PLAIN = Registration("PYRO:plain@h:1")
TESTS = Path(__file__).parents[2]

# Counts in the tags of one name, so that a lost update shows in the sum.
COUNTING = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from pyro_naming import Registration
from support.storages import STORAGES

kind, folder, me, rounds = sys.argv[2:]
storage = STORAGES[kind].open(Path(folder), 10_000)
print("ready")
for number in range(int(rounds)):
    storage.put(f"{me}.{number}", Registration("PYRO:o@h:1", frozenset({me})))
    while True:
        known = storage.get("counter")
        count = int(known.uri.rpartition(":")[2])
        new = known._replace(uri=f"PYRO:counter@h:{count + 1}")
        if storage.put("counter", new, expected=known.version):
            break
storage.close()
print("done")
"""


def test_of_many_that_want_a_free_name_one_gets_it(storage: Storage) -> None:
    together = threading.Barrier(8)

    def claim(number: int) -> bool:
        mine = Registration(f"PYRO:o{number}@h:1", frozenset({f"t{number}"}))
        together.wait()
        return storage.put("name", mine, expected=FREE)

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(claim, range(8)))
    assert results.count(True) == 1
    winner = storage.get("name")
    assert winner is not None
    assert winner.uri == f"PYRO:o{results.index(True)}@h:1"
    assert len(storage) == 1


def test_no_update_of_several_threads_is_lost(storage: Storage) -> None:
    storage.put("counter", Registration("PYRO:counter@h:1"))
    position = storage.position()

    def count(_: int) -> None:
        for _ in range(20):
            while True:
                known = storage.get("counter")
                assert known is not None
                number = int(known.uri.rpartition(":")[2])
                new = known._replace(uri=f"PYRO:counter@h:{number + 1}")
                if storage.put("counter", new, expected=known.version):
                    break

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count, range(4)))
    counter = storage.get("counter")
    assert counter is not None
    assert counter.uri == "PYRO:counter@h:81"
    uris = [
        change.registration.uri
        for change in storage.changes(position, wait=0)
        if change.registration
    ]
    assert uris == [f"PYRO:counter@h:{number}" for number in range(2, 82)]


def test_of_many_that_remove_a_name_one_succeeds(storage: Storage) -> None:
    for _ in range(10):
        storage.put("name", PLAIN)
        with ThreadPoolExecutor(4) as threads:
            results = list(threads.map(storage.remove, [{"name": None}] * 4))
        assert sorted(results) == [[], [], [], ["name"]]


def test_readers_never_see_half_a_change(storage: Storage) -> None:
    states = [
        Registration(f"PYRO:o{number}@h:1", frozenset({f"t{number}", f"u{number}"}))
        for number in range(2)
    ]
    storage.put("name", states[0])
    done = threading.Event()

    def read() -> set[Registration]:
        seen: set[Registration] = set()
        while not done.is_set():
            found = storage.get("name")
            assert found is not None
            seen |= {found, *storage.find().values()}
        return {one._replace(version=FREE) for one in seen}

    with ThreadPoolExecutor(2) as threads:
        readers = [threads.submit(read) for _ in range(2)]
        try:
            for number in range(100):
                storage.put("name", states[number % 2])
        finally:
            done.set()
        for reader in readers:
            assert reader.result() <= set(states)


def test_what_one_writes_another_reads_at_once(
    kind: StorageKind, opened: Callable[..., Storage]
) -> None:
    if not kind.shared:
        pytest.skip("only one can be open at a time")
    one, other = opened(), opened()
    for number in range(5):
        written = Registration(f"PYRO:o@h:{number}", frozenset({f"t{number}"}), "me")
        one.put("name", written)
        assert other.get("name") == one.get("name")
        assert list(other.find("na")) == ["name"]
        tag = frozenset({f"t{number}"})
        assert list(other.find_by_metadata(tag, every=True)) == ["name"]
        assert len(other) == other.count_of("me") == 1
        found = other.get("name")
        assert found is not None
        assert not other.put("name", PLAIN, expected=FREE)
        assert other.put("name", PLAIN, expected=found.version)
        assert not one.put("name", written, expected=found.version)
        assert other.remove({"name": None}) == ["name"]
        assert one.get("name") is None
        assert len(one) == 0


def test_what_one_renews_does_not_expire_for_another(
    kind: StorageKind, opened: Callable[..., Storage]
) -> None:
    if not kind.shared:
        pytest.skip("only one can be open at a time")
    one, other = opened(), opened()
    one.put("name", PLAIN._replace(owner="me", ttl=10.0))
    assert list(other.expired(10.0, 10)) == ["name"]
    assert one.renew(["name"], "me", 5.0) == {"name"}
    assert other.expired(10.0, 10) == {}
    assert list(other.expired(15.0, 10)) == ["name"]


@pytest.mark.parametrize(
    "name", [name for name, kind in STORAGES.items() if kind.shared]
)
def test_no_update_of_several_processes_is_lost(name: str, tmp_path: Path) -> None:
    rounds, processes = 30, 3
    storage = STORAGES[name].open(tmp_path, 10_000)
    try:
        storage.put("counter", Registration("PYRO:counter@h:1"))
        position = storage.position()
        with ExitStack() as stack:
            programs = [
                stack.enter_context(
                    Program(
                        *("-c", COUNTING, TESTS, name, tmp_path, f"p{number}"),
                        str(rounds),
                    )
                )
                for number in range(processes)
            ]
            for program in programs:
                program.wait_for("^done$")
                assert program.wait() == 0
        counter = storage.get("counter")
        assert counter is not None
        assert counter.uri == f"PYRO:counter@h:{1 + rounds * processes}"
        assert len(storage) == 1 + rounds * processes
        for number in range(processes):
            tag = frozenset({f"p{number}"})
            assert len(storage.find_by_metadata(tag, every=True)) == rounds
        assert len(storage.changes(position, wait=0)) == 2 * rounds * processes
    finally:
        storage.close()
