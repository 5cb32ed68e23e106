"""What our name servers can do beyond Pyro5's: leases, owners, details, pages."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol.errors import NamingError, RemoteProtocolError
from pyro_protocol.naming import (
    AsyncNameServerClient,
    NameEntry,
    NameServerClient,
    operations,
)
from pyro_protocol.uri import URI
from support.scripted import Peer, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_protocol.config import Configuration
    from support.changing_names import NameServers
    from support.hosting import HostThread
    from support.names import Names

PRINTER = "PYRO:printer@example.com:4444"
NEW = ("renew", "describe", "entries", "position", "changes")


@pytest.fixture
def client(servers: NameServers, settings: Configuration) -> Iterator[NameServerClient]:
    with NameServerClient(servers.uris[0], config=settings) as client:
        yield client


def test_leases_and_owners_travel(
    client: NameServerClient, servers: NameServers
) -> None:
    client.register("printer", PRINTER, ttl=60, owner="alice", metadata=["laser"])
    client.set_metadata("printer", ["colour"], owner="alice")
    assert client.renew("printer", "alice") == []
    assert client.renew(("printer", "scanner"), owner="alice") == ["scanner"]
    client.register("printer", PRINTER, force=True)
    assert client.remove("printer", force=True) == 1
    assert servers.objects[0].calls == [
        "register printer 60 alice False",
        "set_metadata printer alice False",
        "renew alice",
        "renew alice",
        "register printer None None True",
        "remove printer None True",
    ]


def test_a_name_is_described(client: NameServerClient, servers: NameServers) -> None:
    servers.registry.put("printer", PRINTER, "laser", owner="alice")
    assert client.describe("printer") == NameEntry(
        "printer", PRINTER, frozenset({"laser"}), "alice", 0.0, 1.5, None
    )
    with pytest.raises(NamingError, match="unknown name"):
        client.describe("scanner")


def test_2500_entries_come_page_by_page_and_in_order(
    client: NameServerClient, servers: NameServers
) -> None:
    names = [f"lab.{number:04}" for number in range(2500)]
    for name in reversed(names):
        servers.registry.put(name, PRINTER)
    servers.registry.put("other", PRINTER)
    assert [one.name for one in client.entries("lab.")] == names
    assert servers.objects[0].calls == [
        "entries ",
        "entries lab.0999",
        "entries lab.1999",
    ]
    first = client.entries(page_size=10)
    assert next(first).name == names[0]
    assert len(servers.objects[0].calls) == 4


def test_2500_entries_come_in_a_loop_too(
    servers: NameServers, settings: Configuration
) -> None:
    for number in range(2500):
        servers.registry.put(f"{number:04}", PRINTER, "even" if number % 2 else "odd")

    async def use() -> None:
        uri = servers.uris[0]
        async with AsyncNameServerClient(uri, config=settings) as client:
            found = [one.name async for one in client.entries()]
            assert found == [f"{number:04}" for number in range(2500)]
            odd = [one.name async for one in client.entries(meta_all=["odd"])]
            assert len(odd) == 1250
            await client.register("x", PRINTER, ttl=5.0, owner="bob")
            await client.set_metadata("x", ["y"], owner="bob")
            assert await client.renew(["x", "gone"], "bob") == ["gone"]
            assert (await client.describe("x")).metadata == {"y"}
            assert await client.remove("x", owner="bob") == 1

    asyncio.run(use())


def test_paging_goes_on_at_another_name_server(
    servers: NameServers, settings: Configuration
) -> None:
    for number in range(30):
        servers.registry.put(f"{number:02}", PRINTER)
    first, *others = servers.uris
    with NameServerClient(first, others=others, config=settings) as client:
        found = client.entries(page_size=10)
        names = [next(found).name]
        servers.stop(0)
        names += [one.name for one in found]
    assert names == [f"{number:02}" for number in range(30)]


# With name servers like Pyro5's


@pytest.mark.parametrize(
    "use",
    [
        lambda client: client.register("printer", PRINTER, ttl=60),
        lambda client: client.register("printer", PRINTER, owner="alice"),
        lambda client: client.register("printer", PRINTER, force=True),
        lambda client: client.set_metadata("printer", [], force=True),
        lambda client: client.remove("printer", owner="alice"),
        lambda client: client.renew("printer"),
        lambda client: client.describe("printer"),
        lambda client: list(client.entries()),
        lambda client: client.watch(),
        lambda client: client.watch(existing=True),
        lambda client: client.watch(after="1"),
    ],
    ids=[
        "ttl",
        "owner",
        "force",
        "set metadata",
        "remove",
        "renew",
        "describe",
        "entries",
        "watch",
        "watch existing",
        "watch after",
    ],
)
def test_what_pyro5s_cannot_do_is_a_naming_error_and_nothing_is_sent(
    use: Callable[[NameServerClient], object],
    host: HostThread,
    names: Names,
    settings: Configuration,
) -> None:
    uri = f"PYRO:Pyro.NameServer@{host.location}"
    with NameServerClient(uri, config=settings) as client:
        with pytest.raises(NamingError, match="this name server knows no "):
            use(client)
        assert names.calls == []
        client.ping()


def test_pyro5s_own_name_server_is_told_from_ours(
    pyro5_name_server: str, settings: Configuration
) -> None:
    uri = f"PYRO:Pyro.NameServer@{pyro5_name_server}"
    with NameServerClient(uri, config=settings) as client:
        with pytest.raises(NamingError, match="no watching"):
            client.watch()
        with pytest.raises(NamingError, match="no leases"):
            client.register("printer", PRINTER, ttl=60)
        with pytest.raises(NamingError, match="unknown name"):
            client.lookup("printer")


def test_plain_calls_have_no_more_arguments_than_pyro5s_take(
    settings: Configuration,
) -> None:
    calls: list[Any] = []

    def note(peer: Peer) -> None:
        peer.admit(methods=[*NEW, "register", "set_metadata", "remove"])
        for answer in (None, None, 0):
            request = peer.receive()
            calls.append(peer.call_of(request)[1:])
            peer.answer(request, answer)

    with (
        ScriptedServer(note) as server,
        NameServerClient(server.uri, config=settings) as client,
    ):
        client.register("printer", PRINTER, metadata=["b", "a"])
        client.set_metadata("printer", None)
        client.remove("printer")
    assert [(method, list(args), kwargs) for method, args, kwargs in calls] == [
        ("register", ["printer", PRINTER, False, ["a", "b"]], {}),
        ("set_metadata", ["printer", []], {}),
        ("remove", ["printer", None, None], {}),
    ]


# Name servers that answer nonsense

NONSENSE: list[Any] = [
    None,
    5,
    "",
    "nonsense",
    [],
    {},
    [[1], {}],
    {"entries": "x", "next": ""},
    {"entries": [], "next": "again"},
    {"entries": [{"name": 1}], "next": ""},
    {"changes": {}, "position": "1"},
    {"changes": [{}], "position": "1"},
    {"changes": [], "position": 1},
    {"name": "x", "uri": 5},
]


def babbling(answer: object) -> Callable[[Peer], None]:
    """Return a script that gives an answer to whatever is asked."""

    def script(peer: Peer) -> None:
        peer.admit(methods=NEW)
        try:
            while True:
                peer.answer(peer.receive(), answer)
        except (EOFError, ConnectionError):
            return

    return script


@pytest.mark.parametrize("answer", NONSENSE, ids=repr)
def test_nonsense_is_a_protocol_error(answer: object, settings: Configuration) -> None:
    def expect(use: Callable[[], object], *harmless: object) -> None:
        if answer not in harmless:
            with pytest.raises(RemoteProtocolError, match="makes no sense"):
                use()

    with (
        ScriptedServer(babbling(answer)) as server,
        NameServerClient(server.uri, config=settings) as client,
    ):
        expect(lambda: client.renew(["x"]), [])
        expect(lambda: client.describe("x"))
        expect(lambda: list(client.entries()))
    with (
        ScriptedServer(babbling(answer)) as server,
        NameServerClient(server.uri, config=settings) as client,
    ):
        expect(lambda: next(client.watch(after="1")))
    with (
        ScriptedServer(babbling(answer)) as server,
        NameServerClient(server.uri, config=settings) as client,
    ):
        # Any text may be a position; what comes after that is nonsense.
        expect(lambda: next(client.watch()))
    with (
        ScriptedServer(babbling(answer)) as server,
        NameServerClient(server.uri, config=settings) as client,
    ):
        expect(lambda: next(client.watch(existing=True)))


@pytest.mark.parametrize("answer", NONSENSE, ids=repr)
def test_nonsense_is_a_protocol_error_in_a_loop_too(
    answer: object, settings: Configuration
) -> None:
    async def use(uri: str) -> None:
        async with (
            AsyncNameServerClient(uri, config=settings) as client,
            asyncio.timeout(20),
        ):
            with pytest.raises(RemoteProtocolError, match="makes no sense"):
                await anext(client.watch())

    with ScriptedServer(babbling(answer)) as server:
        asyncio.run(use(server.uri))


def test_a_name_server_that_never_waits_is_not_asked_all_the_time(
    settings: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyro_protocol.naming.watching._QUICK_SECONDS", 1e9)
    asked = threading.Semaphore(0)

    def hasty(peer: Peer) -> None:
        peer.admit(methods=NEW)
        try:
            peer.answer(peer.receive(), "1")
            while True:
                request = peer.receive()
                asked.release()
                peer.answer(request, {"changes": [], "position": "1"})
        except (EOFError, ConnectionError):
            return

    with (
        ScriptedServer(hasty) as server,
        NameServerClient(server.uri, config=settings) as client,
    ):
        watch = client.watch()
        thread = threading.Thread(target=list, args=(watch,))
        thread.start()
        assert asked.acquire(timeout=20)
        assert not asked.acquire(timeout=0.2)
        watch.close()
        thread.join(20)
        assert not thread.is_alive()


def test_a_look_up_takes_the_quick_way_where_there_is_one() -> None:
    operation = operations.find("lab.lamp")
    assert operation.method_of({"lookup", "locate"}) == "locate"
    assert operation.method_of({"lookup"}) == "lookup"
    assert operation.result("PYRO:lamp@lab1:9100") == URI("PYRO:lamp@lab1:9100")
    assert operations.ping().method_of({"locate"}) == "ping"
