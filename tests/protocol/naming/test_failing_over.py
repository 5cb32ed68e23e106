"""Several name servers that answer alike: what happens when one of them dies."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import URI
from pyro_protocol.errors import (
    CommunicationError,
    ConnectionClosedError,
    DaemonError,
    NamingError,
    SecurityError,
    ServerBusyError,
)
from pyro_protocol.naming import (
    AsyncNameServerClient,
    NameServerClient,
    locate_ns,
    locate_ns_async,
    resolve,
    resolve_all,
    resolve_all_async,
    resolve_async,
)
from pyro_protocol.naming.standing import standing
from pyro_protocol.wire import FLAG_EXCEPTION
from support.hosting import HostThread
from support.names import Names
from support.responder import Responder
from support.scripted import Peer, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_protocol.config import Configuration
    from support.changing_names import NameServers

PRINTER = "PYRO:printer@example.com:4444"


class Blocking:
    """A blocking client, with what tests call."""

    def __init__(self, client: NameServerClient) -> None:
        self.client = client

    def do(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.client, method)(*args, **kwargs)

    def close(self) -> None:
        self.client._pyroRelease()


class Looping:
    """An asyncio client in a loop of its own, with the same."""

    def __init__(self, client: Callable[[], AsyncNameServerClient]) -> None:
        self.runner = asyncio.Runner()
        self.client = self.runner.run(self.made(client))

    async def made(
        self, client: Callable[[], AsyncNameServerClient]
    ) -> AsyncNameServerClient:
        return client()

    def do(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self.runner.run(getattr(self.client, method)(*args, **kwargs))

    def close(self) -> None:
        self.runner.run(self.client.aclose())
        self.runner.close()


Client = Blocking | Looping


@pytest.fixture(params=["blocking", "asyncio"])
def make(
    request: pytest.FixtureRequest, settings: Configuration
) -> Iterator[Callable[..., Client]]:
    """Makes clients of several name servers."""
    made: list[Client] = []

    def make(uri: str | URI, *others: str | URI) -> Client:
        client: Client
        if request.param == "blocking":
            client = Blocking(NameServerClient(uri, others=others, config=settings))
        else:
            client = Looping(
                lambda: AsyncNameServerClient(uri, others=others, config=settings)
            )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


def dying(peer: Peer) -> None:
    """Answer one call, take another, and close the connection."""
    peer.admit()
    peer.answer(peer.receive(), None)
    peer.receive()


def test_the_first_is_asked_as_long_as_it_lives(
    make: Callable[..., Client], servers: NameServers
) -> None:
    client = make(*servers.uris)
    for _ in range(5):
        client.do("ping")
    assert [one.calls for one in servers.objects] == [["ping"] * 5, [], []]


def test_the_next_is_asked_when_one_dies_between_calls(
    make: Callable[..., Client], servers: NameServers
) -> None:
    client = make(*servers.uris)
    client.do("ping")
    servers.stop(0)
    client.do("register", "printer", PRINTER)
    assert client.do("lookup", "printer") == URI(PRINTER)
    servers.stop(1)
    assert client.do("lookup", "printer") == URI(PRINTER)
    assert servers.objects[2].calls == ["lookup printer"]


def test_a_repeatable_call_is_repeated_elsewhere_when_one_dies_during_it(
    make: Callable[..., Client], servers: NameServers
) -> None:
    servers.registry.put("printer", PRINTER)
    with ScriptedServer(dying) as server:
        client = make(server.uri, *servers.uris)
        client.do("ping")
        assert client.do("lookup", "printer") == URI(PRINTER)
    assert servers.objects[0].calls == ["lookup printer"]


def test_a_call_that_may_have_been_run_is_repeated_nowhere(
    make: Callable[..., Client], servers: NameServers
) -> None:
    with ScriptedServer(dying) as server:
        client = make(server.uri, *servers.uris)
        client.do("ping")
        with pytest.raises(ConnectionClosedError) as caught:
            client.do("remove", "printer")
        assert caught.value.outcome == "unknown"
        assert client.do("remove", "printer") == 0
    assert servers.objects[0].calls == ["remove printer None False"]


def test_each_is_tried_once_when_all_die_during_a_call(
    make: Callable[..., Client],
) -> None:
    def deaf(peer: Peer) -> None:
        peer.admit()
        peer.receive()

    with ScriptedServer(deaf) as one, ScriptedServer(deaf) as other:
        client = make(one.uri, other.uri)
        with pytest.raises(ConnectionClosedError):
            client.do("count")


def test_none_alive_is_a_communication_error(
    make: Callable[..., Client], servers: NameServers
) -> None:
    servers.close()
    client = make(*servers.uris)
    with pytest.raises(CommunicationError, match="cannot connect") as caught:
        client.do("remove", "printer")
    assert caught.value.outcome == "not_sent"


def test_one_that_does_not_answer_the_handshake_is_passed_over(
    make: Callable[..., Client],
    servers: NameServers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pyro_protocol.naming.standing.CONNECT_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"PYRO:Pyro.NameServer@127.0.0.1:{silent.getsockname()[1]}"
        client = make(place, *servers.uris)
        client.do("ping")
        # It costs the time only once, also for others.
        monkeypatch.setattr("pyro_protocol.naming.standing.CONNECT_SECONDS", 1e9)
        make(place, *servers.uris).do("ping")
    assert servers.objects[0].calls == ["ping", "ping"]


@pytest.mark.parametrize(
    "error",
    [
        DaemonError("unknown object 'Pyro.NameServer'"),
        ServerBusyError("the server is busy"),
    ],
    ids=["ending", "busy"],
)
def test_what_one_has_not_done_because_it_ends_or_is_busy_another_does(
    error: DaemonError, make: Callable[..., Client], servers: NameServers
) -> None:
    def ending(peer: Peer) -> None:
        peer.admit()
        peer.answer(peer.receive(), error, flags=FLAG_EXCEPTION)
        peer.wait_for_end()

    with ScriptedServer(ending) as server:
        client = make(server.uri, *servers.uris)
        assert client.do("remove", "printer") == 0
    assert servers.objects[0].calls == ["remove printer None False"]


def test_an_only_one_that_is_busy_says_so(make: Callable[..., Client]) -> None:
    def busy(peer: Peer) -> None:
        peer.admit()
        error = ServerBusyError("the server is busy")
        peer.answer(peer.receive(), error, flags=FLAG_EXCEPTION)
        peer.answer(peer.receive(), None)

    with ScriptedServer(busy) as server:
        client = make(server.uri)
        with pytest.raises(DaemonError, match="busy"):
            client.do("remove", "printer")
        client.do("ping")


def test_an_error_of_one_is_not_asked_of_another(
    make: Callable[..., Client], servers: NameServers
) -> None:
    client = make(*servers.uris)
    with pytest.raises(NamingError, match="unknown name"):
        client.do("lookup", "nothing")
    assert servers.objects[1].calls == []


# Finding them


def locate(settings: Configuration, host: str = "") -> str:
    with locate_ns(host, config=settings) as client:
        client.ping()
        return str(client._pyroUri.location)


def locate_in_a_loop(settings: Configuration, host: str = "") -> str:
    async def find() -> str:
        async with await locate_ns_async(host, config=settings) as client:
            await client.ping()
            return str(client._pyroUri.location)

    return asyncio.run(find())


@pytest.fixture(params=[locate, locate_in_a_loop], ids=["blocking", "asyncio"])
def find(request: pytest.FixtureRequest) -> Callable[..., str]:
    """Finds a name server and returns where it is."""
    result: Callable[..., str] = request.param
    return result


def test_several_addresses_are_tried_in_their_order(
    find: Callable[..., str], servers: NameServers, settings: Configuration
) -> None:
    first, second, _third = servers.addresses.split(",")
    assert find(settings, servers.addresses) == first
    settings.NS_HOST = servers.addresses
    assert find(settings) == first
    servers.stop(0)
    assert find(settings) == second
    # The first is not waited for again at once.
    servers.start(0)
    assert find(settings) == second
    standing.forget()
    assert find(settings) == first


def test_the_client_that_was_found_goes_on_with_the_others(
    servers: NameServers, settings: Configuration
) -> None:
    settings.NS_HOST = servers.addresses
    with locate_ns(config=settings) as client:
        servers.stop(0)
        client.ping()
        assert client._pyroUri == servers.uris[1]


@pytest.mark.parametrize("wait", ["blocking", "asyncio"])
def test_names_are_resolved_while_any_is_alive(
    wait: str, servers: NameServers, settings: Configuration
) -> None:
    def look_up(uri: str) -> list[URI]:
        if wait == "blocking":
            return [resolve(uri, config=settings), *resolve_all(uri, config=settings)]

        async def both() -> list[URI]:
            return [
                await resolve_async(uri, config=settings),
                *await resolve_all_async(uri, config=settings),
            ]

        return asyncio.run(both())

    settings.NS_HOST = servers.addresses
    servers.registry.put("printer", PRINTER, "laser")
    servers.stop(0)
    servers.stop(1)
    assert look_up("PYRONAME:printer") == [URI(PRINTER)] * 2
    assert look_up("PYROMETA:laser") == [URI(PRINTER)] * 2


def test_a_uri_may_name_several_hosts(
    servers: NameServers, settings: Configuration
) -> None:
    servers.registry.put("printer", PRINTER)
    port = servers.ports[0]
    # Nobody listens on the first of them.
    uri = f"PYRONAME:printer@127.0.0.2,127.0.0.1:{port}"
    assert resolve(uri, config=settings) == URI(PRINTER)


def test_a_look_up_with_delay_goes_on_elsewhere(
    servers: NameServers, settings: Configuration
) -> None:
    def dying_while_waiting(peer: Peer) -> None:
        peer.admit()
        peer.receive()
        servers.registry.put("printer", PRINTER)

    with ScriptedServer(dying_while_waiting) as server:
        location = server.uri.partition("@")[2]
        settings.NS_HOST = f"{location},{servers.addresses}"
        assert resolve("PYRONAME:printer", 5.0, config=settings) == URI(PRINTER)


# Tokens


def check(_client: Any, handshake: Any) -> str:
    if handshake != {"token": "right"}:
        raise SecurityError("authentication failed")
    return "hello"


@pytest.fixture
def guarded() -> Iterator[HostThread]:
    """A name server that asks for a token."""
    with HostThread(validate_handshake=check) as host:
        host.register(Names(), "Pyro.NameServer")
        yield host


def test_the_configured_token_is_shown(
    find: Callable[..., str], guarded: HostThread, settings: Configuration
) -> None:
    settings.NS_TOKEN = "right"
    assert find(settings, guarded.location) == guarded.location


@pytest.mark.parametrize(
    ("token", "advice"), [("", "set NS_TOKEN"), ("wrong", "NS_TOKEN the right one")]
)
def test_a_wrong_token_is_a_security_error_that_says_so(
    find: Callable[..., str],
    guarded: HostThread,
    settings: Configuration,
    token: str,
    advice: str,
) -> None:
    settings.NS_TOKEN = token
    with pytest.raises(SecurityError, match=f"authentication failed; .*{advice}"):
        find(settings, guarded.location)
    settings.NS_HOST = guarded.location
    with pytest.raises(SecurityError, match="authentication failed"):
        find(settings)


def test_one_that_refuses_is_passed_over_if_another_does_not(
    find: Callable[..., str],
    guarded: HostThread,
    servers: NameServers,
    settings: Configuration,
) -> None:
    open_one = servers.addresses.partition(",")[0]
    assert find(settings, f"{guarded.location},{open_one}") == open_one
    servers.close()
    with pytest.raises(SecurityError, match="authentication failed"):
        find(settings, f"{guarded.location},{servers.addresses}")


def test_whoever_answers_a_broadcast_is_not_shown_the_token(
    find: Callable[..., str], settings: Configuration
) -> None:
    greetings: list[Any] = []

    def listen(_client: Any, handshake: Any) -> str:
        greetings.append(handshake)
        return "hello"

    with HostThread(validate_handshake=listen) as host:
        host.register(Names(), "Pyro.NameServer")
        answer = f"PYRO:Pyro.NameServer@{host.location}".encode()
        with Responder([answer]) as responder:
            settings.NS_TOKEN = "secret"
            settings.NS_HOST = "127.0.0.1"
            settings.NS_PORT = 1
            settings.NS_BCPORT = responder.port
            settings.BROADCAST_ADDRS = ["127.0.0.1"]
            assert find(settings) == host.location
    assert greetings == ["hello"]


def test_a_name_that_leads_elsewhere_does_not_take_the_token_along(
    settings: Configuration,
) -> None:
    greetings: list[Any] = []

    def listen(_client: Any, handshake: Any) -> str:
        greetings.append(handshake)
        return "hello"

    trap, names = Names(), Names()
    names.register("printer", PRINTER)
    with (
        HostThread(validate_handshake=check) as known,
        HostThread(validate_handshake=listen) as elsewhere,
    ):
        known.register(trap, "Pyro.NameServer")
        elsewhere.register(names, "Pyro.NameServer")
        leads_there = f"PYRONAME:printer@{elsewhere.location}"
        trap.register("printer", leads_there, metadata=["x"])
        settings.NS_TOKEN = "right"
        settings.NS_HOST = known.location
        assert resolve("PYRONAME:printer", config=settings) == URI(PRINTER)
        assert resolve_all("PYROMETA:x", config=settings) == [URI(PRINTER)]
        # What the program says itself is another thing.
        resolve(leads_there, config=settings)
    assert greetings == ["hello", "hello", {"token": "right"}]
