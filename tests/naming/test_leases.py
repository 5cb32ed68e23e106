"""Registrations that last for a time unless they are renewed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from pyro_naming import (
    AsyncNameServerDaemon,
    MemoryStorage,
    NameServer,
    NameServerDaemon,
)
from pyro_protocol import URI, Configuration
from pyro_protocol.errors import NamingError
from pyro_protocol.naming import NameServerClient
from support.clock import Clock
from support.storages import STORAGES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyro_naming import Storage

A = "PYRO:a@h:1"
B = "PYRO:b@h:1"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=list(STORAGES))
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    storage = STORAGES[request.param].open(tmp_path, 10_000)
    yield storage
    storage.close()


@pytest.fixture
def names(storage: Storage, clock: Clock) -> NameServer:
    return NameServer(storage, clock=clock)


def sees_nothing(names: NameServer, name: str) -> bool:
    """Whether no method shows a name."""
    with pytest.raises(NamingError, match="unknown name"):
        names.lookup(name)
    with pytest.raises(NamingError, match="unknown name"):
        names.describe(name)
    with pytest.raises(NamingError, match="unknown name"):
        names.set_metadata(name, [], owner="me")
    found: list[Any] = [
        names.list(),
        names.list(name),
        names.list(regex=name),
        names.yplookup(["t"]),
        names.yplookup(None, ["t"]),
        names.entries()["entries"],
        names.entries(regex=name)["entries"],
        names.entries(meta_all=["t"])["entries"],
        names.remove(name, owner="me"),
        names.remove(prefix=name, owner="me"),
        names.remove(regex=name, owner="me"),
        names.count(),
    ]
    return not any(found)


def test_a_name_is_gone_when_its_time_is_over(names: NameServer, clock: Clock) -> None:
    names.register("x", A, metadata=["t"], ttl=60, owner="me")
    clock.now += 59.9
    assert names.lookup("x") == URI(A)
    assert names.describe("x")["expires_in"] == pytest.approx(0.1)
    assert names.count() == 1
    clock.now += 0.1
    assert sees_nothing(names, "x")


def test_renewing_begins_the_time_anew(names: NameServer, clock: Clock) -> None:
    names.register("x", A, ttl=60, owner="me")
    names.register("y", A, ttl=90, owner="me")
    for _ in range(5):
        clock.now += 59
        assert names.renew(["x", "y"], owner="me") == []
    assert names.describe("x") == {
        "name": "x",
        "uri": A,
        "metadata": [],
        "owner": "me",
        "ttl": 60.0,
        "age": 295.0,
        "expires_in": 60.0,
    }
    clock.now += 60
    assert list(names.list()) == ["y"]


def test_what_is_not_renewed_has_to_be_registered_again(
    names: NameServer, clock: Clock
) -> None:
    names.register("late", A, ttl=10, owner="me")
    names.register("others", A, ttl=60, owner="somebody")
    names.register("mine", A, ttl=60, owner="me")
    clock.now += 10
    wanted = ["mine", "late", "others", "unknown"]
    assert names.renew(wanted, owner="me") == ["late", "others", "unknown"]
    assert names.renew(wanted) == wanted
    assert names.renew("unknown") == ["unknown"]
    names.register("late", A, ttl=10, owner="me")
    assert names.renew("late", owner="me") == []


def test_leases_without_an_owner_can_be_renewed_by_everybody(
    names: NameServer, clock: Clock
) -> None:
    names.register("x", A, ttl=10)
    clock.now += 9
    assert names.renew(["x"]) == []
    assert names.renew(["x"], owner="me") == ["x"]
    clock.now += 9
    assert names.lookup("x") == URI(A)


def test_metadata_does_not_renew(names: NameServer, clock: Clock) -> None:
    names.register("x", A, ttl=10, owner="me")
    clock.now += 9
    names.set_metadata("x", ["t"], owner="me")
    clock.now += 1
    assert names.list() == {}


def test_a_registration_without_ttl_lasts_for_good(
    names: NameServer, clock: Clock
) -> None:
    names.register("x", A, ttl=10)
    names.register("x", A)
    names.register("y", A, ttl=0)
    clock.now += 1e9
    assert set(names.list()) == {"x", "y"}
    assert names.sweep() == 0


def test_sweeping_removes_what_has_expired(
    names: NameServer, storage: Storage, clock: Clock
) -> None:
    names.register("gone", A, ttl=10)
    names.register("stays", A, ttl=20)
    position = names.position()
    clock.now += 11
    assert len(storage) == 2
    assert names.sweep() == 1
    assert names.sweep() == 0
    assert list(storage.find()) == ["stays"]
    (change,) = names.changes(position)["changes"]
    assert (change["kind"], change["name"]) == ("removed", "gone")


def test_a_shared_storage_is_swept_a_little_later(clock: Clock) -> None:
    class Shared(MemoryStorage):
        networked = True

    names = NameServer(Shared(), clock=clock)
    names.register("x", A, ttl=10)
    clock.now += 10
    assert names.sweep() == 0
    assert names.list() == {}
    clock.now += 1
    assert names.sweep() == 1


def test_what_is_registered_anew_meanwhile_is_not_swept(clock: Clock) -> None:
    class Busy(MemoryStorage):
        def expired(self, now: float, limit: int) -> dict[str, int]:
            found = super().expired(now, limit)
            busy.register("x", B)
            return found

    busy = NameServer(Busy(), clock=clock)
    busy.register("x", A, ttl=10)
    clock.now += 10
    assert busy.sweep() == 0
    assert busy.lookup("x") == URI(B)


@pytest.mark.parametrize("ttl", [0.4, -1, 1e9, float("inf"), float("nan"), 10**400])
def test_a_time_out_of_bounds_is_refused(names: NameServer, ttl: float) -> None:
    with pytest.raises(ValueError, match="ttl"):
        names.register("x", A, ttl=ttl)


@pytest.mark.parametrize("ttl", ["60", [1], True, {}])
def test_a_time_that_is_no_number_is_refused(names: NameServer, ttl: Any) -> None:
    with pytest.raises(TypeError, match="ttl"):
        names.register("x", A, ttl=ttl)
    assert names.count() == 0


def test_a_dead_owners_names_are_gone_for_clients_within_one_ttl(clock: Clock) -> None:
    config = Configuration(use_environment=False)
    inner = AsyncNameServerDaemon("127.0.0.1", 0, config=config, clock=clock)
    with (
        NameServerDaemon(inner, config=config) as daemon,
        NameServerClient(daemon.uriFor("Pyro.NameServer"), config=config) as client,
    ):
        client.register("dead", A, ttl=30, owner="me")
        client.register("alive", A, ttl=30, owner="me")
        clock.now += 20
        assert client.renew(["alive"], owner="me") == []
        clock.now += 10
        with pytest.raises(NamingError, match="unknown name"):
            client.lookup("dead")
        assert set(client.list()) == {"Pyro.NameServer", "alive"}
        assert client.count() == 2


def test_watchers_are_told_what_has_expired(clock: Clock) -> None:
    config = Configuration(use_environment=False)
    inner = AsyncNameServerDaemon("127.0.0.1", 0, config=config, clock=clock)
    with NameServerDaemon(inner, config=config) as daemon:
        names = daemon.nameserver
        names.register("x", A, ttl=30)
        changes = iter(names.watch("x"))
        clock.now += 30
        assert next(changes)["kind"] == "removed"


def test_after_a_restart_every_lease_gets_its_time_once_more(
    tmp_path: Path, clock: Clock
) -> None:
    config = Configuration(use_environment=False)
    storage = f"sql:{tmp_path / 'names.sqlite'}"

    def daemon() -> AsyncNameServerDaemon:
        return AsyncNameServerDaemon(
            "127.0.0.1", 0, storage=storage, config=config, clock=clock
        )

    async def run() -> None:
        async with daemon() as before:
            before.name_server.register("x", A, ttl=60, owner="me", metadata=["t"])
            before.name_server.register("y", A)
        clock.now += 3600
        async with daemon() as after:
            described = after.name_server.describe("x")
            assert described["expires_in"] == 60
            assert described["age"] == 3600
            assert (described["owner"], described["metadata"]) == ("me", ["t"])
            assert after.name_server.renew("x", owner="me") == []
            clock.now += 60
            assert set(after.name_server.list()) == {"Pyro.NameServer", "y"}

    asyncio.run(run())


def test_a_living_name_server_takes_the_place_of_a_dead_one(
    storage: Storage, clock: Clock
) -> None:
    first, second = (NameServer(storage, clock=clock) for _ in range(2))
    own = "Pyro.NameServer"
    first.announce(A, 30.0)
    for _ in range(5):
        clock.now += 20
        first.keep_announced(A, 30.0)
        second.keep_announced(B, 30.0)
        assert str(second.lookup(own)) == A
    start = second.position()
    clock.now += 29
    second.keep_announced(B, 30.0)
    assert str(second.lookup(own)) == A
    clock.now += 1
    second.keep_announced(B, 30.0)
    assert str(first.lookup(own)) == B
    assert [one["uri"] for one in first.changes(start)["changes"]] == [B]
