"""How much a name server takes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pyro_naming import MemoryStorage, NameServer, Registration
from pyro_naming.limits import LARGEST_PAGE, LONGEST_URI
from pyro_protocol import Configuration
from pyro_protocol.errors import NamingError

A = "PYRO:a@h:1"


@pytest.fixture
def config() -> Configuration:
    config = Configuration(use_environment=False)
    config.MAX_NAME_LENGTH = 10
    config.MAX_TAG_LENGTH = 5
    config.MAX_NAME_TAGS = 3
    config.MAX_NAMES_PER_OWNER = 4
    return config


@pytest.fixture
def names(config: Configuration) -> NameServer:
    return NameServer(MemoryStorage(), config=config)


def test_what_is_just_allowed_is_registered(names: NameServer) -> None:
    tags = {"x" * 5, "y" * 5, "z" * 5}
    names.register("n" * 10, A, metadata=[*tags, *tags], owner="o" * 10)
    assert names.describe("n" * 10)["metadata"] == sorted(tags)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"name": "n" * 11}, "a name may have 10 characters at most, not 11"),
        ({"owner": "o" * 11}, "a owner may have 10 characters at most"),
        ({"metadata": ["t" * 6]}, "a metadata tag may have 5 characters at most"),
        ({"metadata": list("abcd")}, "3 metadata tags at most"),
        ({"uri": f"PYRO:{'x' * LONGEST_URI}@h:1"}, "a uri may have 8192 characters"),
    ],
)
def test_what_is_too_much_is_refused(
    names: NameServer, arguments: dict[str, Any], what: str
) -> None:
    with pytest.raises(NamingError, match=what):
        names.register(**{"name": "x", "uri": A, **arguments})
    assert names.count() == 0
    names.register("x", A)
    if "metadata" in arguments:
        with pytest.raises(NamingError, match=what):
            names.set_metadata("x", arguments["metadata"])
        assert names.describe("x")["metadata"] == []


def test_an_owner_may_have_so_many_names(names: NameServer) -> None:
    for number in range(4):
        names.register(str(number), A, owner="me")
    too_many = r"^me has 4 names already, and 4 are allowed \(MAX_NAMES_PER_OWNER\)"
    with pytest.raises(NamingError, match=too_many):
        names.register("more", A, owner="me")
    names.register("0", A + "1", owner="me")
    names.register("others", A, owner="somebody")
    with pytest.raises(NamingError, match=too_many):
        names.register("others", A, owner="me", force=True)
    names.remove("3", owner="me")
    names.register("more", A, owner="me")
    with pytest.raises(NamingError, match=too_many):
        names.register("still more", A, owner="me")


def test_what_nobody_owns_counts_together(names: NameServer) -> None:
    for number in range(4):
        names.register(str(number), A)
    with pytest.raises(NamingError, match="nobody owns 4 names already"):
        names.register("more", A)
    names.register("more", A, owner="me")


def test_the_limit_holds_whichever_way_names_come(config: Configuration) -> None:
    storage = MemoryStorage()
    servers = [NameServer(storage, config=config) for _ in range(2)]
    for number in range(4):
        servers[number % 2].register(str(number), A, owner="me")
    for names in servers:
        with pytest.raises(NamingError, match="MAX_NAMES_PER_OWNER"):
            names.register("more", A, owner="me")


def test_names_are_counted_seldom() -> None:
    class Counting(MemoryStorage):
        counted = 0

        def count_of(self, owner: str) -> int:
            self.counted += 1
            return super().count_of(owner)

    storage = Counting()
    names = NameServer(storage)
    for number in range(1000):
        names.register(str(number), A)
    assert storage.counted == 1


def test_a_large_list_comes_in_pages() -> None:
    names = NameServer(MemoryStorage())
    for number in range(2500):
        names.register(
            f"{number:04}", A, metadata=["even" if number % 2 == 0 else "odd"]
        )
    for search, wanted in (
        ({}, [f"{number:04}" for number in range(2500)]),
        ({"prefix": "1"}, [f"{number:04}" for number in range(1000, 2000)]),
        ({"meta_all": ["even"]}, [f"{number:04}" for number in range(0, 2500, 2)]),
        (
            {"meta_any": ["odd", "none"], "prefix": "2"},
            [f"{number:04}" for number in range(2001, 2500, 2)],
        ),
        ({"regex": ".*7$"}, [f"{number:04}" for number in range(7, 2500, 10)]),
        ({"regex": "(.)+[7]$"}, [f"{number:04}" for number in range(7, 2500, 10)]),
        ({"prefix": "none"}, []),
    ):
        for limit in (1000, 130, 2500):
            found, after = [], ""
            while True:
                page = names.entries(**search, after=after, limit=limit)
                assert len(page["entries"]) <= limit
                found += [one["name"] for one in page["entries"]]
                after = page["next"]
                if not after:
                    break
            assert found == wanted


def test_the_empty_name_does_not_end_the_pages() -> None:
    names = NameServer(MemoryStorage())
    for name in ("", "a", "b"):
        names.register(name, A)
    page = names.entries(limit=1)
    assert [one["name"] for one in page["entries"]] == ["", "a"]
    assert [one["name"] for one in names.entries(after=page["next"])["entries"]] == [
        "b"
    ]


def test_an_answer_has_so_much_whatever_is_asked_for() -> None:
    names = NameServer(MemoryStorage(history=2 * LARGEST_PAGE))
    start = names.position()
    for number in range(LARGEST_PAGE + 1):
        names.register(str(number), A)
    page = names.entries(limit=10**9)
    assert len(page["entries"]) == LARGEST_PAGE
    assert len(names.entries(after=page["next"])["entries"]) == 1
    assert len(names.changes(start, limit=10**9)["changes"]) == LARGEST_PAGE


def test_two_who_register_a_name_safely_at_once_do_not_both_succeed() -> None:
    names = NameServer(MemoryStorage())

    def register(owner: int) -> list[int]:
        won = []
        for number in range(200):
            try:
                names.register(str(number), A, safe=True, owner=str(owner))
            except NamingError:
                continue
            won.append(number)
        return won

    with ThreadPoolExecutor(4) as threads:
        won = [number for some in threads.map(register, range(4)) for number in some]
    assert sorted(won) == list(range(200))


def test_a_change_between_reading_and_writing_is_seen() -> None:
    class Racing(MemoryStorage):
        rivals = 0

        def put(self, *args: Any, **kwargs: Any) -> bool:
            if self.rivals:
                self.rivals -= 1
                racing.register("x", A, owner="rival")
            return super().put(*args, **kwargs)

    storage = Racing()
    racing = NameServer(storage)
    storage.rivals = 1
    with pytest.raises(NamingError, match="held by rival"):
        racing.register("x", A, owner="me")
    assert racing.describe("x")["owner"] == "rival"


def test_endless_contention_is_given_up() -> None:
    class Contended(MemoryStorage):
        def put(self, *args: Any, **kwargs: Any) -> bool:
            return False

        def remove(self, *args: Any, **kwargs: Any) -> list[str]:
            return []

    storage = Contended()
    names = NameServer(storage)
    with pytest.raises(NamingError, match="changed by others all the time"):
        names.register("x", A)
    MemoryStorage.put(storage, "x", Registration(A))
    with pytest.raises(NamingError, match="changed by others all the time"):
        names.set_metadata("x", [])
    with pytest.raises(NamingError, match="changed by others all the time"):
        names.remove("x")
