from __future__ import annotations

import logging
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.conversation import Conversation, Link, Server
from protocol.example import Child, Target
from protocol.golden import ALL_KINDS, by_name, decode_all
from pyro_protocol import Configuration
from pyro_protocol.errors import LocalProtocolError, NamingError
from pyro_protocol.pyro4 import (
    FLAG_METADATA,
    HmacKey,
    Pyro4Decoder,
    encode_pyro4_frame,
)
from pyro_protocol.serializers import serializers
from pyro_protocol.serializers.marshal_reader import read_simple
from pyro_protocol.session import ConnectRefused, SessionSettings
from pyro_protocol.wire import (
    FLAG_BATCH,
    FLAG_EXCEPTION,
    FLAG_KEEPSERIALIZED,
    FLAG_ONEWAY,
    FLAG_STREAM,
    Frame,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONNECT, CONNECTOK, CONNECTFAIL = 1, 2, 3
INVOKE, RESULT, PING = 4, 5, 6


def settings_of(**items: Any) -> SessionSettings:
    return SessionSettings.from_config(
        Configuration({"PYRO4_CLIENTS": True, **items}, use_environment=False)
    )


class Pyro4Client:
    """A client of protocol 48 in memory, and the server it talks to."""

    def __init__(
        self,
        settings: SessionSettings | None = None,
        serializer: str = "serpent",
        key: HmacKey | None = None,
        **hooks: Any,
    ) -> None:
        settings = settings_of() if settings is None else settings
        self.server = Server(settings, **hooks)
        child = Child()
        self.target = Target(child)
        self.server.register(self.target, "example.target")
        self.server.register(child, "example.child")
        self.link = Link(self.server)
        self.serializer = serializers[serializer]
        self.key = key
        self._decoder = Pyro4Decoder(
            1 << 20, 256, ALL_KINDS, max_inflate_ratio=200, key=key
        )

    def send(self, *args: Any, **options: Any) -> list[Frame]:
        options.setdefault("key", self.key)
        return self.exchange(b"".join(map(bytes, encode_pyro4_frame(*args, **options))))

    def exchange(self, data: bytes) -> list[Frame]:
        self._decoder.receive_data(self.link.send(data))
        frames = []
        while (frame := self._decoder.next_frame()) is not None:
            frames.append(frame)
        return frames

    def connect(self, value: object = None, flags: int = FLAG_METADATA) -> Frame:
        whole = {"handshake": "hello", "object": "example.target"}
        payload = self.serializer.dumps(whole if value is None else value)
        (frame,) = self.send(CONNECT, self.serializer.id, flags, 0, payload)
        return frame

    def call(
        self,
        method: str,
        *args: object,
        object_id: str = "example.target",
        flags: int = 0,
        annotations: Mapping[str, bytes] | None = None,
        kwargs: Mapping[str, object] | None = None,
    ) -> list[Frame]:
        payload = self.serializer.dumps_call(object_id, method, args, kwargs or {})
        return self.send(
            INVOKE, self.serializer.id, flags, 5, payload, annotations or {}
        )

    def value(self, method: str, *args: object, **options: Any) -> Any:
        (frame,) = self.call(method, *args, **options)
        assert frame.kind == RESULT
        assert frame.sequence == 5
        assert frame.serializer_id == self.serializer.id
        assert not frame.flags & FLAG_EXCEPTION, frame
        return self.serializer.loads(frame.payload)


@pytest.fixture
def client() -> Pyro4Client:
    client = Pyro4Client()
    assert client.connect().kind == CONNECTOK
    return client


def test_the_recorded_conversation_is_answered_as_pyro4_does() -> None:
    recorded = by_name("pyro4-wire")
    client = Pyro4Client()
    client.server.registry.register(Target(Child()), "t")
    (accepted,) = client.exchange(recorded["connect"].data)
    assert (accepted.kind, accepted.flags) == (CONNECTOK, FLAG_METADATA)
    (result,) = client.exchange(recorded["invoke"].data)
    expected = recorded["result"].data
    # All but the annotation that Pyro4 adds of itself.
    assert client.link.session.closing is False
    assert bytes(result.payload) == expected[24 + 22 :]


@pytest.mark.parametrize("serializer", ["serpent", "json", "msgpack"])
def test_a_handshake_tells_names_as_lists(serializer: str) -> None:
    client = Pyro4Client(serializer=serializer)
    frame = client.connect()
    assert frame.flags == FLAG_METADATA
    answer = client.serializer.loads(frame.payload)
    assert answer["handshake"] == "hello"
    assert answer["meta"]["oneway"] == ["notify"]
    assert answer["meta"]["attrs"] == ["level"]
    assert answer["meta"]["methods"] == sorted(answer["meta"]["methods"])


def test_a_client_may_ask_about_no_object() -> None:
    client = Pyro4Client()
    frame = client.connect({"handshake": "hello"}, flags=0)
    assert (frame.kind, frame.flags) == (CONNECTOK, 0)
    assert client.serializer.loads(frame.payload) == "hello"
    assert client.value("add", 1, 2) == 3


def test_calls_are_answered(client: Pyro4Client) -> None:
    assert client.value("add", 1, 2) == 3
    assert client.value("add", 1, kwargs={"b": 4}) == 5
    assert client.value("echo", [1, {"a": "b"}]) == [1, {"a": "b"}]
    assert client.value("__getattr__", "level") == 7
    client.value("__setattr__", "level", 8)
    assert client.target.level == 8


def test_annotations_and_correlation_ids_travel(client: Pyro4Client) -> None:
    (frame,) = client.call("annotated", annotations={"REQ1": b"x"})
    assert client.serializer.loads(frame.payload) == {"seen": ["REQ1"]}
    assert frame.annotations == {"RSP1": b"resp-data"}

    payload = client.serializer.dumps_call("example.target", "add", (1, 2), {})
    (frame,) = client.send(INVOKE, 1, 0, 6, payload, {}, b"c" * 16)
    assert frame.correlation_id == b"c" * 16


def test_errors_have_the_names_of_pyro4(client: Pyro4Client) -> None:
    (frame,) = client.call("fail")
    assert frame.flags == FLAG_EXCEPTION
    error = client.serializer.loads(frame.payload)
    assert (type(error), error.args) == (ValueError, ("boom", 42))
    assert any("boom" in line for line in error._pyroTraceback)
    (frame,) = client.call("add", object_id="nobody")
    assert b"Pyro4.errors.DaemonError" in bytes(frame.payload)
    (frame,) = client.call("unserializable")
    assert b"Pyro4.errors.SerializeError" in bytes(frame.payload)
    for name in ("__init__", "_level", "nothing", "__class__"):
        (frame,) = client.call(name)
        assert type(client.serializer.loads(frame.payload)) is AttributeError
    assert client.value("add", 1, 1) == 2


def test_a_reference_has_the_form_of_pyro4(client: Pyro4Client) -> None:
    (frame,) = client.call("child")
    assert b"'Pyro4.core.Proxy'" in bytes(frame.payload)
    assert b"'PYRO:example.child@localhost:25502'" in bytes(frame.payload)


def test_oneway_calls_and_batches(client: Pyro4Client) -> None:
    assert client.call("notify", "note", flags=FLAG_ONEWAY) == []
    assert client.target._notes == ["note"]
    calls: list[Any] = [("add", (1, 2), {}), ("fail", (), {}), ("add", (3, 4), {})]
    (frame,) = client.call("<batch>", *calls, flags=FLAG_BATCH)
    assert frame.flags == FLAG_BATCH
    assert bytes(frame.payload).count(b"Pyro4.futures._ExceptionWrapper") == 1


def test_streams_have_the_flags_of_pyro4(client: Pyro4Client) -> None:
    (frame,) = client.call("items")
    assert frame.flags == FLAG_EXCEPTION | FLAG_STREAM
    stream = bytes(frame.annotations["STRM"]).decode()
    items = [
        client.value("get_next_stream_item", stream, object_id="Pyro.Daemon")
        for _ in range(2)
    ]
    assert items == ["one", "two"]
    (frame,) = client.call("get_next_stream_item", stream, object_id="Pyro.Daemon")
    assert type(client.serializer.loads(frame.payload)) is StopIteration


def test_blobs_are_not_opened(client: Pyro4Client) -> None:
    routing = b")\x03\xda\x04info\xda\x0eexample.target\xda\x04blob"
    (frame,) = client.call(
        "blob", [1, 2], flags=FLAG_KEEPSERIALIZED, annotations={"BLBI": routing}
    )
    assert client.serializer.loads(frame.payload) == ["info", ([1, 2],)]


def test_a_ping_is_answered(client: Pyro4Client) -> None:
    (frame,) = client.send(PING, 0x1002A, 0, 9, b"ping")
    assert (frame.kind, frame.sequence, frame.payload) == (PING, 9, b"pong")
    assert frame.serializer_id == 0x1002A


def test_answers_are_compressed_if_that_is_wanted() -> None:
    client = Pyro4Client(settings_of(COMPRESSION=True))
    client.connect()
    data = client.link.send(
        b"".join(
            map(
                bytes,
                encode_pyro4_frame(
                    INVOKE, 1, 0, 5,
                    client.serializer.dumps_call("example.target", "long_text", (), {}),
                ),
            )
        )
    )  # fmt: skip
    assert len(data) < 200
    assert data[9] == 0x02


def test_serializers_that_are_not_accepted_are_refused() -> None:
    client = Pyro4Client(serializer="marshal")
    frame = client.connect()
    assert frame.kind == CONNECTFAIL
    assert "SERIALIZERS_ACCEPTED" in client.serializer.loads(frame.payload)
    assert client.link.closing


def test_pickles_are_read_only_by_a_program_that_has_opted_in() -> None:
    payload = pickle.dumps({"handshake": "hello", "object": "example.target"})
    client = Pyro4Client()
    (frame,) = client.send(CONNECT, 79, FLAG_METADATA, 0, payload)
    assert frame.kind == CONNECTFAIL
    assert "'pickle' is not accepted" in str(read_simple(bytes(frame.payload)))

    client = Pyro4Client(settings_of(SERIALIZERS_ACCEPTED=["pickle"]))
    (frame,) = client.send(CONNECT, 79, FLAG_METADATA, 0, payload)
    assert frame.kind == CONNECTOK
    call = pickle.dumps(("example.target", "add", (1, 2), {}))
    (frame,) = client.send(INVOKE, 79, 0, 5, call)
    assert pickle.loads(bytes(frame.payload)) == 3


def test_no_pickled_code_runs_before_a_client_is_admitted() -> None:
    ran: list[object] = []

    def refuse(_client: object, value: object) -> None:
        ran.append(value)
        raise NamingError("no entry")

    client = Pyro4Client(
        settings_of(SERIALIZERS_ACCEPTED=["pickle"]), validate_handshake=refuse
    )
    harmful = pickle.dumps({"handshake": NamingError("made"), "object": "x"})
    (frame,) = client.send(CONNECT, 79, FLAG_METADATA, 0, harmful)
    assert frame.kind == CONNECTFAIL
    assert ran == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"object": "example.target"}, "needs handshake"),
        ({"handshake": "hello"}, "no object named"),
        ({"handshake": "hello", "object": 5}, "no object named"),
        (["hello"], "needs handshake"),
        ({"handshake": "hello", "object": "nobody"}, "unknown object 'nobody'"),
    ],
)
def test_a_bad_handshake_is_refused(value: object, text: str) -> None:
    client = Pyro4Client()
    frame = client.connect(value)
    assert frame.kind == CONNECTFAIL
    assert text in client.serializer.loads(frame.payload)
    assert client.link.closing


