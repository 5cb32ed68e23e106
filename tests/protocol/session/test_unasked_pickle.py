"""Nobody reads a pickle who has not asked for it; who has, gets everything."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from protocol.conversation import Conversation, Link, Server
from protocol.golden import decode_one
from pyro_protocol import Configuration, SerializedBlob, expose
from pyro_protocol.errors import ProtocolError, SerializeError
from pyro_protocol.references import ProxyState
from pyro_protocol.serializers import serializers
from pyro_protocol.serializers.opt_in import PICKLED_IDS, opted_in
from pyro_protocol.session import (
    ClientSession,
    SessionSettings,
    StreamReference,
    read_reply,
)
from pyro_protocol.session.blobs import encode_blob
from pyro_protocol.wire import (
    FLAG_BATCH,
    FLAG_EXCEPTION,
    FLAG_KEEPSERIALIZED,
    MessageType,
    encode_frame,
)

PICKLE = opted_in("pickle")
SERPENT = serializers["serpent"]
ACCEPTING = SessionSettings.from_config(
    Configuration(use_environment=False, SERIALIZERS_ACCEPTED=["serpent", "pickle"])
)

_ran: list[str] = []


def run(what: str) -> str:
    _ran.append(what)
    return what


class Bomb:
    """Runs something where it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return run, ("boom",)


BOMB = pickle.dumps(Bomb())


@pytest.fixture(autouse=True)
def _nothing_has_run() -> None:
    _ran.clear()


@expose
class Target:
    def __init__(self) -> None:
        self.blob: SerializedBlob | None = None

    def echo(self, value: Any) -> Any:
        return value

    def fail(self) -> None:
        raise LookupError("nothing there")

    def items(self) -> Any:
        yield from (1, 2)

    def code(self) -> Any:
        return lambda: None

    def take(self, blob: SerializedBlob) -> object:
        self.blob = blob
        return blob.info


def new_server(settings: SessionSettings | None = None) -> tuple[Server, Target]:
    server, target = Server(settings), Target()
    server.register(target, "example.target")
    return server, target


def message(kind: MessageType, payload: bytes, number: int, **more: Any) -> bytes:
    return b"".join(encode_frame(int(kind), number, *_fields(payload, **more)))


def _fields(payload: bytes, flags: int = 0, sequence: int = 0) -> tuple[Any, ...]:
    return flags, sequence, payload


@pytest.mark.parametrize("settings", [None, ACCEPTING], ids=["closed", "accepting"])
@pytest.mark.parametrize("number", PICKLED_IDS.values())
def test_a_handshake_in_pickle_is_refused_unread(
    number: int, settings: SessionSettings | None
) -> None:
    server, _ = new_server(settings)
    link = Link(server)

    (frame,) = link.exchange(message(MessageType.CONNECT, BOMB, number))

    assert frame.kind == MessageType.CONNECTFAIL
    assert link.closing
    assert _ran == []


@pytest.mark.parametrize("number", PICKLED_IDS.values())
@pytest.mark.parametrize("flags", [0, FLAG_BATCH, FLAG_KEEPSERIALIZED])
def test_a_call_that_is_not_accepted_is_refused_unread(flags: int, number: int) -> None:
    server, _ = new_server()
    line = Conversation(server)

    line.client.send_request(number, BOMB, flags)
    (frame,) = line.pump()

    with pytest.raises(ProtocolError, match=r"not accepted.*SERIALIZERS_ACCEPTED"):
        read_reply(frame, number)
    assert _ran == []
    assert line.call("echo", 3) == 3


def test_a_server_that_accepts_pickle_reads_nothing_before_its_client_is_admitted() -> (
    None
):
    server, _ = new_server(ACCEPTING)
    link = Link(server)

    link.exchange(message(MessageType.INVOKE, BOMB, PICKLE.id))

    assert link.closing
    assert _ran == []


