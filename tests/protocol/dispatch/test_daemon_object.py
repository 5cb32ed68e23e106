from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from pyro_protocol import expose
from pyro_protocol.context import CallState, call_state
from pyro_protocol.contract import members_of
from pyro_protocol.dispatch import (
    DAEMON_NAME,
    ClientConnection,
    DaemonObject,
    ObjectRegistry,
    StreamTable,
)
from pyro_protocol.errors import DaemonError, PyroError

if TYPE_CHECKING:
    from collections.abc import Iterator


@expose
class Thing:
    def method(self) -> None: ...


class Server:
    def __init__(self) -> None:
        self.registry = ObjectRegistry(nullcontext)
        self.streams = StreamTable(lambda: 0.0, lambda: "stream")
        self.daemon_object = DaemonObject(self)
        self.registry.register(self.daemon_object, DAEMON_NAME)

    def describe(self) -> str:
        return "a server for tests"


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def client() -> Iterator[ClientConnection]:
    connection = ClientConnection()
    token = call_state.set(CallState(connection))
    yield connection
    call_state.reset(token)


def test_it_offers_the_documented_methods_and_nothing_else() -> None:
    assert members_of(DaemonObject).metadata() == {
        "methods": {
            "close_stream",
            "get_description",
            "get_metadata",
            "get_next_stream_item",
            "info",
            "ping",
            "registered",
            "release",
        },
        "oneway": set(),
        "attrs": set(),
    }


def test_it_tells_what_is_registered(server: Server) -> None:
    server.registry.register(Thing(), "thing")

    assert server.daemon_object.registered() == [DAEMON_NAME, "thing"]


def test_it_describes_the_server(server: Server) -> None:
    assert server.daemon_object.info() == "a server for tests"
    server.daemon_object.ping()


def test_it_tells_what_an_object_offers(server: Server) -> None:
    server.registry.register(Thing(), "thing")

    assert server.daemon_object.get_metadata("thing")["methods"] == {"method"}
    with pytest.raises(DaemonError, match="unknown object 'nothing'"):
        server.daemon_object.get_metadata("nothing")


def test_it_describes_what_an_object_offers(server: Server) -> None:
    server.registry.register(Thing(), "thing")
    server.registry.register([], "list", expose=["append"])

    (method,) = server.daemon_object.get_description("thing")["methods"]
    assert method["name"] == "method"
    assert server.daemon_object.get_description("list")["class"] == "list"
    own = server.daemon_object.get_description(DAEMON_NAME)
    assert {one["name"] for one in own["methods"]} >= {"ping", "get_description"}
    with pytest.raises(DaemonError, match="unknown object 'nothing'"):
        server.daemon_object.get_description("nothing")


def test_it_hands_out_the_items_of_streams(
    server: Server, client: ClientConnection
) -> None:
    stream = server.streams.open(client, iter([1, 2]))

    assert server.daemon_object.get_next_stream_item(stream) == 1
    server.daemon_object.close_stream(stream)
    with pytest.raises(PyroError, match="terminated"):
        server.daemon_object.get_next_stream_item(stream)
    server.daemon_object.close_stream(stream)
