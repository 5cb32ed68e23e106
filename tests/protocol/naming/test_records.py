"""What name servers tell, and what makes no sense."""

from __future__ import annotations

from typing import Any

import pytest

from pyro_protocol.naming.records import (
    NameChange,
    NameEntry,
    changes_of,
    entry_of,
    page_of,
)

ENTRY: dict[str, Any] = {
    "name": "lab.printer",
    "uri": "PYRO:printer@example.com:4444",
    "metadata": ["colour", "laser"],
    "owner": "alice@lab1",
    "ttl": 60,
    "age": 1.5,
    "expires_in": 58.5,
}
CHANGE: dict[str, Any] = {
    "kind": "added",
    "name": "lab.printer",
    "uri": "PYRO:printer@example.com:4444",
    "metadata": ["colour"],
    "owner": "",
    "ttl": 0.0,
    "position": "12",
}


def test_an_entry_is_read_with_all_that_is_in_it() -> None:
    assert entry_of(ENTRY) == NameEntry(
        "lab.printer",
        "PYRO:printer@example.com:4444",
        frozenset({"colour", "laser"}),
        "alice@lab1",
        60.0,
        1.5,
        58.5,
    )
    assert entry_of({**ENTRY, "expires_in": None}).expires_in is None


def test_a_change_is_read_and_a_removal_has_only_a_name() -> None:
    removed = {"kind": "removed", "name": "x", "position": "13", "uri": None}
    found = changes_of({"changes": [CHANGE, removed], "position": "14"})
    assert found.changes == (
        NameChange(
            "added", "lab.printer", CHANGE["uri"], frozenset({"colour"}), position="12"
        ),
        NameChange("removed", "x", position="13"),
    )
    assert found.position == "14"


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        "text",
        {},
        {**ENTRY, "name": 5},
        {**ENTRY, "uri": None},
        {**ENTRY, "metadata": "colour"},
        {**ENTRY, "metadata": [1]},
        {**ENTRY, "ttl": True},
        {**ENTRY, "ttl": "60"},
        {**ENTRY, "age": float("nan")},
        {**ENTRY, "expires_in": float("inf")},
    ],
)
def test_what_is_no_entry_is_refused(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError, LookupError)):
        entry_of(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"entries": [ENTRY], "next": "a"},
        {"entries": [ENTRY], "next": None},
        {"entries": ENTRY, "next": ""},
        {"entries": [ENTRY]},
    ],
)
def test_a_page_that_leads_nowhere_is_refused(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError, LookupError)):
        page_of(wrong, "a")


@pytest.mark.parametrize(
    "wrong",
    [
        {**CHANGE, "kind": "known"},
        {**CHANGE, "kind": "lost"},
        {**CHANGE, "kind": ["added"]},
        {**CHANGE, "kind": "exploded"},
        {**CHANGE, "position": 12},
        {**CHANGE, "uri": None},
        {"kind": "removed", "name": "x"},
        "added",
    ],
)
def test_what_is_no_change_is_refused(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError, LookupError)):
        changes_of({"changes": [wrong], "position": "1"})
