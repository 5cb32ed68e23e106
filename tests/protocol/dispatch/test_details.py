from __future__ import annotations

import threading
import uuid

import pytest

from pyro_protocol import expose
from pyro_protocol.context import CallState, call_state
from pyro_protocol.dispatch import Call, CallDetails, ClientConnection, ObjectRegistry
from pyro_protocol.dispatch.details import access_of
from pyro_protocol.wire import FLAG_ONEWAY


@expose
class Lamp:
    def shine(self, level: int = 1) -> None:
        pass

    @property
    def level(self) -> int:
        return 0


@pytest.fixture
def client() -> ClientConnection:
    return ClientConnection(("10.0.0.1", 4444))


def details(client: ClientConnection, *call: object) -> CallDetails:
    registry = ObjectRegistry(threading.RLock)
    registration = registry.register(Lamp(), "lamp")
    return CallDetails(client, Call("lamp", *call), registration)  # type: ignore[arg-type] # forwarded


def test_a_call_is_described(client: ClientConnection) -> None:
    call = details(client, "shine", (5,), {"more": 6})

    assert (call.object_id, call.name, call.access) == ("lamp", "shine", "call")
    assert call.object_class is Lamp
    assert call.exposed
    assert call.args == (5,)
    assert call.kwargs == {"more": 6}
    assert call.client is client
    assert call.identity is None
    assert not call.batch
    assert repr(call) == "<call lamp.shine by <client 10.0.0.1:4444>>"


def test_attributes_are_described_by_their_own_names(client: ClientConnection) -> None:
    read = details(client, "__getattr__", ("level",), None)
    write = details(client, "__setattr__", ("level", 7), None)

    assert (read.access, read.name, read.args) == ("read", "level", ())
    assert (write.access, write.name, write.args) == ("write", "level", (7,))
    assert read.exposed
    assert write.exposed


@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("__getattr__", ()),
        ("__getattr__", ("a", "b")),
        ("__getattr__", (5,)),
        ("__getattr__", (["level"],)),
        ("__setattr__", ("level",)),
        ("__setattr__", (None, 1)),
    ],
)
def test_malformed_access_is_a_call_of_a_method_that_does_not_exist(
    client: ClientConnection, method: str, args: tuple[object, ...]
) -> None:
    assert access_of(Call("lamp", method, args, None)) == ("call", method, args)
    assert not details(client, method, args, None).exposed


def test_names_that_are_not_exposed_are_known_as_such(client: ClientConnection) -> None:
    assert not details(client, "explode", (), None).exposed
    assert not details(client, "level", (), None).exposed
    assert not details(client, "__getattr__", ("shine",), None).exposed


def test_an_unknown_object_has_no_class(client: ClientConnection) -> None:
    call = CallDetails(client, Call("nobody", "shine", (), None), None)

    assert call.object_class is None
    assert not call.exposed


def test_details_tell_about_the_request_wherever_they_are_asked(
    client: ClientConnection,
) -> None:
    number = uuid.uuid4()
    state = CallState(client, 1, FLAG_ONEWAY, 1, {"ABCD": b"x"}, number.bytes)
    token = call_state.set(state)
    call = details(client, "shine", (), None)
    call_state.reset(token)

    assert call.correlation_id == number
    assert call.annotations == {"ABCD": b"x"}
    assert call.oneway


def test_a_call_without_correlation_id_gets_one_that_stays(
    client: ClientConnection,
) -> None:
    token = call_state.set(CallState(client))
    call = details(client, "shine", (), None)
    call_state.reset(token)

    assert call.correlation_id is not None
    assert call.correlation_id == call.correlation_id
    assert call.annotations == {}
    assert not call.oneway


def test_outside_of_a_request_there_is_nothing_to_tell(
    client: ClientConnection,
) -> None:
    call = details(client, "shine", (), None)

    assert call.correlation_id is None
    assert call.annotations == {}
    assert not call.oneway