def test_calls_that_are_accepted_are_answered_in_pickle() -> None:
    server, _ = new_server(ACCEPTING)
    line = Conversation(server)
    line.serializer = PICKLE

    assert line.call("echo", {1: {2, 3}}) == {1: {2, 3}}
    assert type(line.call("echo", ProtocolError("x"))) is ProtocolError
    with pytest.raises(LookupError, match="nothing there") as caught:
        line.call("fail")
    assert "nothing there" in "".join(caught.value._pyroTraceback)  # type: ignore[attr-defined] # documented
    assert isinstance(line.call("items"), StreamReference)
    with pytest.raises(AttributeError, match="unknown"):
        line.call("unknown")


def test_a_batch_that_is_accepted_keeps_its_exceptions() -> None:
    server, _ = new_server(ACCEPTING)
    line = Conversation(server)
    calls: list[Any] = [("echo", ((1,),), {}), ("fail", (), {})]
    line.client.send_call(PICKLE, "example.target", "<batch>", calls, None, FLAG_BATCH)
    (frame,) = line.pump()

    first, second = read_reply(frame, PICKLE.id)

    assert first == (1,)
    assert type(second.exception) is LookupError


def test_a_result_that_cannot_be_pickled_is_an_error_of_its_call_alone() -> None:
    server, _ = new_server(ACCEPTING)
    line = Conversation(server)
    line.serializer = PICKLE

    with pytest.raises(SerializeError, match="cannot serialize function with pickle"):
        line.call("code")
    assert line.call("echo", 1) == 1


@pytest.mark.parametrize("flags", [0, FLAG_EXCEPTION])
@pytest.mark.parametrize("name", serializers)
def test_an_answer_in_pickle_to_another_request_is_refused_unread(
    name: str, flags: int
) -> None:
    data = message(MessageType.RESULT, BOMB, PICKLE.id, flags=flags, sequence=1)

    with pytest.raises(SerializeError, match="serializer id 79"):
        read_reply(decode_one(data), serializers[name].id, ACCEPTING.serializers)
    assert _ran == []


@pytest.mark.parametrize("kind", [MessageType.CONNECTOK, MessageType.CONNECTFAIL])
def test_an_answer_in_pickle_to_a_handshake_is_refused_unread(
    kind: MessageType,
) -> None:
    # That this program's servers accept pickle says nothing about its clients.
    session = ClientSession(ACCEPTING)
    session.send_connect(SERPENT, "example.target", "hello")

    with pytest.raises(SerializeError, match="79"):
        session.receive_data(message(kind, BOMB, PICKLE.id))
    assert _ran == []


def test_a_blob_in_pickle_is_passed_on_by_those_who_have_chosen_pickle() -> None:
    server, target = new_server(ACCEPTING)
    line = Conversation(server)
    number, payload, annotations = encode_blob(
        SerializedBlob("info", [Bomb()]), "example.target", "take", PICKLE
    )
    line.client.send_request(number, payload, FLAG_KEEPSERIALIZED, annotations)
    (frame,) = line.pump()
    assert read_reply(frame, PICKLE.id) == "info"
    assert _ran == []

    received = target.blob
    assert received is not None
    with pytest.raises(SerializeError, match="chosen"):
        encode_blob(received, "other", "take", SERPENT)
    assert encode_blob(received, "other", "take", PICKLE)[1] == received.data
    assert received.deserialized() == ["boom"]


def test_a_blob_in_marshal_is_passed_on_by_those_who_have_chosen_marshal() -> None:
    marshal = serializers["marshal"]
    received = SerializedBlob("info", marshal.dumps(("o", "m", [1], {})), marshal)

    with pytest.raises(SerializeError, match="chosen"):
        encode_blob(received, "other", "take", SERPENT)
    assert encode_blob(received, "other", "take", marshal)[0] == marshal.id


@pytest.mark.parametrize("name", [*PICKLED_IDS, "marshal"])
def test_a_received_reference_does_not_choose_an_unsafe_serializer(name: str) -> None:
    for serializer in serializers.values():
        state = ProxyState("PYRO:o@localhost:1", serializer=name)
        proxy = serializer.loads(serializer.dumps(state))
        assert proxy._pyro_state_()[5] is None
