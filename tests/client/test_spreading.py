"""Several servers for the same: which is called, and what happens when one dies."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pyro_client import Proxy, ReplicaProxy, RetryPolicy, asyncproxy, batch, replicas
from pyro_client.candidates import FIRST_REST_SECONDS, LONGEST_REST_SECONDS, Health
from pyro_client.candidates import health as known_health
from pyro_protocol import URI, Configuration, expose, idempotent
from pyro_protocol.errors import (
    CommunicationError,
    ConnectionClosedError,
    NamingError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.naming.standing import standing
from pyro_protocol.testing import FaultyLine
from support.changing_names import NameServers
from support.hosting import DEADLINE, HostThread
from support.names import Names
from support.scripted import Peer, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TAGGED = "PYROMETA:camera"
SHORT = 0.2


@expose
class Camera:
    """Counts its calls, and can be made to wait."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.calls = 0
        self.entered = threading.Semaphore(0)
        self.leave = threading.Event()

    @idempotent
    def name(self) -> str:
        self.calls += 1
        return self._name

    def shoot(self) -> str:
        self.calls += 1
        return self._name

    def expose_long(self) -> str:
        self.entered.release()
        assert self.leave.wait(DEADLINE)
        return self._name

    def count(self) -> Iterator[int]:
        yield from range(3)

    @property
    def level(self) -> int:
        return 5


class Studio:
    """Servers with a camera each, and a name server that knows them."""

    def __init__(self) -> None:
        self.names = Names()
        self.hosts: dict[str, HostThread] = {}
        self.cameras: dict[str, Camera] = {}
        self.desk = HostThread()
        self.desk.register(self.names, "Pyro.NameServer")
        self.config = Configuration(use_environment=False)
        self.config.BROADCAST_ADDRS = []
        self.config.NS_HOST, _, port = self.desk.location.rpartition(":")
        self.config.NS_PORT = int(port)

    def open(self, name: str) -> URI:
        """Start a server with a camera."""
        host = self.hosts[name] = HostThread()
        camera = self.cameras[name] = Camera(name)
        uri = host.register(camera, f"camera.{name}")
        self.add(name, uri)
        return uri

    def add(self, name: str, uri: str | URI) -> None:
        """Register a URI with the tag of cameras."""
        self.names.registered[name] = (str(uri), {"camera"})

    def close(self, name: str) -> None:
        """Stop a server, which stays registered."""
        self.cameras[name].leave.set()
        self.hosts.pop(name).stop()

    def uri(self, name: str) -> URI:
        """Where a camera is registered."""
        return URI(self.names.registered[name][0])


@pytest.fixture
def studio() -> Iterator[Studio]:
    """A studio with the cameras a, b and c."""
    known_health.forget()
    studio = Studio()
    try:
        for name in "abc":
            studio.open(name)
        yield studio
    finally:
        for name in list(studio.hosts):
            studio.close(name)
        studio.desk.stop()
        known_health.forget()


@pytest.fixture
def make(studio: Studio) -> Iterator[Callable[..., ReplicaProxy]]:
    """Makes proxies for the cameras of the studio."""
    made: list[ReplicaProxy] = []

    def make(policy: Any = "round_robin", **options: Any) -> ReplicaProxy:
        made.append(replicas(TAGGED, policy, config=studio.config, **options))
        return made[-1]

    yield make
    for proxy in made:
        proxy._pyroRelease()


# What is known of servers that have failed


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


ONE, OTHER = URI("PYRO:x@one:1"), URI("PYRO:x@other:1")


def test_a_server_that_has_failed_is_left_alone_longer_each_time() -> None:
    clock = Clock()
    health = Health(clock)
    rests = []
    for _ in range(8):
        health.failed(ONE)
        rests.append(health.rest(ONE))
        clock.now += rests[-1]
        assert health.rest(ONE) == 0.0
    assert rests[:4] == [FIRST_REST_SECONDS * factor for factor in (1, 2, 4, 8)]
    assert rests[-1] == LONGEST_REST_SECONDS
    health.works(ONE)
    health.failed(ONE)
    assert health.rest(ONE) == FIRST_REST_SECONDS