def test_the_program_may_refuse_a_client() -> None:
    def refuse(_client: object, value: object) -> None:
        raise ValueError(f"not with {value!r}")

    client = Pyro4Client(validate_handshake=refuse)
    frame = client.connect()
    assert client.serializer.loads(frame.payload) == "not with 'hello'"


def test_a_handshake_has_the_same_limit_as_any() -> None:
    client = Pyro4Client(settings_of(HANDSHAKE_MESSAGE_SIZE=100))
    whole = {"handshake": "x" * 100, "object": "example.target"}
    frame = client.connect(whole)
    assert frame.kind == CONNECTFAIL
    assert "message too large" in str(read_simple(bytes(frame.payload)))

    client = Pyro4Client(settings_of(HANDSHAKE_MESSAGE_SIZE=100))
    client.connect()
    assert len(client.value("echo", "x" * 500)) == 500


def test_a_message_has_the_same_limit_as_any() -> None:
    client = Pyro4Client(settings_of(MAX_MESSAGE_SIZE=1000))
    client.connect()
    (frame,) = client.call("echo", "x" * 2000)
    assert b"message too large" in bytes(frame.payload)
    assert client.link.closing


def test_what_is_malformed_is_answered_and_the_connection_goes_on(
    client: Pyro4Client,
) -> None:
    for payload in (b"", b"(", b"('example.target','add')", b"7"):
        (frame,) = client.send(INVOKE, 1, 0, 5, payload)
        assert frame.flags == FLAG_EXCEPTION
    (frame,) = client.send(INVOKE, 78, 0, 5, b"payload")
    assert b"unknown serializer id 78" in bytes(frame.payload)
    assert client.value("add", 1, 2) == 3


