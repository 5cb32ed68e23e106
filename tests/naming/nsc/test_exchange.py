from __future__ import annotations

import json
from typing import Any

import pytest

from pyro_naming.nsc.entries import Entry
from pyro_naming.nsc.exchange import as_document, from_document

ENTRIES = [
    Entry("a", "PYRO:a@h:1", frozenset({"x", "y"}), "alice", 60.0, 5.0, 55.0),
    Entry("b", "PYRONAME:a", frozenset()),
]


def test_names_come_back_with_all_that_outlives_a_name_server() -> None:
    own = Entry("Pyro.NameServer", "PYRO:Pyro.NameServer@h:9090", frozenset())
    document = as_document([own, *ENTRIES])
    assert document == {
        "format": "pyro-names",
        "version": 1,
        "names": [
            {
                "name": "a",
                "uri": "PYRO:a@h:1",
                "metadata": ["x", "y"],
                "owner": "alice",
                "ttl": 60.0,
            },
            {
                "name": "b",
                "uri": "PYRONAME:a",
                "metadata": [],
                "owner": "",
                "ttl": 0.0,
            },
        ],
    }
    a, b = from_document(json.dumps(document))
    assert a == Entry("a", "PYRO:a@h:1", frozenset({"x", "y"}), "alice", 60.0)
    assert b == Entry("b", "PYRONAME:a", frozenset(), "", 0.0)


def test_what_a_person_writes_needs_no_more_than_name_and_uri() -> None:
    names = [{"name": "a", "uri": "PYRO:a@h:1"}]
    text = json.dumps({"format": "pyro-names", "version": 1, "names": names})
    assert from_document(text) == [Entry("a", "PYRO:a@h:1", frozenset(), "", 0.0)]


GOOD = {"name": "a", "uri": "PYRO:a@h:1"}


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ({}, '"names" must be a list'),
        ([GOOD, 3], r"names\[1\] must be an object"),
        ([{"name": "a"}], r"names\[0\]: 'uri' must be a text"),
        ([{"uri": "PYRO:a@h:1"}], r"names\[0\]: 'name' must be a text"),
        ([GOOD | {"uri": "nonsense"}], r"names\[0\]: invalid uri"),
        ([GOOD | {"metadata": "x"}], r"names\[0\]: 'metadata' must be a list of"),
        ([GOOD | {"metadata": [1]}], r"names\[0\]: 'metadata' must be a list of"),
        ([GOOD | {"owner": None}], r"names\[0\]: 'owner' must be a text"),
        ([GOOD | {"ttl": -1}], r"names\[0\]: 'ttl' must be a number of seconds"),
        ([GOOD | {"ttl": True}], r"names\[0\]: 'ttl' must be a number of seconds"),
        ([GOOD | {"ttl": "1"}], r"names\[0\]: 'ttl' must be a number of seconds"),
        ([GOOD, GOOD], "the name 'a' is there twice"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_place(
    names: Any, complaint: str
) -> None:
    text = json.dumps({"format": "pyro-names", "version": 1, "names": names})
    with pytest.raises(ValueError, match=complaint):
        from_document(text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "this is not JSON"),
        ("[" * 100_000, "this is not JSON"),
        ("[]", 'it lacks "format": "pyro-names"'),
        ('{"names": []}', 'it lacks "format": "pyro-names"'),
        ('{"format": "pyro-names", "version": 2, "names": []}', "this is version 2"),
        ('{"format": "pyro-names", "names": []}', "this is version None"),
    ],
)
def test_a_file_that_is_no_export_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        from_document(text)