def test_calls_that_fail_together_count_once() -> None:
    health = Health(Clock())
    for _ in range(5):
        health.failed(ONE)
    assert health.rest(ONE) == FIRST_REST_SECONDS


def test_servers_that_rest_are_tried_last() -> None:
    health = Health(Clock())
    health.failed(ONE)
    assert health.ordered([ONE, OTHER]) == [OTHER, ONE]


def test_only_so_many_servers_are_remembered() -> None:
    health = Health(Clock())
    for number in range(1, 2001):
        health.failed(URI(f"PYRO:x@host:{number}"))
    assert health.rest(URI("PYRO:x@host:2000")) > 0
    assert health.rest(URI("PYRO:x@host:1")) == 0.0


# PYROMETA


def test_a_proxy_for_metadata_connects_to_any_server_that_is_alive(
    studio: Studio,
) -> None:
    studio.close("a")
    studio.close("b")
    for _ in range(10):
        with Proxy(TAGGED, config=studio.config) as proxy:
            assert proxy.name() == "c"


def test_a_proxy_for_metadata_goes_to_another_server_when_its_own_dies(
    studio: Studio,
) -> None:
    with Proxy(TAGGED, config=studio.config) as proxy:
        proxy._pyroRetryPolicy = RetryPolicy(first_delay=0.0)
        first = proxy.name()
        studio.close(first)
        second = proxy.name()
        assert second in {"a", "b", "c"} - {first}


def test_when_no_server_is_alive_the_error_says_so(studio: Studio) -> None:
    for name in "abc":
        studio.close(name)
    proxy = Proxy(TAGGED, config=studio.config)
    with pytest.raises(CommunicationError, match="none of the 3 servers") as caught:
        proxy.name()
    assert caught.value.outcome == "not_sent"
    with pytest.raises(CommunicationError, match="cannot connect"):
        Proxy(studio.uri("a"), config=studio.config).name()


def test_a_server_that_does_not_answer_gets_its_share_of_the_time_only(
    studio: Studio,
) -> None:
    studio.close("b")
    studio.close("c")
    with ScriptedServer(lambda peer: peer.wait_for_end()) as silent:
        studio.names.registered.clear()
        studio.add("silent", silent.uri)
        studio.add("a", studio.hosts["a"].register(Camera("a"), "again"))
        # Whichever comes first.
        known_health.failed(studio.uri("a"))
        with Proxy(TAGGED, config=studio.config) as proxy:
            proxy._pyroTimeout = 2.0
            assert proxy.name() == "a"


def test_a_name_without_registrations_is_a_naming_error(studio: Studio) -> None:
    with pytest.raises(NamingError, match="metadata"):
        Proxy("PYROMETA:nothing", config=studio.config).name()
    with pytest.raises(NamingError, match="metadata"):
        replicas("PYROMETA:nothing", config=studio.config).name()


# How calls are spread


def test_round_robin_takes_one_after_the_other(
    make: Callable[..., ReplicaProxy],
) -> None:
    proxy = make("round_robin")
    names = [proxy.name() for _ in range(9)]
    assert set(names[:3]) == {"a", "b", "c"}
    assert names == names[:3] * 3


def test_random_takes_all_of_them_some_time(make: Callable[..., ReplicaProxy]) -> None:
    proxy = make("random")
    assert {proxy.name() for _ in range(100)} == {"a", "b", "c"}


def test_least_busy_takes_where_the_fewest_calls_are_in_flight(
    make: Callable[..., ReplicaProxy], studio: Studio
) -> None:
    proxy = make("least_busy")
    with ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(proxy.expose_long) for _ in range(2)]
        for camera in studio.cameras.values():
            camera.entered.acquire(timeout=SHORT)
        busy = {one.uri for one in proxy._pyroCandidates if one.calls}
        assert len(busy) == 2
        (idle,) = (name for name in "abc" if studio.uri(name) not in busy)
        assert {proxy.name() for _ in range(10)} == {idle}
        for camera in studio.cameras.values():
            camera.leave.set()
        assert idle not in {one.result(DEADLINE) for one in slow}
    assert {one.calls for one in proxy._pyroCandidates} == {0}


