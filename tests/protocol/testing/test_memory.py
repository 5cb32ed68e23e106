"""A server in memory: what travels, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pyro_protocol import Configuration, behavior, errors, expose, oneway
from pyro_protocol.testing import Fault, Faults, MemoryServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@dataclass
class Sample:
    """A class that nobody has registered."""

    size: int


class Shelf:
    """An object with all kinds of members."""

    def __init__(self) -> None:
        self._label = "none"
        self.put_in: list[object] = []
        self.closed = False

    @property
    @expose
    def label(self) -> str:
        return self._label

    @label.setter
    @expose
    def label(self, label: str) -> None:
        self._label = label

    @expose
    def put(self, thing: object, times: int = 1) -> int:
        self.put_in += [thing] * times
        return len(self.put_in)

    @expose
    @oneway
    def throw(self, thing: object) -> None:
        self.put_in.append(thing)

    @expose
    def echo(self, thing: object) -> object:
        return thing

    @expose
    def all(self) -> Iterator[object]:
        try:
            yield from self.put_in
        finally:
            self.closed = True

    @expose
    async def later(self) -> str:
        await asyncio.sleep(0)
        return "later"

    @expose
    async def drip(self) -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0)
        yield 2

    @expose
    def fail(self) -> None:
        raise ZeroDivisionError("of the shelf")

    def hidden(self) -> None:
        raise AssertionError("this is not exposed")


@expose
@behavior(instance_mode="session")
class Session:
    def __init__(self) -> None:
        self.calls = 0

    def count(self) -> int:
        self.calls += 1
        return self.calls


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def server(shelf: Shelf) -> Iterator[MemoryServer]:
    with MemoryServer({"shelf": shelf, "session": Session}) as server:
        yield server


@pytest.mark.parametrize("serializer", ["auto", "serpent", "json", "msgpack"])
def test_an_object_is_called_through_bytes(
    server: MemoryServer, shelf: Shelf, serializer: str
) -> None:
    connection = server.connect("shelf", serializer=serializer)
    assert {"put", "all", "fail"} <= connection.methods
    assert connection.attributes == {"label"}
    assert connection.oneway == {"throw"}
    assert connection.handshake == "hello"
    assert connection.call("put", "book", times=2) == 2
    assert connection.call("throw", "ball") is None
    connection.set("label", "f\u00fcr")
    assert connection.get("label") == "f\u00fcr"
    assert list(connection.call("all")) == ["book", "book", "ball"]
    assert shelf.closed
    assert connection.call("later") == "later"
    assert list(connection.call("drip")) == [1, 2]
    assert connection.to_server > 100
    assert connection.to_client > 100


def test_values_arrive_as_they_would_over_a_network(server: MemoryServer) -> None:
    thing = [1, (2, {3})]
    answer = server.connect("shelf").call("echo", thing)
    assert answer == thing
    assert answer is not thing
    assert server.connect("shelf", serializer="json").call("echo", (1,)) == [1]
    with pytest.raises(errors.SerializeError):
        server.connect("shelf").call("echo", object())


def test_what_a_method_raises_arrives_with_its_traceback(server: MemoryServer) -> None:
    with pytest.raises(ZeroDivisionError, match="of the shelf") as caught:
        server.connect("shelf").call("fail")
    assert "in fail" in "".join(
        errors.get_pyro_traceback(type(caught.value), caught.value)
    )
    with pytest.raises(AttributeError, match="hidden"):
        server.connect("shelf").call("hidden")


def test_a_stream_that_is_left_is_ended(server: MemoryServer, shelf: Shelf) -> None:
    connection = server.connect("shelf")
    connection.call("put", "thing", 10)
    stream = connection.call("all")
    assert next(stream) == "thing"
    stream.close()
    assert shelf.closed


def test_each_connection_has_its_own_session(server: MemoryServer) -> None:
    one, other = server.connect("session"), server.connect("session")
    assert [one.call("count"), one.call("count"), other.call("count")] == [1, 2, 1]


def test_clients_can_be_refused() -> None:
    def check(_client: object, word: object) -> str:
        if word != "sesame":
            raise PermissionError("the word is wrong")
        return "welcome"

    with MemoryServer({"shelf": Shelf()}, validate_handshake=check) as server:
        assert server.connect("shelf", handshake="sesame").handshake == "welcome"
        with pytest.raises(errors.CommunicationError, match="the word is wrong") as one:
            server.connect("shelf")
        assert one.value.outcome == "not_sent"
        with pytest.raises(errors.CommunicationError, match="unknown object 'table'"):
            server.connect("table", handshake="sesame")


def test_settings_hold_on_both_sides() -> None:
    settings = Configuration(use_environment=False, SERIALIZERS_ACCEPTED=["json"])
    with MemoryServer({"shelf": Shelf()}, config=settings) as server:
        with pytest.raises(errors.CommunicationError):
            server.connect("shelf", serializer="msgpack")
        assert server.connect("shelf", serializer="json").call("put", 1) == 1


def test_a_connection_that_is_closed_makes_no_calls(server: MemoryServer) -> None:
    connection = server.connect("shelf")
    connection.close()
    connection.close()
    with pytest.raises(errors.ConnectionClosedError) as caught:
        connection.call("put", 1)
    assert caught.value.outcome == "not_sent"


@pytest.mark.parametrize("method", ["put", "throw"])
def test_the_outcome_of_a_cut_is_never_wrong(
    server: MemoryServer, shelf: Shelf, method: str
) -> None:
    whole = server.connect("shelf")
    begin = whole.to_server, whole.to_client
    whole.call(method, 1)
    for place in range(begin[0] + 1, whole.to_server + 1):
        del shelf.put_in[:]
        faults = Faults(to_server=Fault(cut_after=place))
        connection = server.connect("shelf", faults=faults)
        with pytest.raises(errors.ConnectionClosedError) as caught:
            connection.call(method, 1)
        assert caught.value.outcome == ("unknown" if shelf.put_in else "not_sent")
        assert connection.closed
    for place in range(begin[1] + 1, whole.to_client):
        connection = server.connect(
            "shelf", faults=Faults(to_client=Fault(cut_after=place))
        )
        with pytest.raises(errors.ConnectionClosedError) as caught:
            connection.call(method, 1)
        assert caught.value.outcome == "unknown"


def test_what_is_dropped_never_arrives(server: MemoryServer, shelf: Shelf) -> None:
    whole = server.connect("shelf")
    connection = server.connect(
        "shelf", faults=Faults(to_server=Fault(drop_after=whole.to_server))
    )
    with pytest.raises(errors.TimeoutError) as caught:
        connection.call("put", 1)
    assert (caught.value.outcome, shelf.put_in) == ("not_sent", [])
    connection = server.connect(
        "shelf", faults=Faults(to_client=Fault(drop_after=whole.to_client))
    )
    with pytest.raises(errors.TimeoutError) as caught:
        connection.call("put", 1)
    assert (caught.value.outcome, shelf.put_in) == ("unknown", [1])


def test_delays_are_added_up_and_nobody_waits(server: MemoryServer) -> None:
    faults = Faults(Fault(delay=1000.0), Fault(delay=500.0))
    connection = server.connect("shelf", faults=faults, timeout=2000.0)
    assert connection.call("echo", 1) == 1
    assert connection.delayed == 3000.0
    with pytest.raises(errors.TimeoutError, match=r"no answer in 1\.0 s"):
        server.connect("shelf", faults=faults, timeout=1.0)


@pytest.mark.parametrize("name", ["delay", "cut_after", "drop_after"])
def test_a_fault_cannot_be_negative(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be 0 or more, not -1"):
        Fault(**{name: -1})  # type: ignore[arg-type] # one of the numbers


def test_an_object_that_is_served_travels_as_a_reference(server: MemoryServer) -> None:
    class Room:
        @expose
        def shelf(self) -> object:
            return shelf

    shelf = Shelf()
    server.register(shelf, "own")
    server.register(Room(), "room")
    assert "PYRO:own@" in repr(server.connect("room").call("shelf"))
    assert "5 objects" in server.connect("Pyro.Daemon").call("info")
