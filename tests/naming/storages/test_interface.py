"""What every storage has to do, one operation after another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pyro_naming import Registration
from pyro_naming.storages import FREE
from pyro_protocol.errors import NamingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_naming import Storage
    from support.storages import StorageKind

PLAIN = Registration("PYRO:plain@h:1")
TAGGED = Registration("PYRO:tagged@h:1", frozenset({"x", "y"}))
OWNED = Registration("PYRO:owned@h:1", frozenset({"x"}), "alice@lab", 60.0, 10.0, 20.0)

ODD_TEXTS = {
    "empty": "",
    "blank": " ",
    "long": "n" * 10_000,
    "lines": "with\nline\r\n",
    "nul": "nul\0nul",
    "control": "\x01\x1f\x7f",
    "percent": "100%",
    "underscore": "a_b",
    "wildcards": "*?[a-z]",
    "quotes": "' OR 1=1 -- \"",
    "backslash": "\\",
    "slashes": "/a//b/..",
    "colons": "a:b:c",
    "braces": "{a}",
    "emoji": "🐍👩‍🔬",
    "combined": "e\u0301",
    "composed": "\u00e9",
    "right to left": "\u05d0\u202e",
    "last": "\U0010ffff",
    "json": '["a"]',
}


def unversioned(registration: Registration | None) -> Registration | None:
    return registration and registration._replace(version=FREE)


def contents(found: dict[str, Registration]) -> dict[str, Registration]:
    return {name: one._replace(version=FREE) for name, one in found.items()}


def version_of(storage: Storage, name: str) -> int:
    found = storage.get(name)
    assert found is not None
    return found.version


def test_a_new_storage_is_empty(storage: Storage) -> None:
    assert len(storage) == 0
    assert storage.find() == {}
    assert storage.get("x") is None
    assert storage.expired(1e12, 10) == {}
    assert storage.count_of("") == 0
    assert storage.find_by_metadata(frozenset({"x"}), every=True) == {}
    assert storage.changes(storage.position(), wait=0) == []


def test_what_was_put_is_there(storage: Storage) -> None:
    assert storage.put("plain", PLAIN)
    assert storage.put("tagged", TAGGED)
    assert storage.put("owned", OWNED)
    assert unversioned(storage.get("plain")) == PLAIN
    assert unversioned(storage.get("tagged")) == TAGGED
    assert unversioned(storage.get("owned")) == OWNED
    assert contents(storage.find()) == {
        "plain": PLAIN,
        "tagged": TAGGED,
        "owned": OWNED,
    }
    assert len(storage) == 3


def test_what_was_put_is_there_when_it_is_opened_again(
    kind: StorageKind, opened: Callable[..., Storage]
) -> None:
    if not kind.lasting:
        pytest.skip("it forgets everything at the end")
    storage = opened()
    storage.put("name", OWNED)
    storage.put("gone", TAGGED)
    storage.put("replaced", OWNED)
    storage.put("replaced", TAGGED)
    storage.put("longer", PLAIN)
    storage.put("longer", PLAIN._replace(uri="PYRO:much.longer.than.before@h:1"))
    storage.remove({"gone": None})
    storage.renew(["name"], "alice@lab", 30.0)
    storage.close()
    again = opened()
    assert contents(again.find()) == {
        "name": OWNED._replace(renewed=30.0),
        "replaced": TAGGED,
        "longer": PLAIN._replace(uri="PYRO:much.longer.than.before@h:1"),
    }
    assert list(again.find_by_metadata(frozenset({"y"}), every=True)) == ["replaced"]
    assert list(again.expired(90.0, 10)) == ["name"]
    assert again.count_of("alice@lab") == 1


def test_putting_again_replaces_everything(storage: Storage) -> None:
    storage.put("name", OWNED)
    assert storage.put("name", PLAIN)
    assert unversioned(storage.get("name")) == PLAIN
    assert storage.find_by_metadata(frozenset({"x"}), every=False) == {}
    assert storage.expired(1e12, 10) == {}
    assert storage.count_of("alice@lab") == 0
    assert storage.count_of("") == 1
    assert len(storage) == 1


def test_every_write_gives_a_version_of_its_own(storage: Storage) -> None:
    versions = []
    for registration in (PLAIN, TAGGED, TAGGED):
        storage.put("name", registration)
        versions.append(version_of(storage, "name"))
    storage.put("other", PLAIN)
    versions.append(version_of(storage, "other"))
    storage.remove({"name": None})
    storage.put("name", TAGGED)
    versions.append(version_of(storage, "name"))
    assert len(set(versions)) == len(versions)
    assert min(versions) > FREE


def test_every_search_tells_the_same_version(storage: Storage) -> None:
    storage.put("name", OWNED)
    version = version_of(storage, "name")
    assert storage.find()["name"].version == version
    found = storage.find_by_metadata(frozenset({"x"}), every=True)
    assert found["name"].version == version
    assert storage.expired(80.0, 10) == {"name": version}


def test_the_version_that_is_passed_does_not_matter(storage: Storage) -> None:
    storage.put("name", PLAIN._replace(version=7_000_000))
    assert version_of(storage, "name") != 7_000_000
    assert not storage.put("name", TAGGED, expected=7_000_000)


def test_a_free_name_is_claimed_once(storage: Storage) -> None:
    assert storage.put("name", TAGGED, expected=FREE)
    assert not storage.put("name", PLAIN, expected=FREE)
    assert unversioned(storage.get("name")) == TAGGED


def test_what_somebody_else_has_changed_is_not_replaced(storage: Storage) -> None:
    storage.put("name", PLAIN)
    seen = version_of(storage, "name")
    assert storage.put("name", TAGGED, expected=seen)
    assert not storage.put("name", OWNED, expected=seen)
    assert unversioned(storage.get("name")) == TAGGED
    assert not storage.put("unknown", OWNED, expected=seen)
    assert storage.get("unknown") is None


def test_what_failed_leaves_no_trace(storage: Storage) -> None:
    storage.put("name", TAGGED)
    position = storage.position()
    assert not storage.put("name", OWNED, expected=FREE)
    assert storage.remove({"name": 7_000_000, "unknown": None}) == []
    assert storage.renew(["name"], "bob", 1.0) == set()
    assert storage.changes(position, wait=0) == []
    assert storage.find_by_metadata(frozenset({"y"}), every=True).keys() == {"name"}
    assert storage.count_of("alice@lab") == 0


def test_removing_tells_what_was_there(storage: Storage) -> None:
    for name in ("a", "b", "c"):
        storage.put(name, TAGGED)
    names = {"b": None, "unknown": None, "a": None}
    assert sorted(storage.remove(names)) == ["a", "b"]
    assert contents(storage.find()) == {"c": TAGGED}
    assert storage.find_by_metadata(frozenset({"x"}), every=True).keys() == {"c"}
    assert storage.count_of("") == 1
    assert storage.remove({}) == []


def test_removing_leaves_what_somebody_else_has_changed(storage: Storage) -> None:
    storage.put("a", PLAIN)
    storage.put("b", PLAIN)
    seen = {name: one.version for name, one in storage.find().items()}
    storage.put("b", TAGGED)
    assert storage.remove(seen) == ["a"]
    assert contents(storage.find()) == {"b": TAGGED}


def test_many_names_are_removed_at_once(storage: Storage) -> None:
    for number in range(300):
        storage.put(f"n{number}", OWNED)
    storage.put("stays", OWNED)
    assert len(storage.remove({f"n{number}": None for number in range(300)})) == 300
    assert list(storage.find()) == ["stays"]
    assert storage.count_of("alice@lab") == 1


def test_a_removed_name_can_be_used_again(storage: Storage) -> None:
    storage.put("name", TAGGED)
    storage.remove({"name": None})
    assert storage.put("name", PLAIN, expected=FREE)
    assert unversioned(storage.get("name")) == PLAIN


def test_an_owner_renews_what_it_has_and_nothing_else(storage: Storage) -> None:
    storage.put("mine", OWNED)
    storage.put("also mine", OWNED._replace(ttl=0.0))
    storage.put("theirs", OWNED._replace(owner="bob"))
    storage.put("nobody's", OWNED._replace(owner=""))
    names = ["mine", "also mine", "theirs", "nobody's", "unknown"]
    assert storage.renew(names, "alice@lab", 50.0) == {"mine", "also mine"}
    assert storage.renew(["nobody's"], "", 50.0) == {"nobody's"}
    renewed = OWNED._replace(renewed=50.0)
    assert contents(storage.find()) == {
        "mine": renewed,
        "also mine": renewed._replace(ttl=0.0),
        "theirs": OWNED._replace(owner="bob"),
        "nobody's": renewed._replace(owner=""),
    }
    assert storage.renew([], "alice@lab", 50.0) == set()


def test_what_has_expired_is_not_renewed(storage: Storage) -> None:
    storage.put("name", OWNED)
    assert storage.renew(["name"], "alice@lab", 80.0) == set()
    assert storage.renew(["name"], "alice@lab", 79.5) == {"name"}


def test_what_has_expired_is_told_until_it_is_removed(storage: Storage) -> None:
    storage.put("later", OWNED._replace(ttl=100.0))
    storage.put("soon", OWNED)
    storage.put("half", OWNED._replace(ttl=0.5))
    storage.put("never", OWNED._replace(ttl=0.0))
    assert storage.expired(20.25, 10) == {}
    assert storage.expired(20.5, 10).keys() == {"half"}
    assert storage.expired(80.0, 10).keys() == {"half", "soon"}
    assert len(storage.expired(80.0, 1)) == 1
    assert storage.get("soon") is not None
    storage.remove(dict(storage.expired(80.0, 10)))
    assert storage.expired(80.0, 10) == {}
    assert storage.expired(1e12, 10).keys() == {"later"}
    assert list(storage.find()) == ["later", "never"]


def test_all_leases_can_begin_anew(storage: Storage) -> None:
    storage.put("alive", OWNED)
    storage.put("expired", OWNED._replace(owner="bob", renewed=-500.0))
    storage.put("for good", PLAIN)
    position = storage.position()
    storage.restart_leases(79.0)
    assert contents(storage.find()) == {
        "alive": OWNED._replace(renewed=79.0),
        "expired": OWNED._replace(owner="bob", renewed=79.0),
        "for good": PLAIN,
    }
    assert storage.expired(138.0, 10) == {}
    assert storage.expired(139.0, 10).keys() == {"alive", "expired"}
    assert storage.changes(position, wait=0.0) == []


def test_renewing_and_replacing_put_off_the_end(storage: Storage) -> None:
    for name in ("renewed", "replaced", "for good"):
        storage.put(name, OWNED)
    storage.renew(["renewed"], "alice@lab", 70.0)
    storage.put("replaced", OWNED._replace(renewed=75.0))
    storage.put("for good", OWNED._replace(ttl=0.0))
    assert storage.expired(129.0, 10) == {}
    assert storage.expired(130.0, 10).keys() == {"renewed"}
    assert storage.expired(135.0, 10).keys() == {"renewed", "replaced"}


def test_names_are_counted_by_owner(storage: Storage) -> None:
    storage.put("a", OWNED)
    storage.put("b", OWNED)
    storage.put("c", OWNED._replace(owner="Alice@lab"))
    storage.put("d", PLAIN)
    assert storage.count_of("alice@lab") == 2
    assert storage.count_of("Alice@lab") == 1
    assert storage.count_of("") == 1
    assert storage.count_of("nobody") == 0
    storage.put("b", OWNED._replace(owner="bob"))
    storage.remove({"a": None})
    assert storage.count_of("alice@lab") == 0
    assert storage.count_of("bob") == 1


def test_names_tags_and_owners_differ_by_letter_case(storage: Storage) -> None:
    storage.put("name", Registration("PYRO:a@h:1", frozenset({"tag"}), "owner"))
    storage.put("NAME", Registration("PYRO:b@h:1", frozenset({"TAG"}), "OWNER"))
    assert storage.get("Name") is None
    assert list(storage.find("NA")) == ["NAME"]
    assert list(storage.find_by_metadata(frozenset({"tag"}), every=True)) == ["name"]
    assert storage.renew(["name", "NAME"], "OWNER", 1.0) == {"NAME"}


@pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=list(ODD_TEXTS))
def test_any_text_can_be_a_name_a_tag_and_an_owner(storage: Storage, text: str) -> None:
    one = Registration("PYRO:a@h:1", frozenset({text}), text, 60.0, 1.0, 1.0)
    storage.put("other", PLAIN)
    position = storage.position()
    storage.put(text, one)
    assert unversioned(storage.get(text)) == one
    found = storage.find_by_metadata(frozenset({text}), every=True)
    assert contents(found) == {text: one}
    assert text in storage.find(text)
    assert storage.renew([text], text, 2.0) == {text}
    assert list(storage.expired(100.0, 10)) == [text]
    assert [(c.kind, c.name) for c in storage.changes(position, wait=0)] == [
        ("added", text)
    ]
    assert storage.remove({text: version_of(storage, text)}) == [text]
    assert list(storage.find()) == ["other"]


def test_odd_names_are_told_apart(
    kind: StorageKind, opened: Callable[..., Storage]
) -> None:
    storage = opened()
    expected = {}
    for number, text in enumerate(ODD_TEXTS.values()):
        expected[text] = Registration(f"PYRO:o{number}@h:1", frozenset({text}))
        storage.put(text, expected[text])
    assert contents(storage.find()) == expected
    if kind.lasting:
        storage.close()
        assert contents(opened().find()) == expected


@pytest.mark.parametrize("part", ["name", "uri", "tag", "owner"])
def test_what_is_no_unicode_is_kept_or_refused_as_a_whole(
    storage: Storage, part: str
) -> None:
    # A lone surrogate is text in Python, and in few other places.
    odd = "odd\ud800"
    storage.put("known", TAGGED)
    name = odd if part == "name" else "name"
    one = Registration(
        odd if part == "uri" else "PYRO:a@h:1",
        frozenset({"t", odd}) if part == "tag" else frozenset({"t"}),
        odd if part == "owner" else "me",
    )
    position = storage.position()
    try:
        storage.put(name, one)
    except NamingError:
        assert storage.get(name) is None
        assert contents(storage.find()) == {"known": TAGGED}
        assert storage.find_by_metadata(frozenset({"t"}), every=True) == {}
        assert storage.count_of("me") == 0
        assert storage.changes(position, wait=0) == []
    else:
        assert unversioned(storage.get(name)) == one
        assert len(storage.changes(position, wait=0)) == 1
    assert storage.put("next", PLAIN)
    assert unversioned(storage.get("next")) == PLAIN


def test_large_registrations_are_kept(storage: Storage) -> None:
    tags = frozenset(f"tag number {number}" for number in range(200))
    one = Registration("PYRO:o@h:1", tags)
    storage.put("name", one)
    assert unversioned(storage.get("name")) == one
    assert list(storage.find_by_metadata(tags, every=True)) == ["name"]
    storage.put("name", PLAIN)
    assert storage.find_by_metadata(tags, every=False) == {}