def test_the_candidates_can_be_looked_at(
    make: Callable[..., ReplicaProxy], studio: Studio
) -> None:
    proxy = make()
    before = proxy._pyroCandidates
    assert len(before) == 0
    proxy.name()
    found = {one.uri: one for one in proxy._pyroCandidates}
    assert set(found) == {studio.uri(name) for name in "abc"}
    assert {one.connected for one in found.values()} == {True, False}
    assert {(one.calls, one.rest) for one in found.values()} == {(0, 0.0)}


def test_all_of_a_proxy_works_with_replicas(make: Callable[..., ReplicaProxy]) -> None:
    proxy = make()
    assert proxy.level == 5
    assert list(proxy.count()) == [0, 1, 2]
    assert "shoot" in dir(proxy)
    collected = batch(proxy)
    collected.name()
    collected.name()
    one, same = collected()
    assert one == same
    assert asyncproxy(proxy).name().value in "abc"
    with pytest.raises(AttributeError, match="no exposed"):
        _ = proxy.nothing


def _pickled(proxy: ReplicaProxy) -> Any:
    return pickle.loads(pickle.dumps(proxy))


@pytest.mark.parametrize("duplicate", [copy.copy, _pickled])
def test_a_copy_is_one_for_replicas_too(
    make: Callable[..., ReplicaProxy], duplicate: Callable[[Any], Any], studio: Studio
) -> None:
    proxy = make("least_busy", refresh=17.0)
    proxy.name()
    with duplicate(proxy) as other:
        assert type(other) is ReplicaProxy
        binding = other._pyro_binding
        assert (binding.policy, binding.refresh_seconds) == ("least_busy", 17.0)
        assert other == proxy
        assert "shoot" in other._pyroMethods


@pytest.mark.parametrize(
    ("wrong", "match"),
    [({"policy": "best"}, "least_busy"), ({"refresh": 0}, "refresh")],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        replicas(TAGGED, **wrong)


def test_threads_share_a_proxy_for_replicas(
    make: Callable[..., ReplicaProxy], studio: Studio
) -> None:
    proxy = make("least_busy")

    def call(_number: int) -> str:
        return str(proxy.name())

    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(call, range(200), timeout=DEADLINE))
    assert set(names) <= {"a", "b", "c"}
    assert sum(camera.calls for camera in studio.cameras.values()) == 200
    assert {one.calls for one in proxy._pyroCandidates} == {0}


# When one dies


def test_a_dead_server_is_left_alone_and_the_others_do_its_work(
    make: Callable[..., ReplicaProxy], studio: Studio
) -> None:
    proxy = make()
    studio.close("b")
    assert [proxy.shoot() for _ in range(4)].count("b") == 0
    (dead,) = (one for one in proxy._pyroCandidates if one.rest)
    assert dead.uri == studio.uri("b")


def test_a_server_that_dies_during_idempotent_calls_is_replaced(
    make: Callable[..., ReplicaProxy], studio: Studio
) -> None:
    proxy = make()
    assert {proxy.name() for _ in range(3)} == {"a", "b", "c"}
    studio.close("a")
    assert {proxy.name() for _ in range(6)} == {"b", "c"}


def test_a_call_that_may_have_been_run_goes_nowhere_else(studio: Studio) -> None:
    with FaultyLine(studio.hosts["a"].location) as relay:
        studio.add("a", f"PYRO:camera.a@{relay.location}")
        with replicas(TAGGED, "round_robin", config=studio.config) as proxy:
            while studio.cameras["a"].calls == 0:
                proxy.name()
            before = sum(one.calls for one in studio.cameras.values())
            relay.lose_next_answer()
            outcomes = []
            for _ in range(3):
                try:
                    outcomes.append(proxy.shoot())
                except ConnectionClosedError as error:
                    outcomes.append(error.outcome)
            assert sorted(outcomes) == ["b", "c", "unknown"]
            after = sum(one.calls for one in studio.cameras.values())
            assert after - before == 3


