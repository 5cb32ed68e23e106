"""What every storage finds, in which order and how much at a time."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from pyro_naming import Registration

if TYPE_CHECKING:
    from pyro_naming import Storage

PLAIN = Registration("PYRO:plain@h:1")


def tagged(*tags: str) -> Registration:
    return Registration("PYRO:tagged@h:1", frozenset(tags))


@pytest.mark.parametrize(
    "prefix",
    ["a_", "a%", "A", "é", "\U0010ffff", "\ud7ff", "日本", "a*", "a[", "a\\", "a\0"],
)
def test_a_prefix_is_compared_letter_by_letter(storage: Storage, prefix: str) -> None:
    others = ["", "a", "ab", "axb", "a^", "b", "~", "日", "\ue000", "\U0010fffe"]
    wanted = [prefix, prefix + "x", prefix + "\U0010ffff", prefix + prefix]
    for name in [*others, *wanted]:
        storage.put(name, PLAIN)
    assert list(storage.find(prefix)) == sorted(set(wanted))


def test_names_are_in_the_order_of_their_characters(storage: Storage) -> None:
    names = [
        "",
        "\0",
        " ",
        "0",
        "A",
        "Z",
        "_",
        "a",
        "aa",
        "ab",
        "b",
        "z",
        "é",
        "\ud7ff",
    ]
    names += ["\ue000", "\uffff", "\U00010000", "\U0010ffff"]
    shuffled = random.Random(1).sample(names, len(names))
    for name in shuffled:
        storage.put(name, tagged("x"))
    assert list(storage.find()) == names
    assert list(storage.find_by_metadata(frozenset({"x"}), every=True)) == names


def test_a_list_comes_in_pages(storage: Storage) -> None:
    names = [f"lab.{number:03}" for number in range(25)]
    for name in ["a", "lab", *reversed(names), "lab/", "z"]:
        storage.put(name, PLAIN)
    pages = []
    after: str | None = None
    while page := list(storage.find("lab.", after=after, limit=10)):
        pages.append(page)
        after = page[-1]
    assert pages == [names[:10], names[10:20], names[20:]]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("", ["lab.a", "lab.b"]),
        ("a", ["lab.a", "lab.b"]),
        ("lab.", ["lab.a", "lab.b"]),
        ("lab.a", ["lab.b"]),
        ("lab.aa", ["lab.b"]),
        ("lab.b", []),
        ("lab/", []),
        ("z", []),
    ],
)
def test_a_page_begins_beyond_any_text(
    storage: Storage, after: str, expected: list[str]
) -> None:
    for name in ("a", "lab.a", "lab.b", "lab/", "z"):
        storage.put(name, tagged("lab" if name.startswith("lab.") else "other"))
    assert list(storage.find("lab.", after=after)) == expected
    found = storage.find_by_metadata(frozenset({"lab"}), every=True, after=after)
    assert list(found) == expected


def test_after_the_empty_name_come_the_others(storage: Storage) -> None:
    storage.put("", PLAIN)
    storage.put("a", PLAIN)
    assert list(storage.find(after="")) == ["a"]
    assert list(storage.find()) == ["", "a"]


def test_metadata_finds_all_or_any(storage: Storage) -> None:
    storage.put("plain", PLAIN)
    storage.put("both", tagged("x", "y"))
    storage.put("one", tagged("x", "z"))
    both = frozenset({"x", "y"})
    assert list(storage.find_by_metadata(both, every=True)) == ["both"]
    assert list(storage.find_by_metadata(both, every=False)) == ["both", "one"]
    assert storage.find_by_metadata(frozenset({"w"}), every=False) == {}
    assert storage.find_by_metadata(frozenset({"x", "w"}), every=True) == {}
    assert list(storage.find_by_metadata(frozenset({"z", "w"}), every=False)) == ["one"]


@pytest.mark.parametrize("every", [False, True])
def test_metadata_searches_come_in_pages(storage: Storage, every: bool) -> None:
    tags = frozenset({"x", "y"})
    expected = []
    for number in random.Random(2).sample(range(60), 60):
        own = {"x"} if number % 3 == 0 else {"x", "y"} if number % 3 == 1 else {"z"}
        storage.put(f"n{number:02}", tagged(*own))
        if tags <= own if every else tags & own:
            expected.append(f"n{number:02}")
    expected.sort()
    found: list[str] = []
    after: str | None = None
    while page := list(
        storage.find_by_metadata(tags, every=every, after=after, limit=7)
    ):
        assert len(page) <= 7
        found += page
        after = page[-1]
    assert found == expected
    assert list(storage.find_by_metadata(tags, every=every)) == expected


def test_searches_follow_every_change_of_tags(storage: Storage) -> None:
    storage.put("name", tagged("a", "b"))
    storage.put("name", tagged("b", "c"))
    for tag, names in {"a": [], "b": ["name"], "c": ["name"]}.items():
        assert list(storage.find_by_metadata(frozenset({tag}), every=True)) == names
    storage.remove({"name": None})
    assert storage.find_by_metadata(frozenset("abc"), every=False) == {}


def test_what_was_found_does_not_change_later(storage: Storage) -> None:
    storage.put("name", tagged("x"))
    found = storage.find()
    by_tag = storage.find_by_metadata(frozenset({"x"}), every=True)
    storage.remove({"name": None})
    assert list(found) == list(by_tag) == ["name"]


def test_random_operations_give_what_a_dictionary_gives(storage: Storage) -> None:
    chance = random.Random(3)
    expected: dict[str, Registration] = {}
    texts = ["", "a", "aa", "aé", "b", "a\0", "\U0010ffff", "a\U0010ffff"]
    names = [one + other for one in texts for other in texts]
    for _ in range(300):
        name = chance.choice(names)
        if chance.random() < 0.3:
            assert storage.remove({name: None}) == [name] * (name in expected)
            expected.pop(name, None)
        else:
            one = tagged(*chance.sample("stuv", chance.randrange(4)))
            storage.put(name, one)
            expected[name] = one
    assert len(storage) == len(expected)
    for prefix in texts:
        wanted = sorted(name for name in expected if name.startswith(prefix))
        assert list(storage.find(prefix)) == wanted
    for tag in "stuv":
        wanted = sorted(name for name, one in expected.items() if tag in one.metadata)
        assert list(storage.find_by_metadata(frozenset(tag), every=True)) == wanted
    for name, one in expected.items():
        found = storage.get(name)
        assert found is not None
        assert found.says_the_same(one)
