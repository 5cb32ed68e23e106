from __future__ import annotations

import gc
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import URI, errors
from pyro_protocol.errors import (
    CommunicationError,
    ConnectionClosedError,
    NamingError,
)
from pyro_protocol.naming import NameServerClient
from support.hosting import DEADLINE, HostThread
from support.scripted import Peer, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_protocol.config import Configuration
    from support.names import Names

PRINTER = "PYRO:printer@example.com:4444"


@pytest.fixture
def client(host: HostThread, settings: Configuration) -> Iterator[NameServerClient]:
    uri = f"PYRO:Pyro.NameServer@{host.location}"
    with NameServerClient(uri, config=settings) as client:
        yield client


@pytest.mark.parametrize("serializer", ["serpent", "json", "msgpack", "auto", "native"])
def test_every_operation_works_with_pyro5s_name_server(
    serializer: str, pyro5_name_server: str, settings: Configuration
) -> None:
    settings.SERIALIZER = serializer
    uri = f"PYRO:Pyro.NameServer@{pyro5_name_server}"
    with NameServerClient(uri, config=settings) as names:
        names.ping()
        before = names.count()
        names.register("demo.printer", URI(PRINTER), metadata={"laser", "colour"})
        names.register("demo.plotter", "PYRO:plotter@example.com:4444", safe=True)
        assert names.count() == before + 2
        assert names.lookup("demo.printer") == URI(PRINTER)
        assert names.lookup("demo.printer", return_metadata=True) == (
            URI(PRINTER),
            {"laser", "colour"},
        )
        assert names.list(prefix="demo.pr") == {"demo.printer": PRINTER}
        assert names.list(regex=r"demo\..r", return_metadata=True) == {
            "demo.printer": (PRINTER, {"laser", "colour"})
        }
        names.set_metadata("demo.plotter", ["colour"])
        assert names.yplookup(meta_all=["laser", "colour"]) == {
            "demo.printer": (PRINTER, {"laser", "colour"})
        }
        assert names.yplookup(meta_any={"colour"}, return_metadata=False).keys() == {
            "demo.printer",
            "demo.plotter",
        }
        with pytest.raises(NamingError, match="already registered"):
            names.register("demo.printer", PRINTER, safe=True)
        assert names.remove(prefix="demo.") == 2
        with pytest.raises(NamingError, match=r"demo\.printer"):
            names.lookup("demo.printer")
        assert names.count() == before


def test_it_connects_when_it_is_first_used(
    client: NameServerClient, host: HostThread
) -> None:
    assert "not connected" in repr(client)
    assert host.connection_count == 0
    client.ping()
    assert ", connected" in repr(client)
    assert host.connection_count == 1


def test_binding_tells_whether_it_connected(client: NameServerClient) -> None:
    assert client._pyroBind() is True
    assert client._pyroBind() is False


def test_a_released_client_connects_again(
    client: NameServerClient, host: HostThread
) -> None:
    client.ping()
    client._pyroRelease()
    host.wait_for_client_gone()
    client.ping()
    assert host.connection_count == 1


def test_a_forgotten_client_disconnects(
    host: HostThread, settings: Configuration
) -> None:
    client = NameServerClient(f"PYRO:Pyro.NameServer@{host.location}", config=settings)
    client.ping()
    del client
    gc.collect()
    host.wait_for_client_gone()


def test_an_error_of_the_name_server_leaves_the_connection_open(
    client: NameServerClient, names: Names, host: HostThread
) -> None:
    with pytest.raises(NamingError, match="unknown name: nothing"):
        client.lookup("nothing")
    client.ping()
    assert names.calls == ["lookup nothing", "ping"]
    assert host.connection_count == 1


def test_threads_share_a_client(client: NameServerClient, names: Names) -> None:
    for number in range(8):
        names.registered[f"n{number}"] = (f"PYRO:o{number}@h:1", set())

    def look_up(number: int) -> set[URI]:
        return {client.lookup(f"n{number}") for _ in range(25)}

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(look_up, range(8)))
    assert found == [{URI(f"PYRO:o{number}@h:1")} for number in range(8)]