def test_an_idempotent_call_whose_answer_was_lost_goes_to_the_next(
    studio: Studio,
) -> None:
    with FaultyLine(studio.hosts["a"].location) as relay:
        studio.add("a", f"PYRO:camera.a@{relay.location}")
        with replicas(TAGGED, "round_robin", config=studio.config) as proxy:
            while studio.cameras["a"].calls == 0:
                proxy.name()
            relay.lose_next_answer()
            assert {proxy.name() for _ in range(3)} == {"b", "c"}


def test_a_server_that_refuses_us_is_passed_over(studio: Studio) -> None:
    studio.close("b")
    studio.close("c")
    with ScriptedServer(lambda peer: peer.refuse("not you")) as server:
        studio.names.registered.clear()
        studio.add("a", URI(f"PYRO:camera.a@{studio.hosts['a'].location}"))
        studio.add("refusing", server.uri)
        known_health.failed(studio.uri("a"))
        with replicas(TAGGED, config=studio.config) as proxy:
            assert proxy.name() == "a"


def test_when_all_are_dead_the_error_says_so_and_a_new_one_is_found(
    make: Callable[..., ReplicaProxy], studio: Studio
) -> None:
    proxy = make()
    assert proxy.name() in "abc"
    for name in "abc":
        studio.close(name)
    with pytest.raises(ConnectionClosedError):
        proxy.name()
    with pytest.raises(CommunicationError, match="none of the 3 servers"):
        proxy.name()
    studio.open("d")
    assert proxy.name() == "d"


def test_servers_that_cannot_be_reached_are_tried_once_for_each_call(
    studio: Studio,
) -> None:
    def hang_up(peer: Peer) -> None:
        peer.receive()

    with ScriptedServer(hang_up) as one, ScriptedServer(hang_up) as other:
        studio.names.registered.clear()
        studio.add("one", one.uri)
        studio.add("other", other.uri)
        proxy = replicas(TAGGED, config=studio.config)
        with pytest.raises(CommunicationError, match="none of the 2 servers"):
            proxy.name()


def test_a_server_that_has_moved_is_found_within_the_same_call(
    make: Callable[..., ReplicaProxy], studio: Studio
) -> None:
    proxy = make()
    proxy._pyroRefresh()
    for name in "abc":
        studio.close(name)
    studio.open("a")
    assert proxy.shoot() == "a"


def test_a_new_server_gets_work_after_a_refresh(
    make: Callable[..., ReplicaProxy], studio: Studio
) -> None:
    proxy = make()
    assert proxy.name() in "abc"
    studio.open("d")
    assert "d" not in {proxy.name() for _ in range(8)}
    proxy._pyroRefresh()
    assert {proxy.name() for _ in range(4)} == {"a", "b", "c", "d"}


def test_a_server_that_is_not_registered_any_more_gets_no_work(
    make: Callable[..., ReplicaProxy], studio: Studio
) -> None:
    proxy = make()
    assert {proxy.name() for _ in range(3)} == {"a", "b", "c"}
    del studio.names.registered["b"]
    proxy._pyroRefresh()
    assert {proxy.name() for _ in range(6)} == {"a", "c"}


def test_without_the_name_server_calls_go_on_to_those_that_are_known(
    make: Callable[..., ReplicaProxy], studio: Studio
) -> None:
    proxy = make()
    proxy._pyroRefresh()
    studio.desk.stop()
    studio.close("a")
    assert {proxy.name() for _ in range(6)} == {"b", "c"}


