"""What every storage has to do; a new one is added to `STORAGES`."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pyro_naming import MemoryStorage, Registration, SqlStorage, Storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STORAGES: dict[str, Callable[[Path], Storage]] = {
    "memory": lambda _folder: MemoryStorage(),
    "sql": lambda folder: SqlStorage(folder / "names.sqlite"),
}

PLAIN = Registration("PYRO:plain@h:1")
TAGGED = Registration("PYRO:tagged@h:1", frozenset({"x", "y"}))


@pytest.fixture(params=STORAGES.values(), ids=list(STORAGES))
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    storage: Storage = request.param(tmp_path)
    yield storage
    storage.close()


def test_a_new_storage_is_empty(storage: Storage) -> None:
    assert len(storage) == 0
    assert storage.find() == {}
    assert storage.get("x") is None


def test_what_was_put_is_there(storage: Storage) -> None:
    assert storage.put("plain", PLAIN)
    assert storage.put("tagged", TAGGED)
    assert storage.get("plain") == PLAIN
    assert storage.get("tagged") == TAGGED
    assert storage.find() == {"plain": PLAIN, "tagged": TAGGED}
    assert len(storage) == 2


def test_putting_again_replaces_uri_and_metadata(storage: Storage) -> None:
    storage.put("name", TAGGED)
    assert storage.put("name", PLAIN)
    assert storage.get("name") == PLAIN
    assert storage.find_by_metadata(frozenset({"x"}), every=False) == {}
    assert len(storage) == 1


def test_a_name_in_use_is_kept_if_it_may_not_be_replaced(storage: Storage) -> None:
    assert storage.put("name", TAGGED, replace=False)
    assert not storage.put("name", PLAIN, replace=False)
    assert storage.get("name") == TAGGED


def test_of_many_that_want_a_free_name_one_gets_it(storage: Storage) -> None:
    together = threading.Barrier(8)

    def claim(number: int) -> bool:
        together.wait()
        mine = Registration(f"PYRO:o{number}@h:1", frozenset({f"t{number}"}))
        return storage.put("name", mine, replace=False)

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(claim, range(8)))
    assert results.count(True) == 1
    winner = results.index(True)
    assert storage.get("name") == Registration(
        f"PYRO:o{winner}@h:1", frozenset({f"t{winner}"})
    )


def test_metadata_is_replaced_and_cleared(storage: Storage) -> None:
    storage.put("name", PLAIN)
    assert storage.set_metadata("name", frozenset({"a", "b"}))
    assert storage.get("name") == PLAIN._replace(metadata=frozenset({"a", "b"}))
    assert storage.set_metadata("name", frozenset())
    assert storage.get("name") == PLAIN
    assert not storage.set_metadata("unknown", frozenset({"a"}))


def test_removing_counts_what_was_there(storage: Storage) -> None:
    storage.put("a", PLAIN)
    storage.put("b", TAGGED)
    storage.put("c", TAGGED)
    assert storage.remove(["a", "b", "unknown"]) == 2
    assert storage.find() == {"c": TAGGED}
    assert storage.remove([]) == 0


def test_a_removed_name_can_be_used_again(storage: Storage) -> None:
    storage.put("name", TAGGED)
    storage.remove(["name"])
    storage.put("name", PLAIN)
    assert storage.get("name") == PLAIN


@pytest.mark.parametrize(
    "prefix", ["a_", "a%", "A", "é", "\U0010ffff", "\ud7ff", "日本"]
)
def test_a_prefix_is_compared_letter_by_letter(storage: Storage, prefix: str) -> None:
    others = ["", "a", "ab", "axb", "a\\", "a^", "b", "~", "日", "\ue000", "\U0010fffe"]
    wanted = [prefix, prefix + "x", prefix + "\U0010ffff", prefix + prefix]
    for name in [*others, *wanted]:
        storage.put(name, PLAIN)
    assert set(storage.find(prefix)) == set(wanted)


def test_names_and_tags_differ_by_letter_case(storage: Storage) -> None:
    storage.put("name", Registration("PYRO:a@h:1", frozenset({"tag"})))
    storage.put("NAME", Registration("PYRO:b@h:1", frozenset({"TAG"})))
    assert storage.get("Name") is None
    assert list(storage.find("NA")) == ["NAME"]
    assert list(storage.find_by_metadata(frozenset({"tag"}), every=True)) == ["name"]


def test_metadata_finds_all_or_any(storage: Storage) -> None:
    storage.put("plain", PLAIN)
    storage.put("both", TAGGED)
    storage.put("one", Registration("PYRO:one@h:1", frozenset({"x", "z"})))
    both = frozenset({"x", "y"})
    assert storage.find_by_metadata(both, every=True) == {"both": TAGGED}
    assert set(storage.find_by_metadata(both, every=False)) == {"both", "one"}
    assert storage.find_by_metadata(frozenset({"w"}), every=False) == {}
    assert storage.find_by_metadata(frozenset({"x", "w"}), every=True) == {}


@pytest.mark.parametrize("text", ["", "' OR 1=1 --", "%", "with\nline", "nul\0", "🐍"])
def test_any_text_can_be_a_name_and_a_tag(storage: Storage, text: str) -> None:
    one = Registration("PYRO:a@h:1", frozenset({text}))
    storage.put(text, one)
    storage.put("other", PLAIN)
    assert storage.get(text) == one
    assert storage.find_by_metadata(frozenset({text}), every=True) == {text: one}
    assert storage.remove([text]) == 1
    assert list(storage.find()) == ["other"]


def test_readers_never_see_half_a_change(storage: Storage) -> None:
    states = [
        Registration(f"PYRO:o{number}@h:1", frozenset({f"t{number}", f"u{number}"}))
        for number in range(2)
    ]
    storage.put("name", states[0])
    done = threading.Event()

    def read() -> set[Registration | None]:
        seen: set[Registration | None] = set()
        while not done.is_set():
            seen.add(storage.get("name"))
            seen |= set(storage.find().values())
        return seen

    with ThreadPoolExecutor(2) as threads:
        readers = [threads.submit(read) for _ in range(2)]
        for number in range(100):
            storage.put("name", states[number % 2])
        done.set()
        for reader in readers:
            assert reader.result() <= set(states)
