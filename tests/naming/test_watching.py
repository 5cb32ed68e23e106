"""Following what happens to names."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from pyro_naming import (
    AsyncNameServerDaemon,
    MemoryStorage,
    NameServer,
    NameServerDaemon,
)
from pyro_protocol import Configuration
from pyro_protocol.errors import NamingError
from support.daemons import eventually
from support.hosting import DEADLINE
from support.storages import STORAGES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyro_naming import Storage

Proxy = pytest.importorskip("pyro_client").Proxy

A = "PYRO:a@h:1"
B = "PYRO:b@h:1"
SERVER = "Pyro.NameServer"


class Shared(MemoryStorage):
    """A storage that is used as if it were on another machine."""

    networked = True


@pytest.fixture(params=[*STORAGES, "shared"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    kind = STORAGES.get(request.param)
    storage = Shared() if kind is None else kind.open(tmp_path, 10_000)
    yield storage
    storage.close()


@pytest.fixture
def config() -> Configuration:
    return Configuration(use_environment=False)


@pytest.fixture
def daemon(storage: Storage, config: Configuration) -> Iterator[NameServerDaemon]:
    inner = AsyncNameServerDaemon("127.0.0.1", 0, storage=storage, config=config)
    with NameServerDaemon(inner, config=config) as daemon:
        yield daemon


@pytest.fixture
def names(daemon: NameServerDaemon) -> Iterator[Any]:
    with Proxy(daemon.uriFor(SERVER)) as names:
        yield names


def kinds(changes: Any) -> list[tuple[str, str]]:
    return [(one["kind"], one["name"]) for one in changes]


def test_changes_are_told_from_a_position_on(names: Any) -> None:
    start = names.position()
    names.register("x", A, metadata=["b", "a"], ttl=60, owner="me")
    names.register("x", A, metadata=["b", "a"], ttl=60, owner="me")
    names.register("x", B, owner="me")
    names.remove("x", owner="me")
    answer = names.changes(start)
    assert kinds(answer["changes"]) == [
        ("added", "x"),
        ("changed", "x"),
        ("removed", "x"),
    ]
    assert answer["changes"][0] == {
        "kind": "added",
        "name": "x",
        "uri": A,
        "metadata": ["a", "b"],
        "owner": "me",
        "ttl": 60.0,
        "position": answer["changes"][0]["position"],
    }
    assert set(answer["changes"][2]) == {"kind", "name", "position"}
    assert answer["position"] == answer["changes"][2]["position"]
    assert names.changes(answer["position"])["changes"] == []
    again = names.changes(answer["changes"][0]["position"])
    assert again["changes"] == answer["changes"][1:]


def test_changes_of_other_names_are_passed_over(names: Any) -> None:
    start = names.position()
    for name in ("a.1", "b.1", "a.2", "b.2"):
        names.register(name, A)
    answer = names.changes(start, "b.")
    assert kinds(answer["changes"]) == [("added", "b.1"), ("added", "b.2")]
    nothing = names.changes(start, "c.")
    assert nothing["changes"] == []
    assert names.changes(nothing["position"])["changes"] == []


def test_many_changes_come_a_few_at_a_time(names: Any) -> None:
    position = names.position()
    for number in range(7):
        names.register(str(number), A)
    seen = []
    while found := names.changes(position, limit=3):
        if not found["changes"]:
            break
        assert len(found["changes"]) <= 3
        seen += [one["name"] for one in found["changes"]]
        position = found["position"]
    assert seen == list("0123456")


def test_one_can_wait_for_the_first_change(
    daemon: NameServerDaemon, names: Any
) -> None:
    start = names.position()
    with ThreadPoolExecutor(1) as thread, Proxy(daemon.uriFor(SERVER)) as other:
        waiting = thread.submit(lambda: names.changes(start, "x", 60.0))
        other.register("other", A)
        other.register("x", A)
        assert kinds(waiting.result(DEADLINE)["changes"]) == [("added", "x")]


def test_what_the_program_registers_itself_is_told_too(
    daemon: NameServerDaemon, names: Any
) -> None:
    watch = names.watch("x")
    daemon.nameserver.register("x", A)
    assert next(watch)["name"] == "x"


def test_a_remote_generator_gives_one_change_after_the_other(
    daemon: NameServerDaemon, names: Any
) -> None:
    names.register("x.old", A)
    with Proxy(daemon.uriFor(SERVER)) as other:
        watch = other.watch("x.", existing=True)
        known = next(watch)
        assert kinds([known]) == [("known", "x.old")]
        names.register("x.1", A)
        names.register("y", A)
        names.register("x.2", A)
        names.remove("x.1")
        found = [next(watch) for _ in range(3)]
        assert kinds(found) == [
            ("added", "x.1"),
            ("added", "x.2"),
            ("removed", "x.1"),
        ]
        resumed = other.watch("x.", after=found[0]["position"])
        assert [next(resumed) for _ in range(2)] == found[1:]
        after_all_known = other.watch("x.", after=known["position"])
        assert next(after_all_known) == found[0]


def test_the_program_itself_can_watch(daemon: NameServerDaemon) -> None:
    names = daemon.nameserver
    names.register("old", A)
    changes = names.watch("o", existing=True)
    names.register("other", A)
    assert kinds([next(changes), next(changes)]) == [
        ("known", "old"),
        ("known", "other"),
    ]
    names.remove("other")
    assert ("removed", "other") in kinds([next(changes), next(changes)])


def test_nothing_is_lost_between_what_is_there_and_what_happens(
    daemon: NameServerDaemon, names: Any
) -> None:
    done = threading.Event()

    def register() -> None:
        with Proxy(daemon.uriFor(SERVER)) as writer:
            for number in range(300):
                writer.register(f"x.{number}", A)
        done.set()

    wanted = {f"x.{number}" for number in range(300)}
    with ThreadPoolExecutor(1) as thread:
        thread.submit(register)
        seen: set[str] = set()
        for change in names.watch("x.", existing=True):
            seen.add(change["name"])
            if seen == wanted:
                break
    assert done.wait(DEADLINE)


def test_many_may_watch_at_once_without_a_thread_each(daemon: NameServerDaemon) -> None:
    with ExitStack() as stack, ThreadPoolExecutor(60) as threads:
        proxies = [stack.enter_context(Proxy(daemon.uriFor(SERVER))) for _ in range(61)]
        watches = [proxy.watch("x") for proxy in proxies[1:]]
        before = threading.active_count()
        waiting = [threads.submit(lambda w=watch: next(w)) for watch in watches]  # type: ignore[misc]
        proxies[0].register("x", A)
        found = [one.result(DEADLINE) for one in waiting]
        # The pool of this test, one thread for changes, those for a slow storage.
        assert threading.active_count() - before <= 60 + 1 + 32
    assert len({one["position"] for one in found}) == 1


def test_no_more_than_allowed_may_watch(
    daemon: NameServerDaemon, config: Configuration
) -> None:
    config.MAX_WATCHERS = 2
    inner = AsyncNameServerDaemon("127.0.0.1", 0, config=config)
    with (
        NameServerDaemon(inner, config=config) as small,
        ExitStack() as stack,
    ):
        proxies = [stack.enter_context(Proxy(small.uriFor(SERVER))) for _ in range(3)]
        watches = [proxy.watch(existing=True) for proxy in proxies]
        for watch in watches[:2]:
            assert next(watch)["kind"] == "known"
        with pytest.raises(NamingError, match="MAX_WATCHERS"):
            next(watches[2])
        with pytest.raises(NamingError, match="MAX_WATCHERS"):
            proxies[2].changes(proxies[2].position(), wait=60.0)
        watches[0].close()
        again = proxies[2].watch(existing=True)
        assert next(again)["kind"] == "known"


def test_a_lost_history_is_told(names: Any, config: Configuration) -> None:
    for position in ("", "nonsense", "1-1", "\0", "9" * 100):
        with pytest.raises(NamingError, match=r"^history lost"):
            names.changes(position)
        with pytest.raises(NamingError, match=r"^history lost"):
            names.changes(position, wait=60.0)
        with pytest.raises(NamingError, match=r"^history lost"):
            next(names.watch(after=position))


def test_a_history_that_was_too_long_ago_is_lost(config: Configuration) -> None:
    storage = MemoryStorage(history=10)
    inner = AsyncNameServerDaemon("127.0.0.1", 0, storage=storage, config=config)
    with (
        NameServerDaemon(inner, config=config) as daemon,
        Proxy(daemon.uriFor(SERVER)) as names,
    ):
        start = names.position()
        for number in range(10):
            names.register(f"x.{number}", A)
        assert len(names.changes(start)["changes"]) == 10
        names.remove("x.0")
        with pytest.raises(NamingError, match=r"^history lost"):
            names.changes(start, wait=60.0)


def test_watchers_come_to_an_end_with_the_name_server(
    storage: Storage, config: Configuration
) -> None:
    inner = AsyncNameServerDaemon("127.0.0.1", 0, storage=storage, config=config)
    with (
        NameServerDaemon(inner, config=config) as daemon,
        Proxy(daemon.uriFor(SERVER)) as one,
        Proxy(daemon.uriFor(SERVER)) as two,
        ThreadPoolExecutor(3) as threads,
    ):
        start = one.position()
        two._pyroBind()
        own = daemon.nameserver.watch("x")
        waiting = [
            threads.submit(lambda: list(one.watch("x"))),
            threads.submit(lambda: two.changes(start, "x", 60.0)["changes"]),
            threads.submit(lambda: list(own)),
        ]
        published: Any = inner._published
        eventually(lambda: published.watchers == 2)
        daemon.close()
        assert [one.result(DEADLINE) for one in waiting] == [[], [], []]


def test_the_thread_ends_some_time_after_the_last_watcher(
    config: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyro_naming.feed._IDLE_SECONDS", 0.0)

    before = set(threading.enumerate())

    def following() -> list[threading.Thread]:
        return [
            thread
            for thread in threading.enumerate()
            if thread.name == "pyro name server changes" and thread not in before
        ]

    async def run() -> None:
        from pyro_naming.asyncio_name_server import AsyncNameServer

        names = AsyncNameServer(MemoryStorage(), config=config)
        names.register("x", A)
        for _ in range(2):
            watch: Any = names.watch(existing=True)
            assert (await anext(watch))["name"] == "x"
            (thread,) = following()
            await watch.aclose()
            await asyncio.to_thread(thread.join, DEADLINE)
            assert following() == []
        names.close()

    asyncio.run(run())


def test_a_plain_name_server_waits_in_the_thread_that_asks() -> None:
    names = NameServer(MemoryStorage())
    start = names.position()
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(names.changes, start, "x", 60.0)
        names.register("y", A)
        names.register("x", A)
        assert kinds(waiting.result(DEADLINE)["changes"]) == [("added", "x")]