def test_a_policy_of_the_program_says_how_often_calls_are_tried(
    studio: Studio,
) -> None:
    def die(peer: Peer) -> None:
        peer.admit()
        peer.receive()

    for name in "abc":
        studio.close(name)
    with ScriptedServer(die) as one, ScriptedServer(die) as other:
        studio.names.registered.clear()
        studio.add("one", one.uri)
        studio.add("other", other.uri)
        proxy = replicas(TAGGED, config=studio.config)
        proxy._pyroRetryPolicy = RetryPolicy(
            attempts=2, first_delay=0.0, idempotent=["add"]
        )
        with proxy, pytest.raises(ConnectionClosedError, match="before it answered"):
            proxy.add(1, 2)


def test_the_timeout_is_for_all_tries_together(
    make: Callable[..., ReplicaProxy], studio: Studio
) -> None:
    proxy = make()
    proxy._pyroBind()
    proxy._pyroTimeout = SHORT
    with pytest.raises(TimeoutError):
        proxy.expose_long()
    assert sum(one.entered.acquire(blocking=False) for one in studio.cameras.values())


def test_releasing_ends_all_connections_and_calls_make_new_ones(
    make: Callable[..., ReplicaProxy],
) -> None:
    proxy = make()
    assert {proxy.name() for _ in range(3)} == {"a", "b", "c"}
    proxy._pyroRelease()
    assert {one.connected for one in proxy._pyroCandidates} == {False}
    assert proxy._pyroConnection is None
    assert proxy.name() in "abc"
    proxy._pyroReconnect(1)
    assert proxy._pyroConnection is not None


# With a name server that can be watched


class WatchedStudio(Studio):
    """A studio whose name server can be watched, and is asked when need be only."""

    def __init__(self) -> None:
        super().__init__()
        self.desk.stop()
        self.desks = NameServers(2)
        self.registry = self.desks.registry
        self.config.NS_HOST = self.desks.addresses

    def add(self, name: str, uri: str | URI) -> None:
        """Register a URI with the tag of cameras."""
        super().add(name, uri)
        self.registry.put(name, str(uri), "camera")

    def close_desks(self) -> None:
        """Stop the name servers."""
        self.desks.close()

    @property
    def searches(self) -> int:
        """How often a name server was asked for cameras."""
        return sum(one.calls.count("yplookup") for one in self.desks.objects)


@pytest.fixture
def watched() -> Iterator[WatchedStudio]:
    """A studio with the cameras a, b and c, whose name server can be watched."""
    known_health.forget()
    standing.forget()
    studio = WatchedStudio()
    try:
        for name in "abc":
            studio.open(name)
        yield studio
    finally:
        for name in list(studio.hosts):
            studio.close(name)
        studio.close_desks()
        known_health.forget()
        standing.forget()


@pytest.fixture
def watching(watched: WatchedStudio) -> Iterator[ReplicaProxy]:
    """A proxy for the cameras of the studio that is told what happens."""
    proxy = replicas(TAGGED, "round_robin", config=watched.config)
    with proxy:
        assert {proxy.name() for _ in range(3)} == {"a", "b", "c"}
        yield proxy


def until(proxy: ReplicaProxy, names: str) -> None:
    """Make calls until they go to some servers, and to all of them."""
    deadline = time.monotonic() + DEADLINE
    while {proxy.name() for _ in names} != set(names):
        assert time.monotonic() < deadline


def watchers() -> list[threading.Thread]:
    """The threads that watch name servers."""
    return [one for one in threading.enumerate() if one.name == "pyro-client names"]


def test_a_server_that_is_registered_gets_work_at_once(
    watching: ReplicaProxy, watched: WatchedStudio
) -> None:
    watched.open("d")
    until(watching, "abcd")


def test_a_server_that_is_removed_or_loses_its_tag_gets_no_more_work(
    watching: ReplicaProxy, watched: WatchedStudio
) -> None:
    watched.registry.drop("b")
    until(watching, "ac")
    watched.registry.put("c", str(watched.uri("c")), "lamp")
    until(watching, "a")
    watched.add("c", watched.uri("c"))
    until(watching, "ac")


