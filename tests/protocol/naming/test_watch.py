"""Watching names: nothing is missed, nothing comes twice, and it ends when told to."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol.errors import CommunicationError, NamingError, SecurityError
from pyro_protocol.naming import (
    AsyncNameServerClient,
    AsyncNameWatch,
    NameChange,
    NameServerClient,
    NameWatch,
)
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_protocol.config import Configuration
    from support.changing_names import NameServers

PRINTER = "PYRO:printer@example.com:4444"


def seen(changes: list[NameChange]) -> list[tuple[str, str]]:
    return [(change.kind, change.name) for change in changes]


class Blocking:
    """A blocking client, with what tests do."""

    def __init__(self, uris: Any, settings: Configuration) -> None:
        first, *others = uris
        self.client = NameServerClient(first, others=others, config=settings)

    def watch(self, **options: Any) -> Any:
        return self.client.watch(**options)

    def take(self, watch: NameWatch, count: int) -> list[NameChange]:
        return [next(watch) for _ in range(count)]

    def end(self, watch: NameWatch) -> None:
        watch.close()

    def close(self) -> None:
        self.client._pyroRelease()


class Looping:
    """An asyncio client in a loop of its own, with the same."""

    def __init__(self, uris: Any, settings: Configuration) -> None:
        self.runner = asyncio.Runner()
        first, *others = uris

        async def make() -> AsyncNameServerClient:
            return AsyncNameServerClient(first, others=others, config=settings)

        self.client = self.runner.run(make())

    def watch(self, **options: Any) -> Any:
        async def begin() -> AsyncNameWatch:
            watch = self.client.watch(**options)
            await watch.begin()
            return watch

        return self.runner.run(begin())

    def take(self, watch: AsyncNameWatch, count: int) -> list[NameChange]:
        async def take() -> list[NameChange]:
            return [await anext(watch) for _ in range(count)]

        return self.runner.run(take())

    def end(self, watch: AsyncNameWatch) -> None:
        self.runner.run(watch.aclose())

    def close(self) -> None:
        self.runner.run(self.client.aclose())
        self.runner.close()


Watcher = Blocking | Looping


@pytest.fixture(params=[Blocking, Looping], ids=["blocking", "asyncio"])
def make(
    request: pytest.FixtureRequest, servers: NameServers, settings: Configuration
) -> Iterator[Callable[..., Watcher]]:
    """Makes clients of as many of the name servers as wanted."""
    made: list[Watcher] = []

    def make(count: int = 1) -> Watcher:
        made.append(request.param(servers.uris[:count], settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_changes_from_now_on_are_seen(
    make: Callable[..., Watcher], servers: NameServers
) -> None:
    client, registry = make(), servers.registry
    registry.put("lab.before", PRINTER)
    watch = client.watch(prefix="lab.")
    registry.put("lab.printer", PRINTER, "laser", owner="alice")
    registry.put("other", PRINTER)
    registry.put("lab.printer", PRINTER)
    registry.drop("lab.printer")
    assert client.take(watch, 3) == [
        NameChange(
            "added", "lab.printer", PRINTER, frozenset({"laser"}), "alice", position="2"
        ),
        NameChange("changed", "lab.printer", PRINTER, position="4"),
        NameChange("removed", "lab.printer", position="5"),
    ]
    client.end(watch)


def test_it_waits_for_what_happens_and_holds_up_nobody(
    make: Callable[..., Watcher], servers: NameServers
) -> None:
    client, registry = make(), servers.registry
    watch = client.watch()
    found: list[NameChange] = []
    thread = threading.Thread(target=lambda: found.extend(client.take(watch, 1)))
    thread.start()
    assert registry.watching.acquire(timeout=DEADLINE)
    if isinstance(client, Blocking):
        client.client.ping()
    registry.put("printer", PRINTER)
    thread.join(DEADLINE)
    assert seen(found) == [("added", "printer")]
    client.end(watch)


def test_what_is_registered_already_can_come_first(
    make: Callable[..., Watcher], servers: NameServers
) -> None:
    client, registry = make(), servers.registry
    for number in range(1500):
        registry.put(f"lab.{number:04}", PRINTER)
    watch = client.watch(prefix="lab.", existing=True)
    # In the midst of the listing.
    registry.drop("lab.0000")
    registry.put("lab.new", PRINTER, "laser")
    known = client.take(watch, 1500)
    assert {change.kind for change in known} == {"known"}
    assert [change.name for change in known[:2]] == ["lab.0001", "lab.0002"]
    assert known[-1] == NameChange(
        "known", "lab.new", PRINTER, frozenset({"laser"}), position="1502"
    )
    registry.drop("lab.new")
    assert seen(client.take(watch, 1)) == [("removed", "lab.new")]
    client.end(watch)


def test_another_watch_goes_on_where_one_was(
    make: Callable[..., Watcher], servers: NameServers
) -> None:
    client, registry = make(), servers.registry
    watch = client.watch()
    for name in "abc":
        registry.put(name, PRINTER)
    (first,) = client.take(watch, 1)
    assert watch.position == first.position == "1"
    client.end(watch)
    registry.put("d", PRINTER)
    watch = client.watch(after=first.position)
    assert seen(client.take(watch, 3)) == [("added", name) for name in "bcd"]
    assert watch.position == "4"
    client.end(watch)


def test_nothing_is_missed_and_nothing_comes_twice_across_a_restart(
    make: Callable[..., Watcher], servers: NameServers
) -> None:
    client, registry = make(), servers.registry
    watch = client.watch()
    registry.put("0", PRINTER)
    assert seen(client.take(watch, 1)) == [("added", "0")]
    found: list[NameChange] = []
    thread = threading.Thread(target=lambda: found.extend(client.take(watch, 30)))
    thread.start()
    for number in range(1, 31):
        registry.put(str(number), PRINTER)
        if number % 10 == 5:
            servers.stop(0)
        if number % 10 == 8:
            servers.start(0)
    thread.join(DEADLINE)
    assert seen(found) == [("added", str(number)) for number in range(1, 31)]
    client.end(watch)


def test_it_goes_on_at_the_next_name_server(
    make: Callable[..., Watcher], servers: NameServers
) -> None:
    client, registry = make(3), servers.registry
    watch = client.watch()
    for number in range(3):
        registry.put(str(number), PRINTER)
        assert seen(client.take(watch, 1)) == [("added", str(number))]
        assert watch.current
        if number < 2:
            servers.stop(number)
    client.end(watch)
    assert not watch.current


def test_a_lost_history_is_a_naming_error(
    make: Callable[..., Watcher], servers: NameServers
) -> None:
    client = make()
    watch = client.watch()
    servers.registry.put("printer", PRINTER)
    servers.registry.forget()
    with pytest.raises(NamingError, match="history lost"):
        client.take(watch, 1)
    with pytest.raises((StopIteration, StopAsyncIteration, RuntimeError)):
        client.take(watch, 1)
    with pytest.raises(NamingError, match="history lost"):
        client.watch(after="0")


def test_a_lost_history_is_told_and_begins_anew_where_that_is_wanted(
    make: Callable[..., Watcher], servers: NameServers
) -> None:
    client, registry = make(), servers.registry
    registry.put("a", PRINTER)
    watch = client.watch(existing=True)
    assert seen(client.take(watch, 1)) == [("known", "a")]
    registry.drop("a")
    registry.put("b", PRINTER)
    registry.forget()
    registry.put("c", PRINTER)
    changes = client.take(watch, 3)
    assert seen(changes) == [("lost", ""), ("known", "b"), ("known", "c")]
    client.end(watch)


def test_a_position_and_what_exists_do_not_go_together(
    make: Callable[..., Watcher],
) -> None:
    client = make()
    with pytest.raises(ValueError, match="one of them"):
        client.watch(after="1", existing=True)


def test_nobody_there_at_first_is_a_communication_error(
    make: Callable[..., Watcher], servers: NameServers
) -> None:
    servers.close()
    client = make(2)
    with pytest.raises(CommunicationError, match="cannot connect"):
        client.watch()


def test_a_name_server_that_goes_on_to_refuse_is_given_up(
    make: Callable[..., Watcher],
    servers: NameServers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused = threading.Semaphore(0)

    def fail(*_args: object) -> None:
        refused.release()
        raise NamingError("the engine is being restarted")

    client = make()
    watch = client.watch()
    monkeypatch.setattr(servers.objects[0], "_since", fail)
    errors: list[BaseException] = []

    def take() -> None:
        try:
            client.take(watch, 1)
        except NamingError as error:
            errors.append(error)

    thread = threading.Thread(target=take)
    thread.start()
    # It is asked again.
    assert all(refused.acquire(timeout=DEADLINE) for _ in range(3))
    monkeypatch.setattr("pyro_protocol.naming.watching._REFUSING_SECONDS", 0.0)
    thread.join(DEADLINE)
    assert "restarted" in str(errors[0])
    client.end(watch)


def test_a_refusal_by_a_restarted_name_server_ends_it(
    make: Callable[..., Watcher], servers: NameServers
) -> None:
    def refuse(_client: object, _handshake: object) -> None:
        raise SecurityError("authentication failed")

    client = make()
    watch = client.watch()
    servers.stop(0)
    servers.options["validate_handshake"] = refuse
    servers.start(0)
    with pytest.raises(SecurityError, match="authentication failed"):
        client.take(watch, 1)


# Ending it


def wait_until_alone(servers: NameServers) -> None:
    host = servers.hosts[0]
    assert host is not None
    host.wait_for_client_gone()
    assert host.connection_count == 0


def test_closing_it_ends_a_thread_that_waits(
    servers: NameServers, settings: Configuration
) -> None:
    with NameServerClient(servers.uris[0], config=settings) as client:
        watch = client.watch()
        found: list[NameChange] = []
        thread = threading.Thread(target=lambda: found.extend(watch))
        thread.start()
        assert servers.registry.watching.acquire(timeout=DEADLINE)
        watch.close()
        thread.join(DEADLINE)
        assert not thread.is_alive()
        assert found == []
        assert list(watch) == []
        wait_until_alone(servers)


def test_a_block_that_is_left_ends_it(
    servers: NameServers, settings: Configuration
) -> None:
    client = NameServerClient(servers.uris[0], config=settings)
    with client.watch() as watch:
        servers.registry.put("printer", PRINTER)
        for change in watch:
            assert change.name == "printer"
            break
    wait_until_alone(servers)


def test_one_that_is_forgotten_disconnects(
    servers: NameServers, settings: Configuration
) -> None:
    client = NameServerClient(servers.uris[0], config=settings)
    servers.registry.put("printer", PRINTER)
    for _change in client.watch(existing=True):
        break
    gc.collect()
    wait_until_alone(servers)


def test_an_asyncio_watch_ends_with_its_block_or_when_it_is_forgotten(
    servers: NameServers, settings: Configuration
) -> None:
    async def use() -> None:
        client = AsyncNameServerClient(servers.uris[0], config=settings)
        servers.registry.put("printer", PRINTER)
        async with client.watch(existing=True) as watch:
            async for change in watch:
                assert change.kind == "known"
                break
        await asyncio.to_thread(wait_until_alone, servers)
        async for _change in client.watch(existing=True):
            break
        gc.collect()
        await asyncio.to_thread(wait_until_alone, servers)

    asyncio.run(use())


def test_an_asyncio_watch_can_be_closed_while_a_task_waits(
    servers: NameServers, settings: Configuration
) -> None:
    async def use() -> None:
        client = AsyncNameServerClient(servers.uris[0], config=settings)
        watch = client.watch()

        async def collect() -> list[NameChange]:
            return [change async for change in watch]

        task = asyncio.create_task(collect())
        await asyncio.to_thread(servers.registry.watching.acquire, timeout=DEADLINE)
        await watch.aclose()
        assert await task == []

    asyncio.run(use())


def test_a_cancelled_watch_disconnects_and_misses_nothing_if_it_goes_on(
    servers: NameServers, settings: Configuration
) -> None:
    async def use() -> None:
        client = AsyncNameServerClient(servers.uris[0], config=settings)
        watch = client.watch()
        task = asyncio.create_task(anext(watch))
        await asyncio.to_thread(servers.registry.watching.acquire, timeout=DEADLINE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(wait_until_alone, servers)
        servers.registry.put("printer", PRINTER)
        assert (await anext(watch)).name == "printer"
        await watch.aclose()

    asyncio.run(use())