def test_another_message_than_a_handshake_is_refused() -> None:
    client = Pyro4Client()
    (frame,) = client.send(PING, 1, 0, 0, b"ping")
    assert frame.kind == CONNECTFAIL
    assert client.link.closing


def test_a_bad_header_later_on_ends_the_connection(client: Pyro4Client) -> None:
    assert client.exchange(by_name("wire-serpent")["connect"].data) == []
    assert client.link.closing
    assert "protocol 48 was expected" in str(client.link.session.error)


def test_bytes_may_arrive_one_by_one() -> None:
    client = Pyro4Client()
    answers = []
    for byte in by_name("pyro4-wire")["connect"].data.replace(b"'t'", b"'t'"):
        answers += client.exchange(bytes([byte]))
    (frame,) = answers
    assert frame.kind == CONNECTFAIL
    assert "unknown object" in client.serializer.loads(frame.payload)


def test_without_the_setting_such_a_client_is_refused_as_ever() -> None:
    server = Server(SessionSettings())
    (frame,) = decode_all(Link(server).send(by_name("pyro4-wire")["connect"].data))
    assert frame.kind == CONNECTFAIL
    assert read_simple(bytes(frame.payload)) == "invalid protocol version: 48"


def test_other_clients_are_served_as_ever() -> None:
    server = Server(settings_of())
    child = Child()
    server.register(Target(child), "example.target")
    server.register(child, "example.child")
    assert Conversation(server).call("add", 1, 2) == 3
    assert Conversation(server, serializer="json").call("add", 1, 2) == 3
    (frame,) = decode_all(Link(server).send(b"PYRO\x00\x31" + bytes(40)))
    assert read_simple(bytes(frame.payload)) == "invalid protocol version: 49"
    (frame,) = decode_all(Link(server).send(bytes(40)))
    assert read_simple(bytes(frame.payload)) == "invalid data"


