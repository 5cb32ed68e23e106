from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pyro_naming import Registration
from pyro_naming.storages.table import RegistrationTable

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST = Registration("PYRO:a@h:1", frozenset({"x", "y"}), "alice", 10.0, 1.0, 1.0, 1)
SECOND = Registration("PYRO:b@h:1", frozenset({"x"}), "", 0.0, 2.0, 2.0, 2)
BOTH = {"first": FIRST, "second": SECOND}


def test_loading_replaces_everything_in_every_index() -> None:
    table = RegistrationTable()
    table.set("old", FIRST._replace(owner="bob"))
    seen = table.registrations
    table.load(BOTH)
    assert seen == table.registrations == BOTH
    assert table.find("", None, None) == BOTH
    found = table.find_by_metadata(frozenset("xy"), every=True, after=None, limit=None)
    assert found == {"first": FIRST}
    assert table.expired(11.0, 10) == {"first": 1}
    assert table.count_of("bob") == 0
    assert table.count_of("alice") == table.count_of("") == 1


def test_what_was_loaded_can_be_changed() -> None:
    table = RegistrationTable()
    table.load(BOTH)
    table.set("first", SECOND)
    table.delete("second")
    found = table.find_by_metadata(frozenset("xy"), every=False, after=None, limit=None)
    assert found == {"first": SECOND}
    assert table.expired(1e12, 10) == {}
    assert table.count_of("alice") == 0
    assert table.count_of("") == 1


def table_of(size: int) -> RegistrationTable:
    table = RegistrationTable()
    for number in range(size):
        tags = frozenset({"everywhere", f"room{number // 10}"})
        one = Registration("PYRO:o@h:1", tags, f"o{number // 10}", 10.0, 0.0, number)
        table.set(f"lab.{number // 10}.{number % 10}", one)
    return table


def calls_during(work: Callable[[], object]) -> int:
    """Return how many functions were called, those of C too."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


SEARCHES: dict[str, Callable[[RegistrationTable], dict[str, object]]] = {
    "prefix": lambda table: {**table.find("lab.7.", None, None)},
    "page": lambda table: {**table.find("lab.", "lab.7.", 10)},
    "tags": lambda table: {
        **table.find_by_metadata(
            frozenset({"everywhere", "room7"}), every=True, after=None, limit=None
        )
    },
    "page of a common tag": lambda table: {
        **table.find_by_metadata(
            frozenset({"everywhere"}), every=True, after="lab.7.", limit=10
        )
    },
    "any tag": lambda table: {
        **table.find_by_metadata(
            frozenset({"everywhere", "room7"}), every=False, after="lab.7.", limit=10
        )
    },
    "expired": lambda table: {**table.expired(19.0, 100)},
}


@pytest.mark.parametrize("search", SEARCHES.values(), ids=list(SEARCHES))
def test_a_search_takes_no_more_steps_among_more_names(
    search: Callable[[RegistrationTable], dict[str, object]],
) -> None:
    few, many = table_of(100), table_of(10_000)
    assert len(search(few)) == len(search(many)) == 10
    assert calls_during(lambda: search(many)) <= 1.2 * calls_during(lambda: search(few))