def test_nobody_at_the_address_is_a_communication_error(
    settings: Configuration,
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        client = NameServerClient(
            f"PYRO:Pyro.NameServer@127.0.0.1:{port}", config=settings
        )
        with pytest.raises(CommunicationError) as caught:
            client.ping()
    assert caught.value.outcome == "not_sent"


def test_a_uri_that_is_a_question_is_no_name_server() -> None:
    with pytest.raises(NamingError, match="locate_ns"):
        NameServerClient("PYRONAME:Pyro.NameServer")


def answering(*values: object) -> Any:
    """Return a script that answers as many calls and closes the connection."""

    def script(peer: Peer) -> None:
        peer.admit()
        for value in values:
            peer.answer(peer.receive(), value)

    return script


def deaf(peer: Peer) -> None:
    """Take one request and close the connection."""
    peer.admit()
    peer.receive()


def test_a_lookup_is_repeated_on_a_new_connection(settings: Configuration) -> None:
    def dying(peer: Peer) -> None:
        peer.admit()
        peer.answer(peer.receive(), None)
        peer.receive()

    with (
        ScriptedServer(dying, answering(PRINTER)) as server,
        NameServerClient(server.uri, config=settings) as client,
    ):
        client.ping()
        assert client.lookup("printer") == URI(PRINTER)


def test_nothing_is_repeated_on_a_connection_made_for_it(
    settings: Configuration,
) -> None:
    with (
        ScriptedServer(deaf) as server,
        NameServerClient(server.uri, config=settings) as client,
        pytest.raises(ConnectionClosedError),
    ):
        client.lookup("printer")


@pytest.mark.parametrize(
    "change",
    [
        lambda names: names.remove("printer"),
        lambda names: names.register("printer", PRINTER, safe=True),
    ],
    ids=["remove", "safe register"],
)
def test_what_may_have_been_done_is_not_repeated(
    change: Callable[[NameServerClient], object], settings: Configuration
) -> None:
    def dying(peer: Peer) -> None:
        peer.admit()
        peer.answer(peer.receive(), None)
        peer.receive()

    with (
        ScriptedServer(dying) as server,
        NameServerClient(server.uri, config=settings) as client,
    ):
        client.ping()
        with pytest.raises(ConnectionClosedError) as caught:
            change(client)
        assert caught.value.outcome == "unknown"


def test_a_connection_closed_while_idle_is_replaced_before_a_removal(
    settings: Configuration,
) -> None:
    closed = threading.Event()

    def restarting(peer: Peer) -> None:
        answering(None)(peer)
        peer.sock.close()
        closed.set()

    with (
        ScriptedServer(restarting, answering(1)) as server,
        NameServerClient(server.uri, config=settings) as client,
    ):
        client.ping()
        assert closed.wait(DEADLINE)
        assert client.remove("printer") == 1


def test_a_call_that_takes_too_long_is_given_up_and_not_repeated(
    settings: Configuration,
) -> None:
    def silent(peer: Peer) -> None:
        peer.admit()
        peer.answer(peer.receive(), None)
        peer.receive()
        peer.wait_for_end()

    with (
        ScriptedServer(silent) as server,
        NameServerClient(server.uri, config=settings) as client,
    ):
        assert client._pyroTimeout is None
        client.ping()
        client._pyroTimeout = 0.05
        with pytest.raises(errors.TimeoutError):
            client.lookup("printer")


def test_the_configured_timeout_is_taken_over(settings: Configuration) -> None:
    settings.COMMTIMEOUT = 1.5
    client = NameServerClient("PYRO:Pyro.NameServer@127.0.0.1:1", config=settings)
    assert client._pyroTimeout == 1.5
    client._pyroTimeout = 0
    assert client._pyroTimeout is None
