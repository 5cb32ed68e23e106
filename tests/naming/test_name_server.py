from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pyro_naming import MemoryStorage, NameServer, Registration, SqlStorage
from pyro_protocol import URI
from pyro_protocol.contract import members_of
from pyro_protocol.errors import NamingError, PyroError
from pyro_protocol.references import ProxyState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyro_naming import Storage

OWN = "Pyro.NameServer"
OWN_URI = "PYRO:Pyro.NameServer@localhost:9090"
OWN_TAGS = {"class:Pyro5.nameserver.NameServer"}
A = "PYRO:a@h:1"
B = "PYRO:b@h:1"


@pytest.fixture(params=["memory", "sql"])
def names(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NameServer]:
    storage: Storage = MemoryStorage()
    if request.param == "sql":
        storage = SqlStorage(tmp_path / "names.sqlite")
    names = NameServer(storage)
    names.announce(OWN_URI)
    yield names
    storage.close()


def test_clients_can_call_what_is_documented_and_nothing_else() -> None:
    assert members_of(NameServer).metadata() == {
        "methods": {
            "changes",
            "count",
            "describe",
            "entries",
            "list",
            "locate",
            "lookup",
            "ping",
            "position",
            "register",
            "remove",
            "renew",
            "set_metadata",
            "watch",
            "yplookup",
        },
        "oneway": set(),
        "attrs": set(),
    }


def test_it_knows_itself(names: NameServer) -> None:
    assert names.lookup(OWN, return_metadata=True) == (URI(OWN_URI), OWN_TAGS)
    assert names.count() == 1
    names.ping()


def test_a_name_leads_to_its_uri(names: NameServer) -> None:
    names.register("text", A)
    names.register("uri", URI(B))
    assert names.lookup("text") == URI(A)
    assert names.lookup("uri") == URI(B)
    assert names.count() == 3


def test_metadata_comes_along_if_wanted(names: NameServer) -> None:
    names.register("none", A)
    names.register("some", B, metadata=["x", "y", "x"])
    assert names.lookup("none", return_metadata=True) == (URI(A), set())
    assert names.lookup("some", return_metadata=True) == (URI(B), {"x", "y"})


def test_registering_again_replaces_uri_and_metadata(names: NameServer) -> None:
    names.register("name", A, metadata={"x"})
    names.register("name", B)
    assert names.lookup("name", return_metadata=True) == (URI(B), set())


def test_a_safe_registration_replaces_nothing(names: NameServer) -> None:
    names.register("name", A, safe=True)
    with pytest.raises(NamingError, match=r"^name already registered: name$"):
        names.register("name", B, safe=True)
    assert names.lookup("name") == URI(A)


def test_an_unknown_name_is_a_naming_error(names: NameServer) -> None:
    with pytest.raises(NamingError, match=r"^unknown name: nothing$"):
        names.lookup("nothing")
    with pytest.raises(NamingError, match=r"^unknown name: nothing$"):
        names.set_metadata("nothing", ["x"])