def test_nothing_is_asked_again_as_long_as_nothing_happens(
    watched: WatchedStudio,
) -> None:
    # Without the watch it would be asked before each call.
    with replicas(TAGGED, refresh=1e-9, config=watched.config) as proxy:
        proxy.name()
        before = watched.searches
        for _ in range(5):
            proxy.name()
        # What happens to others is no matter either.
        watched.registry.put("lamp", "PYRO:lamp@127.0.0.1:1", "lamp")
        watched.registry.drop("lamp")
        for _ in range(5):
            proxy.name()
        assert watched.searches == before


def test_a_name_that_leads_to_another_place_is_followed_at_once(
    watched: WatchedStudio,
) -> None:
    with replicas("PYRONAME:a", config=watched.config) as proxy:
        assert proxy.name() == "a"
        before = sum(len(one.calls) for one in watched.desks.objects)
        assert proxy.name() == "a"
        assert sum(len(one.calls) for one in watched.desks.objects) == before
        watched.add("a", watched.uri("b"))
        until(proxy, "b")


def test_names_that_lead_to_others_are_asked_for_now_and_then(
    watched: WatchedStudio,
) -> None:
    watched.add("d", "PYRONAME:e")
    watched.registry.put("e", str(watched.uri("a")))
    watched.registry.drop("a")
    with replicas(TAGGED, "round_robin", refresh=1e-9, config=watched.config) as proxy:
        until(proxy, "abc")
        watched.registry.put("e", str(watched.uri("b")))
        until(proxy, "bc")


def test_without_the_name_server_the_watched_go_on_too(
    watching: ReplicaProxy, watched: WatchedStudio
) -> None:
    watched.close_desks()
    watched.close("a")
    assert {watching.name() for _ in range(6)} == {"b", "c"}


def test_the_watch_goes_on_when_the_name_server_is_replaced(
    watching: ReplicaProxy, watched: WatchedStudio
) -> None:
    watched.desks.stop(0)
    watched.open("d")
    until(watching, "abcd")


def test_a_lost_history_is_made_good(
    watching: ReplicaProxy, watched: WatchedStudio
) -> None:
    watched.registry.forget()
    until(watching, "abc")
    watched.open("d")
    until(watching, "abcd")


def test_proxies_share_one_thread_that_ends_with_the_last_of_them(
    watched: WatchedStudio,
) -> None:
    before = set(watchers())
    proxies = [replicas(TAGGED, config=watched.config) for _ in range(3)]
    for proxy in proxies:
        proxy.name()
    (thread,) = set(watchers()) - before
    proxies[0]._pyroRelease()
    proxies.pop(0)
    assert thread.is_alive()
    proxies.clear()
    del proxy
    gc.collect()
    thread.join(DEADLINE)
    assert not thread.is_alive()


def test_a_released_proxy_watches_again_when_it_is_used(
    watching: ReplicaProxy, watched: WatchedStudio
) -> None:
    (thread,) = watchers()
    watching._pyroRelease()
    thread.join(DEADLINE)
    assert not watchers()
    assert watching.name() in "abc"
    watched.open("d")
    until(watching, "abcd")


def test_a_program_ends_though_a_proxy_is_still_told_what_happens(
    watched: WatchedStudio,
) -> None:
    code = (
        "from pyro_client import replicas\n"
        "from pyro_protocol import config\n"
        f"config.NS_HOST = {watched.config.NS_HOST!r}\n"
        f"proxy = replicas({TAGGED!r})\n"
        "print(proxy.name() in 'abc')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_a_name_server_that_cannot_be_watched_costs_no_thread(
    make: Callable[..., ReplicaProxy],
) -> None:
    proxy = make()
    assert proxy.name() in "abc"
    assert not watchers()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="has no processes of that kind")
def test_a_forked_child_leaves_the_watch_to_its_parent(
    watching: ReplicaProxy, watched: WatchedStudio
) -> None:
    child = os.fork()
    if child == 0:
        # What pytest would do at the end is not the child's.
        try:
            os._exit(0 if watching.name() in "abc" else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    watched.open("d")
    until(watching, "abcd")
