"""The client's end of a conversation in Pyro4's protocol, with our server in memory."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.conversation import Link, Server
from protocol.example import Child, Target
from protocol.golden import by_name
from pyro_protocol import URI, Configuration
from pyro_protocol.errors import LocalProtocolError, ProtocolError
from pyro_protocol.serializers import Serializer, serializers
from pyro_protocol.session import (
    ClientSession,
    ConnectAccepted,
    ConnectRefused,
    SessionSettings,
    read_reply,
)

ZEROS = by_name("pyro4-wire")["reply_to_zeros"].data


def settings_of(**items: Any) -> SessionSettings:
    usual = {"PYRO4_CLIENTS": True, "PYRO4_SERVERS": True}
    return SessionSettings.from_config(
        Configuration({**usual, **items}, use_environment=False)
    )


def refused_in_pyro4(**items: Any) -> ClientSession:
    """Return a session whose server has shown that it speaks protocol 48."""
    session = ClientSession(settings_of(**items))
    session.send_connect(serializers["serpent"], "example.target", "hello")
    with pytest.raises(ProtocolError, match="invalid protocol version: 48"):
        session.receive_data(ZEROS)
    return session


class Conversation:
    def __init__(self, serializer: Serializer, **items: Any) -> None:
        server = Server(settings_of(**items))
        child = Child()
        server.register(Target(child), "example.target")
        server.register(child, "example.child")
        self.link = Link(server)
        self.session = ClientSession(settings_of(**items))
        self.session.begin_in_pyro4()
        self.session.send_connect(serializers["serpent"], "example.target", "hello")
        (self.answer,) = self.pump()
        self.serializer = self.session.limited(serializer)

    def pump(self) -> list[Any]:
        sent = b"".join(self.session.data_to_send())
        assert sent[4:6] == b"\x00\x30"
        self.session.receive_data(self.link.send(sent))
        return self.session.events_received()

    def call(self, method: str, *args: object) -> Any:
        self.session.send_call(self.serializer, "example.target", method, args, {})
        (frame,) = self.pump()
        return read_reply(frame, self.serializer.id, self.session.serializers)


@pytest.mark.parametrize("name", ["serpent", "json", "msgpack"])
def test_calls_are_made_and_answered(name: str) -> None:
    talk = Conversation(serializers[name])
    assert isinstance(talk.answer, ConnectAccepted)
    assert talk.answer.oneway == {"notify"}
    assert "echo" in talk.answer.methods
    assert talk.answer.attributes == {"level"}
    assert talk.session.capabilities == frozenset()

    assert talk.call("add", 1, 2) == 3
    assert talk.call("echo", [URI("PYRO:a@h:1")]) == [URI("PYRO:a@h:1")]
    assert talk.call("uri") == URI("PYRO:other@example.com:4444")
    with pytest.raises(ValueError, match="boom"):
        talk.call("fail")
    assert "example.child" in str(talk.call("child"))


def test_a_refusal_is_understood() -> None:
    def refuse(_client: object, _value: object) -> None:
        raise ValueError("no entry")

    session = ClientSession(settings_of())
    session.begin_in_pyro4()
    session.send_connect(serializers["serpent"], "nobody", "hello")
    link = Link(Server(settings_of(), validate_handshake=refuse))
    session.receive_data(link.send(b"".join(session.data_to_send())))
    (event,) = session.events_received()
    assert event == ConnectRefused("no entry")


def test_a_server_shows_what_it_speaks() -> None:
    assert refused_in_pyro4().has_met_pyro4
    assert not refused_in_pyro4(PYRO4_SERVERS=False).has_met_pyro4


def test_another_failure_is_no_sign_of_pyro4() -> None:
    session = ClientSession(settings_of())
    session.send_connect(serializers["serpent"], "example.target", "hello")
    assert not session.has_met_pyro4
    with pytest.raises(ProtocolError, match="invalid data"):
        session.receive_data(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(40))
    assert not session.has_met_pyro4


def test_who_speaks_pyro4_already_does_not_try_it_again() -> None:
    session = ClientSession(settings_of())
    session.begin_in_pyro4()
    session.send_connect(serializers["serpent"], "example.target", "hello")
    with pytest.raises(ProtocolError, match="protocol 48 was expected"):
        session.receive_data(by_name("wire-serpent")["connectok"].data)
    assert not session.has_met_pyro4


def test_it_has_to_be_allowed_and_to_come_first() -> None:
    with pytest.raises(LocalProtocolError, match="PYRO4_SERVERS"):
        ClientSession(SessionSettings()).begin_in_pyro4()
    session = ClientSession(settings_of())
    session.send_connect(serializers["serpent"], "example.target", "hello")
    with pytest.raises(LocalProtocolError, match="before it begins"):
        session.begin_in_pyro4()


def test_messages_are_signed() -> None:
    talk = Conversation(serializers["serpent"], PYRO4_HMAC_KEY="secret")
    assert isinstance(talk.answer, ConnectAccepted)
    assert talk.call("add", 1, 2) == 3


def test_the_limits_of_messages_hold() -> None:
    talk = Conversation(serializers["serpent"], MAX_MESSAGE_SIZE=1000)
    with pytest.raises(ProtocolError, match="too large"):
        talk.session.send_call(
            talk.serializer, "example.target", "echo", ("x" * 1001,), {}
        )
    assert talk.call("add", 1, 2) == 3