def test_with_a_key_messages_are_signed_both_ways() -> None:
    key = HmacKey("secret")
    client = Pyro4Client(settings_of(PYRO4_HMAC_KEY="secret"), key=key)
    assert client.connect().kind == CONNECTOK
    # The decoder refuses what is not signed.
    assert client.value("add", 1, 2) == 3


@pytest.mark.parametrize("theirs", ["other", None])
def test_with_a_key_nobody_else_is_admitted(theirs: str | None) -> None:
    right = HmacKey("secret")
    client = Pyro4Client(settings_of(PYRO4_HMAC_KEY="secret"), key=right)
    wrong = None if theirs is None else HmacKey(theirs)
    payload = client.serializer.dumps({"handshake": "hello", "object": "x"})
    (frame,) = client.send(CONNECT, 1, FLAG_METADATA, 0, payload, key=wrong)
    assert frame.kind == CONNECTFAIL
    assert "HMAC" in str(read_simple(bytes(frame.payload)))
    assert "HMAC" in str(client.link.session.error)
    assert client.link.closing


def test_with_a_key_a_client_that_cannot_sign_is_refused() -> None:
    server = Server(settings_of(PYRO4_HMAC_KEY="secret"))
    for _ in range(2):
        refused = Conversation(server).accepted
        assert isinstance(refused, ConnectRefused)
        assert "PYRO4_HMAC_KEY" in refused.reason
        assert "secret" not in refused.reason


