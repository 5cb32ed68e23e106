"""Names that stay in the name server."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import pytest

from pyro_protocol import URI
from pyro_protocol.config import Configuration
from pyro_protocol.errors import NamingError, PyroError
from pyro_server.announcements import Announcement, user_and_machine
from pyro_server.publication import NameKeeper
from support.daemons import eventually
from support.hosting import DEADLINE, HostThread
from support.names import LeasingNames, Names
from support.responder import Responder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LAMP = URI("PYRO:lamp@localhost:5")
PUMP = URI("PYRO:pump@localhost:5")
OTHER = "PYRO:other@localhost:6"
OFTEN = 0.02


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def leasing() -> LeasingNames:
    return LeasingNames()


@pytest.fixture
def start_name_server() -> Iterator[Callable[..., HostThread]]:
    """Starts a name server, where there was one before perhaps."""
    with contextlib.ExitStack() as stack:

        def start(names: Names, port: int = 0) -> HostThread:
            host = stack.enter_context(HostThread(port=port))
            host.register(names, "Pyro.NameServer")
            return host

        yield start


@pytest.fixture
def make_keeper() -> Iterator[Callable[..., NameKeeper]]:
    """Makes keepers that look after names often."""
    with contextlib.ExitStack() as stack:

        def make(host: HostThread) -> NameKeeper:
            address, port = host.location.split(":")
            settings = Configuration(use_environment=False)
            settings.NS_HOST, settings.NS_PORT = address, int(port)
            settings.BROADCAST_ADDRS = []
            keeper = NameKeeper(settings, check_seconds=OFTEN)
            stack.callback(keeper.join)
            return keeper

        yield make


@pytest.fixture
def keep(
    start_name_server: Callable[..., HostThread],
    make_keeper: Callable[..., NameKeeper],
) -> Callable[..., NameKeeper]:
    """Has the lamp and the pump kept in a name server that it starts."""

    def keep(names: Names, **options: object) -> NameKeeper:
        keeper = make_keeper(start_name_server(names))
        announce(keeper, lamp(**options), pump(**options))
        return keeper

    return keep


def lamp(**options: object) -> Announcement:
    return Announcement(name="lamp", uri=LAMP, **options)  # type: ignore[arg-type] # as the tests name them


def pump(**options: object) -> Announcement:
    return Announcement(name="pump", uri=PUMP, **options)  # type: ignore[arg-type] # as the tests name them


def announce(keeper: NameKeeper, *announcements: Announcement) -> None:
    keeper.announce(*announcements).result(DEADLINE)


def wait_for_rounds(names: Names, call: str) -> None:
    """Wait until the keeper has looked after the names again."""
    before = names.calls.count(call)
    eventually(lambda: names.calls.count(call) > before + 2)


def test_names_are_there_until_the_end(
    names: Names, keep: Callable[..., NameKeeper]
) -> None:
    keeper = keep(names, metadata=frozenset({"warm"}), ttl=60.0, owner="me")
    assert names.registered == {
        "lamp": (str(LAMP), {"warm"}),
        "pump": (str(PUMP), {"warm"}),
    }
    keeper.join()
    assert names.registered == {}
    assert not keeper.running


def test_a_forgotten_name_comes_back_with_its_metadata(
    names: Names, keep: Callable[..., NameKeeper], caplog: pytest.LogCaptureFixture
) -> None:
    keep(names, metadata=frozenset({"warm"}))
    del names.registered["pump"]
    eventually(lambda: "name pump was gone, and is registered again" in caplog.text)
    assert names.registered["pump"] == (str(PUMP), {"warm"})
    assert "name lamp" not in caplog.text


@pytest.mark.parametrize("kind", [Names, LeasingNames])
def test_a_name_server_that_was_restarted_learns_the_names_again(
    kind: type[Names],
    start_name_server: Callable[..., HostThread],
    make_keeper: Callable[..., NameKeeper],
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = kind()
    host = start_name_server(names)
    keeper = make_keeper(host)
    announce(keeper, lamp(), pump())
    host.stop()
    eventually(lambda: "the name server cannot be reached" in caplog.text)
    names.registered.clear()
    start_name_server(names, int(host.location.split(":")[1]))
    eventually(lambda: "the name server is back" in caplog.text)
    assert set(names.registered) == {"lamp", "pump"}
    # Once for each change, not for each attempt.
    assert caplog.text.count("cannot be reached") == 1
    keeper.join()
    assert names.registered == {}


def test_a_name_server_that_has_moved_is_found(
    start_name_server: Callable[..., HostThread], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyro_server.upkeep._SEARCH_SECONDS", 0.0)
    old, new = Names(), Names()
    first, second = start_name_server(old), start_name_server(new)
    answers = [
        [f"PYRO:Pyro.NameServer@{host.location}".encode()] for host in (first, second)
    ]
    settings = Configuration(use_environment=False)
    settings.NS_HOST, settings.BROADCAST_ADDRS = "./u:/nowhere", ["127.0.0.1"]
    with Responder(*answers) as responder:
        settings.NS_BCPORT = responder.port
        keeper = NameKeeper(settings, check_seconds=OFTEN)
        announce(keeper, lamp())
        assert set(old.registered) == {"lamp"}
        first.stop()
        eventually(lambda: set(new.registered) == {"lamp"})
        keeper.join()
    assert new.registered == {}


def test_a_name_of_another_is_left_alone_until_it_is_free(
    names: Names, keep: Callable[..., NameKeeper], caplog: pytest.LogCaptureFixture
) -> None:
    keeper = keep(names)
    names.registered["lamp"] = (OTHER, set())
    eventually(lambda: f"name lamp is now that of {OTHER}" in caplog.text)
    wait_for_rounds(names, "lookup lamp")
    assert names.registered["lamp"][0] == OTHER
    assert caplog.text.count("name lamp is now that of") == 1
    del names.registered["lamp"]
    eventually(lambda: "lamp" in names.registered)
    names.registered["lamp"] = (OTHER, set())
    keeper.join()
    assert names.registered == {"lamp": (OTHER, set())}


def test_a_name_that_is_taken_is_an_error(
    names: Names,
    start_name_server: Callable[..., HostThread],
    make_keeper: Callable[..., NameKeeper],
) -> None:
    names.registered["pump"] = (OTHER, set())
    keeper = make_keeper(start_name_server(names))
    with pytest.raises(NamingError, match="already registered: pump"):
        announce(keeper, pump(safe=True))
    eventually(lambda: not keeper.running)
    announce(keeper, pump())
    assert names.registered["pump"][0] == str(PUMP)


def test_what_a_crash_has_left_at_the_same_address_is_no_obstacle(
    names: Names,
    start_name_server: Callable[..., HostThread],
    make_keeper: Callable[..., NameKeeper],
) -> None:
    names.registered["pump"] = (str(PUMP), set())
    keeper = make_keeper(start_name_server(names))
    announce(keeper, pump(safe=True, metadata=frozenset({"warm"})))
    assert names.registered["pump"] == (str(PUMP), {"warm"})


def test_no_name_server_is_an_error(
    names: Names,
    start_name_server: Callable[..., HostThread],
    make_keeper: Callable[..., NameKeeper],
) -> None:
    host = start_name_server(names)
    host.stop()
    keeper = make_keeper(host)
    with pytest.raises(NamingError, match="Failed to locate"):
        announce(keeper, lamp())
    eventually(lambda: not keeper.running)


def test_a_keeper_without_names_has_no_thread() -> None:
    keeper = NameKeeper()
    assert not keeper.running
    keeper.join()
    with pytest.raises(PyroError, match="closed"):
        keeper.announce(lamp())


def test_the_thread_ends_with_the_last_name(
    names: Names, keep: Callable[..., NameKeeper]
) -> None:
    keeper = keep(names)
    keeper.withdraw("lamp").result(DEADLINE)
    assert set(names.registered) == {"pump"}
    keeper.withdraw("unknown").result(DEADLINE)
    assert keeper.running
    keeper.withdraw("pump").result(DEADLINE)
    eventually(lambda: not keeper.running)
    announce(keeper, lamp())
    assert set(names.registered) == {"lamp"}


def test_all_names_are_renewed_in_one_call(
    leasing: LeasingNames, keep: Callable[..., NameKeeper]
) -> None:
    keep(leasing, ttl=OFTEN, owner="me")
    wait_for_rounds(leasing, "renew lamp pump")
    assert leasing.owners == {"lamp": "me", "pump": "me"}
    assert leasing.ttls == {"lamp": OFTEN, "pump": OFTEN}
    assert leasing.calls.count("register lamp") == 1


def test_names_of_several_owners_are_renewed_in_their_names(
    leasing: LeasingNames,
    start_name_server: Callable[..., HostThread],
    make_keeper: Callable[..., NameKeeper],
) -> None:
    keeper = make_keeper(start_name_server(leasing))
    announce(keeper, lamp(owner="alice"), pump(owner=""))
    wait_for_rounds(leasing, "renew lamp")
    wait_for_rounds(leasing, "renew pump")
    assert leasing.owners == {"lamp": "alice", "pump": ""}
    assert leasing.calls.count("register lamp") == 1


def test_a_name_that_was_not_renewed_in_time_is_registered_again(
    leasing: LeasingNames,
    keep: Callable[..., NameKeeper],
    caplog: pytest.LogCaptureFixture,
) -> None:
    keep(leasing, ttl=OFTEN)
    del leasing.registered["pump"]
    eventually(lambda: "name pump was gone, and is registered again" in caplog.text)
    assert leasing.owners["pump"] == user_and_machine()
    assert "name lamp" not in caplog.text


def test_a_lost_name_of_another_owner_is_left_alone_until_it_is_free(
    leasing: LeasingNames,
    keep: Callable[..., NameKeeper],
    caplog: pytest.LogCaptureFixture,
) -> None:
    keeper = keep(leasing, ttl=OFTEN)
    leasing.owners["lamp"] = "bob"
    leasing.registered["lamp"] = (OTHER, set())
    eventually(lambda: f"name lamp is now that of {OTHER}" in caplog.text)
    # It would be kept alive for somebody who may be dead.
    wait_for_rounds(leasing, "renew pump")
    assert caplog.text.count("name lamp is now that of") == 1
    del leasing.registered["lamp"]
    eventually(lambda: "lamp" in leasing.registered)
    leasing.owners["lamp"] = "bob"
    leasing.registered["lamp"] = (OTHER, set())
    keeper.join()
    assert leasing.registered == {"lamp": (OTHER, set())}


def test_a_name_that_another_program_of_the_owner_took_over_is_not_renewed(
    leasing: LeasingNames,
    keep: Callable[..., NameKeeper],
    caplog: pytest.LogCaptureFixture,
) -> None:
    keeper = keep(leasing, ttl=OFTEN)
    leasing.registered["lamp"] = (OTHER, set())
    eventually(lambda: f"name lamp is now that of {OTHER}" in caplog.text)
    wait_for_rounds(leasing, "renew pump")
    keeper.join()
    assert leasing.registered == {"lamp": (OTHER, set())}


def test_a_name_that_somebody_has_registered_for_us_becomes_ours_again(
    leasing: LeasingNames, keep: Callable[..., NameKeeper]
) -> None:
    keep(leasing, ttl=OFTEN, owner="me")
    leasing.owners["lamp"] = ""
    eventually(lambda: leasing.owners["lamp"] == "me")


def test_a_name_that_is_registered_for_us_by_another_owner_is_told_once(
    leasing: LeasingNames,
    keep: Callable[..., NameKeeper],
    caplog: pytest.LogCaptureFixture,
) -> None:
    keep(leasing, ttl=OFTEN, owner="me")
    leasing.owners["lamp"] = "bob"
    eventually(lambda: "name lamp is not ours any more" in caplog.text)
    wait_for_rounds(leasing, "renew lamp pump")
    assert caplog.text.count("name lamp is not ours any more") == 1
    leasing.owners["lamp"] = "me"
    wait_for_rounds(leasing, "renew lamp pump")
    leasing.owners["lamp"] = "bob"
    eventually(lambda: caplog.text.count("name lamp is not ours any more") == 2)


def test_a_name_server_that_knows_the_client_is_not_told_an_owner(
    leasing: LeasingNames, keep: Callable[..., NameKeeper]
) -> None:
    leasing.known_client = "house"
    keeper = keep(leasing, ttl=OFTEN)
    assert leasing.owners == {"lamp": "house", "pump": "house"}
    wait_for_rounds(leasing, "renew lamp pump")
    keeper.join()
    assert leasing.registered == {}


def test_an_owner_that_was_named_is_insisted_on(
    leasing: LeasingNames, keep: Callable[..., NameKeeper]
) -> None:
    leasing.known_client = "house"
    with pytest.raises(PyroError, match="you are house, not me"):
        keep(leasing, owner="me")


def test_force_takes_a_name_from_its_holder_once(
    leasing: LeasingNames,
    start_name_server: Callable[..., HostThread],
    make_keeper: Callable[..., NameKeeper],
    caplog: pytest.LogCaptureFixture,
) -> None:
    host = start_name_server(leasing)
    first, second = make_keeper(host), make_keeper(host)
    announce(first, lamp(owner="alice"))
    theirs = Announcement(name="lamp", uri=URI(OTHER), owner="bob")
    with pytest.raises(NamingError, match="held by alice"):
        announce(second, theirs)
    announce(second, Announcement(name="lamp", uri=URI(OTHER), owner="bob", force=True))
    eventually(lambda: f"name lamp is now that of {OTHER}" in caplog.text)
    assert leasing.owners["lamp"] == "bob"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_leaves_the_names_to_its_parent(
    leasing: LeasingNames, keep: Callable[..., NameKeeper]
) -> None:
    keeper = keep(leasing, ttl=OFTEN)
    child = os.fork()
    if child == 0:
        keeper.join()
        os._exit(0 if not keeper.running else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    wait_for_rounds(leasing, "renew lamp pump")
    assert leasing.calls.count("remove lamp") == 0
    keeper.join()
    assert leasing.registered == {}