@pytest.mark.parametrize("uri", ["PYRONAME:other", "PYROMETA:x,y", "PYRO:o@./u:/run/s"])
def test_uris_of_every_kind_can_be_registered(names: NameServer, uri: str) -> None:
    names.register("name", uri)
    assert names.lookup("name") == URI(uri)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((5, A), TypeError),
        (("name", 5), TypeError),
        (("name", None), TypeError),
        (("name", "nonsense"), PyroError),
        (("name", A, False, "text"), TypeError),
        (("name", A, False, 5), TypeError),
        (("name", A, False, [5]), TypeError),
        # A proxy would be asked for its items, and a range may have no end.
        (("name", A, False, ProxyState(A)), TypeError),
        (("name", A, False, range(10**12)), TypeError),
    ],
)
def test_nothing_is_registered_with_wrong_arguments(
    names: NameServer, arguments: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        names.register(*arguments)
    assert names.count() == 1


def test_metadata_can_be_replaced_and_cleared(names: NameServer) -> None:
    names.register("name", A, metadata=["x"])
    names.set_metadata("name", (tag for tag in ["y", "z"]))
    assert names.lookup("name", return_metadata=True) == (URI(A), {"y", "z"})
    names.set_metadata("name", None)
    assert names.lookup("name", return_metadata=True) == (URI(A), set())
    with pytest.raises(TypeError):
        names.set_metadata("name", "text")


def test_removing_takes_the_first_argument_that_is_given(names: NameServer) -> None:
    for name in ["a.1", "a.2", "b.1"]:
        names.register(name, A)
    assert names.remove("a.1", prefix="a.", regex=".*") == 1
    assert names.remove("", prefix="a.", regex=".*") == 1
    assert names.remove("unknown") == 0
    assert names.remove() == 0
    assert names.remove(regex=".*") == 1
    assert names.list() == {OWN: OWN_URI}


def test_a_prefix_to_remove_is_no_pattern(names: NameServer) -> None:
    for name in ["a_1", "ab1", "A_1"]:
        names.register(name, A)
    assert names.remove(prefix="a_") == 1
    assert set(names.list()) == {OWN, "ab1", "A_1"}


def test_its_own_entry_cannot_be_changed_by_clients(names: NameServer) -> None:
    with pytest.raises(NamingError, match="own"):
        names.register(OWN, A)
    with pytest.raises(NamingError, match="own"):
        names.set_metadata(OWN, [])
    assert names.remove(OWN) == 0
    assert names.remove(prefix="Pyro.") == 0
    assert names.remove(regex=r"Pyro\.") == 0
    assert names.list(return_metadata=True) == {OWN: (OWN_URI, OWN_TAGS)}


def test_a_list_can_be_narrowed_by_prefix_or_regex(names: NameServer) -> None:
    for name in ["house.hall", "house.kitchen", "garden.house"]:
        names.register(name, A)
    assert set(names.list("house.")) == {"house.hall", "house.kitchen"}
    assert set(names.list(regex=r"house\.k")) == {"house.kitchen"}
    assert set(names.list(regex=r".*house")) == {
        "house.hall",
        "house.kitchen",
        "garden.house",
    }
    assert names.list("nothing") == {}
    assert names.list(regex="HOUSE") == {}
    with pytest.raises(ValueError, match="not both"):
        names.list("house", "house")


def test_a_list_can_be_narrowed_by_metadata_as_pyro4_clients_do_it(
    names: NameServer,
) -> None:
    names.register("xy", A, metadata=["x", "y"])
    names.register("y", B, metadata=["y"])

    assert names.list(metadata_all={"x", "y"}) == {"xy": A}
    assert names.list(metadata_any=["x", "y"], return_metadata=True) == {
        "xy": (A, {"x", "y"}),
        "y": (B, {"y"}),
    }
    assert names.list(metadata_all=[]) == names.list()
    for more in ({"prefix": "x"}, {"regex": "x"}, {"metadata_any": ["y"]}):
        with pytest.raises(ValueError, match="give"):
            names.list(metadata_all=["x"], **more)


def test_a_list_shows_metadata_as_plain_sets(names: NameServer) -> None:
    names.register("none", A)
    listed: Any = names.list("none", return_metadata=True)
    assert listed == {"none": (A, set())}
    assert type(listed["none"][1]) is set


def test_the_yellow_pages_find_all_or_any(names: NameServer) -> None:
    names.register("xy", A, metadata=["x", "y"])
    names.register("yz", B, metadata=["y", "z"])
    assert names.yplookup(meta_all=["x", "y", "x"]) == {"xy": (A, {"x", "y"})}
    assert names.yplookup(meta_any=iter(["x", "z"]), return_metadata=False) == {
        "xy": A,
        "yz": B,
    }
    assert names.yplookup() == {}
    assert names.yplookup([], []) == {}
    assert names.yplookup(meta_all=["x", "nothing"]) == {}
    with pytest.raises(ValueError, match="not both"):
        names.yplookup(["x"], ["y"])
    wrong: Any
    for wrong in ("text", 5, [5]):
        with pytest.raises(TypeError):
            names.yplookup(meta_all=wrong)


def test_a_regular_expression_must_be_valid(names: NameServer) -> None:
    with pytest.raises(NamingError, match="invalid regex"):
        names.list(regex="(")
    with pytest.raises(NamingError, match="invalid regex"):
        names.remove(regex="(")


def test_no_lock_is_held_while_a_regular_expression_is_matched() -> None:
    class Waiting(MemoryStorage):
        def find(self, *args: Any, **kwargs: Any) -> dict[str, Registration]:
            found = super().find(*args, **kwargs)
            # Whoever matches what was found must not keep others from writing.
            writer = threading.Thread(target=self.put, args=("new", found["old"]))
            writer.start()
            writer.join(10)
            assert not writer.is_alive()
            return found

    names = NameServer(Waiting())
    names.register("old", A)
    assert names.list(regex="old") == {"old": A}


def test_many_threads_may_use_it_at_once(names: NameServer) -> None:
    def use(thread: int) -> int:
        for number in range(20):
            names.register(f"{thread}.{number}", A, metadata={f"t{thread}"})
        found = names.yplookup(meta_all={f"t{thread}"})
        return len(found) + names.remove(prefix=f"{thread}.")

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(use, range(6))) == [40] * 6
    assert names.count() == 1