def test_a_call_that_is_not_signed_ends_the_connection() -> None:
    key = HmacKey("secret")
    client = Pyro4Client(settings_of(PYRO4_HMAC_KEY="secret"), key=key)
    client.connect()
    payload = client.serializer.dumps_call("example.target", "notify", (1,), {})
    assert client.send(INVOKE, 1, 0, 5, payload, key=HmacKey("other")) == []
    assert client.link.closing
    assert client.target._notes == []


def test_a_key_can_be_set_later_and_taken_away() -> None:
    settings = settings_of().with_hmac_key(HmacKey("secret"))
    client = Pyro4Client(settings, key=HmacKey("secret"))
    assert client.connect().kind == CONNECTOK
    assert settings.with_hmac_key(None).pyro4 == settings_of().pyro4
    with pytest.raises(LocalProtocolError, match="PYRO4_CLIENTS"):
        SessionSettings().with_hmac_key(HmacKey("secret"))
    assert "secret" not in repr(settings)


def test_messages_are_logged_if_that_is_wanted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG, "pyro.wire"):
        client = Pyro4Client(settings_of(LOGWIRE=True))
        client.connect()
        client.value("add", 1, 2)
    assert "received: protocol=48 type=4" in caplog.text
    assert "sending: protocol=48 type=5" in caplog.text


def test_the_key_is_a_secret_of_the_configuration() -> None:
    config = Configuration({"PYRO4_HMAC_KEY": "secret"}, use_environment=False)
    assert "secret" not in repr(config)
    assert "secret" not in config.dump()


@given(st.lists(st.binary(max_size=80), max_size=4))
def test_any_bytes_get_an_answer_or_silence(pieces: Sequence[bytes]) -> None:
    client = Pyro4Client()
    client.connect()
    for piece in pieces:
        client.exchange(piece)
        if client.link.closing:
            break


@given(st.integers(0, 400), st.integers(1, 255))
def test_one_wrong_byte_in_a_conversation_harms_nobody(place: int, change: int) -> None:
    client = Pyro4Client()
    payload = client.serializer.dumps_call("example.target", "echo", ("x",), {})
    connect = {"handshake": "hello", "object": "example.target"}
    data = bytearray()
    for kind, flags, body in (
        (CONNECT, FLAG_METADATA, client.serializer.dumps(connect)),
        (INVOKE, 0, payload),
    ):
        data += b"".join(
            map(bytes, encode_pyro4_frame(kind, 1, flags, 0, body, {"AAAA": b"1"}))
        )
    data[place % len(data)] ^= change
    client.link.send(bytes(data))
