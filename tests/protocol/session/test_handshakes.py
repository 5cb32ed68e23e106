"""What is kept of handshakes: it saves time, and must never be told from outside."""

from __future__ import annotations

import gc
import secrets
from concurrent.futures import ThreadPoolExecutor
from types import FrameType, MappingProxyType, ModuleType
from typing import Any

import pytest

from protocol.golden import decode_all
from pyro_protocol import expose
from pyro_protocol.contract import members_of, reset_members
from pyro_protocol.serializers import serializers
from pyro_protocol.session import (
    ClientSession,
    ConnectAccepted,
    ConnectRequest,
    ServerSession,
    SessionSettings,
)
from pyro_protocol.session.capabilities import SUPPORTED_CAPABILITIES
from pyro_protocol.session.handshakes import read_accept
from pyro_protocol.wire import NO_ANNOTATIONS, Frame, MessageType, encode_frame

SERPENT = serializers["serpent"]
JSON = serializers["json"]
OFFER = {
    "methods": frozenset({"add", "tell"}),
    "oneway": frozenset({"tell"}),
    "attrs": frozenset({"level"}),
}
CONNECT = int(MessageType.CONNECT)


def connect(
    object_id: str = "thing",
    greeting: Any = "hello",
    settings: SessionSettings | None = None,
    *,
    serializer: Any = SERPENT,
    sequence: int = 0,
    **extra: Any,
) -> tuple[ClientSession, bytes]:
    """Return a client that has begun to connect, and what it sends."""
    client = ClientSession(settings or SessionSettings(), sequence=sequence)
    client.send_connect(serializer, object_id, greeting, **extra)
    return client, b"".join(client.data_to_send())


def served(
    message: bytes, settings: SessionSettings, **options: Any
) -> tuple[ServerSession, ConnectRequest]:
    """Return a server that has received a message, and what it makes of it."""
    server = ServerSession(settings, **options)
    server.receive_data(message)
    [request] = server.events_received()
    assert isinstance(request, ConnectRequest)
    return server, request


def converse(
    settings: SessionSettings,
    *,
    object_id: str = "thing",
    greeting: Any = "hello",
    answer: Any = "hello",
    offer: Any = OFFER,
    annotations: Any = NO_ANNOTATIONS,
    **extra: Any,
) -> ConnectAccepted:
    """Return what a client gets to know in a whole handshake."""
    client, message = connect(object_id, greeting, settings, **extra)
    server, request = served(message, settings)
    assert (request.object_id, request.handshake) == (object_id, greeting)
    server.send_accept(request, answer, offer, annotations)
    client.receive_data(b"".join(server.data_to_send()))
    [accepted] = client.events_received()
    assert isinstance(accepted, ConnectAccepted)
    return accepted


_LOOKED_AT = frozenset({str, bytes, dict, tuple})
_NOT_ASKED = frozenset({FrameType, ModuleType})


def new_secret() -> bytearray:
    """Return a text that nobody has, as something that is not taken for a text."""
    return bytearray(secrets.token_hex().encode())


def is_kept(secret: bytearray) -> bool:
    """Whether anything in the program still holds a text."""
    gc.collect()
    encoded = bytes(secret)
    text = encoded.decode()
    # The frames are those of the test itself. Modules are left out, as what they hold
    # stands in their dictionaries, and asking that of asyncio about what it refers to
    # breaks the interpreter (https://github.com/python/cpython/issues/122695).
    # What holds it may be older than the test.
    gc.unfreeze()
    holders = [one for one in gc.get_objects() if type(one) not in _NOT_ASKED]
    # What is shared by many is looked at once, or this would take for ever.
    seen: set[int] = set()
    while holders:
        for one in gc.get_referents(holders.pop()):
            if type(one) not in _LOOKED_AT or id(one) in seen:
                continue
            seen.add(id(one))
            if type(one) is str and text in one:
                return True
            if type(one) is bytes and encoded in one:
                return True
            if type(one) in (dict, tuple) and not gc.is_tracked(one):
                holders.append(one)
    return False


def test_a_text_that_is_kept_is_found() -> None:
    secret = new_secret()
    kept: list[Any] = [{"text": f"before {secret.decode()} after"}]
    assert is_kept(secret)

    kept[0] = ((1, (bytes(secret), 2)), 3)
    assert is_kept(secret)

    kept.clear()
    assert not is_kept(secret)


def with_secret(value: Any, secret: bytearray) -> Any:
    """Return a value with the secret in the place of the word SECRET."""
    if isinstance(value, dict):
        return {key: with_secret(one, secret) for key, one in value.items()}
    if isinstance(value, list):
        return [with_secret(one, secret) for one in value]
    if isinstance(value, bytes):
        return value.replace(b"SECRET", secret)
    return value.replace("SECRET", secret.decode())


@pytest.mark.parametrize("serializer", ["serpent", "json", "marshal"])
def test_every_handshake_is_answered_like_the_first(serializer: str) -> None:
    settings = SessionSettings(
        accepted_serializers=frozenset(one.id for one in serializers.values())
    )

    first, second, third = (
        converse(settings, serializer=serializers[serializer]) for _ in range(3)
    )

    assert first == second == third
    assert first.methods == {"add", "tell"}
    assert first.oneway == {"tell"}
    assert first.attributes == {"level"}


def test_clients_of_several_objects_and_greetings_are_not_mixed_up() -> None:
    settings = SessionSettings()
    other = {**OFFER, "methods": frozenset({"subtract"})}
    for _ in range(2):
        assert converse(settings, object_id="one").methods == {"add", "tell"}
        assert converse(settings, object_id="two", offer=other).methods == {"subtract"}
        assert converse(settings, greeting="hi", answer="welcome").handshake == (
            "welcome"
        )
        assert converse(settings, greeting={"user": "me"}).handshake == "hello"
        assert converse(settings, answer=["hello"]).handshake == ["hello"]


def test_a_message_that_is_known_is_not_read_again() -> None:
    settings = SessionSettings()
    _, message = connect()

    _, first = served(message, settings)
    _, second = served(message, settings)
    _, third = served(message, settings)

    assert second == first
    assert third is second
    with pytest.raises(TypeError):
        second.frame.annotations["CAPS"] = b""  # type: ignore[index] # that is the point


@pytest.mark.parametrize(
    "extra",
    [
        {"greeting": {"user": "me", "password": "SECRET"}},
        {"greeting": "SECRET"},
        {"greeting": ["hello", "SECRET"]},
        {"answer": {"token": "SECRET"}},
        {"answer": "SECRET"},
        {"annotations": {"TOKN": b"SECRET"}},
    ],
    ids=str,
)
def test_nothing_that_may_be_secret_is_kept(extra: dict[str, Any]) -> None:
    settings = SessionSettings()
    secret = new_secret()

    for _ in range(3):
        converse(settings, **with_secret(extra, secret))

    assert not is_kept(secret)


def test_annotations_of_a_client_are_not_kept() -> None:
    settings = SessionSettings()
    secret = new_secret()

    def annotation_received() -> bytes:
        _, message = connect(annotations={"TOKN": bytes(secret)})
        _, request = served(message, settings)
        return bytes(request.frame.annotations["TOKN"])

    for _ in range(3):
        assert annotation_received() == secret

    assert not is_kept(secret)


def test_what_is_said_besides_the_greeting_is_not_kept() -> None:
    settings = SessionSettings()
    secret = new_secret()
    said = {"handshake": "hello", "object": "thing", "password": "SECRET"}
    names: dict[str, Any] = {"methods": [], "oneway": [], "attrs": []}
    offer = {"handshake": "hello", "meta": {**names, "token": "SECRET"}}

    payload = SERPENT.dumps(with_secret(said, secret))
    served(b"".join(encode_frame(CONNECT, SERPENT.id, 0, 0, payload)), settings)
    read_accept(SERPENT, SERPENT.dumps(with_secret(offer, secret)))

    del payload
    assert not is_kept(secret)


def test_an_answer_carries_what_its_own_request_did() -> None:
    settings = SessionSettings()
    for sequence, correlation_id in ((0, None), (7, None), (0, b"c" * 16), (7, None)):
        _, message = connect(sequence=sequence, correlation_id=correlation_id)
        server, request = served(message, settings)
        server.send_accept(request, "hello", OFFER)
        [answer] = decode_all(b"".join(server.data_to_send()))
        assert (answer.sequence, answer.correlation_id) == (sequence, correlation_id)


def test_what_one_server_accepts_another_may_refuse() -> None:
    _, message = connect(serializer=JSON)
    served(message, SessionSettings())
    strict = ServerSession(
        SessionSettings(accepted_serializers=frozenset({SERPENT.id}))
    )

    strict.receive_data(message)

    assert strict.events_received() == []
    assert strict.closing


def test_what_is_agreed_on_depends_on_what_the_server_offers() -> None:
    settings = SessionSettings()
    client = ClientSession(settings, capabilities=SUPPORTED_CAPABILITIES)
    client.send_connect(SERPENT, "thing", "hello")
    message = b"".join(client.data_to_send())

    for _ in range(2):
        for offered in (frozenset({"native"}), SUPPORTED_CAPABILITIES, frozenset()):
            _, request = served(message, settings, capabilities=offered)
            assert request.capabilities == offered


def test_a_known_message_may_be_followed_by_a_call() -> None:
    settings = SessionSettings()
    _, message = connect()
    served(message, settings)
    payload = SERPENT.dumps_call("thing", "add", (1, 2), {})
    [call] = encode_frame(int(MessageType.INVOKE), SERPENT.id, 0, 1, payload)

    for pieces in ([message + bytes(call)], [message, bytes(call)]):
        server = ServerSession(settings)
        for piece in pieces:
            server.receive_data(piece)
        [request] = server.events_received()
        assert isinstance(request, ConnectRequest)
        server.send_accept(request, "hello", OFFER)
        [frame] = server.events_received()
        assert isinstance(frame, Frame)
        assert frame.sequence == 1


def test_a_known_message_may_come_byte_by_byte() -> None:
    settings = SessionSettings()
    _, message = connect()
    served(message, settings)
    server = ServerSession(settings)

    for position in range(len(message)):
        server.receive_data(message[position : position + 1])

    [request] = server.events_received()
    assert isinstance(request, ConnectRequest)
    assert request.object_id == "thing"


def test_peers_cannot_fill_the_memory_with_what_is_kept() -> None:
    settings = SessionSettings(handshake_message_size=100_000)
    for number in range(1000):
        served(connect(f"object-{number}")[1], settings)
    served(connect("x" * 20_000)[1], settings)

    kept = settings.usual_connects
    assert 0 < len(kept) <= 128
    assert all(len(message) <= 8192 for _offered, message in kept)


def test_each_connection_has_a_name_of_its_own_though_all_else_is_known() -> None:
    settings = SessionSettings()
    for name in ("0123456789abcdef", "fedcba9876543210", "short", "0123456789abcdef"):
        accepted = converse(settings, annotations={"LEAS": name.encode()})
        assert (accepted.lease_key, accepted.annotations) == (name, {})
        assert accepted.methods == {"add", "tell"}


def test_a_server_without_names_for_connections_may_follow_one_that_has_them() -> None:
    settings = SessionSettings()
    names = [
        converse(settings, annotations=annotations).lease_key
        for annotations in ({"LEAS": b"0123456789abcdef"}, {}, {})
    ]
    assert names == ["0123456789abcdef", None, None]


def test_the_name_of_a_connection_is_not_kept() -> None:
    settings = SessionSettings()
    name = new_secret()[:16]

    for _ in range(3):
        assert converse(settings, annotations={"LEAS": bytes(name)}).lease_key

    assert not is_kept(name)


def test_what_a_server_says_besides_arrives_each_time() -> None:
    settings = SessionSettings()
    for said in (b"1", b"2", b"2"):
        accepted = converse(
            settings, annotations={"LEAS": b"0123456789abcdef", "SAYS": said}
        )
        assert accepted.annotations == {"SAYS": said}


def test_servers_cannot_fill_the_memory_with_what_is_kept() -> None:
    settings = SessionSettings()
    for number in range(1000):
        names = frozenset({f"method_{number}"})
        offer = {"methods": names, "oneway": frozenset(), "attrs": frozenset()}
        converse(settings, offer=offer, annotations={"LEAS": b"0123456789abcdef"})

    kept = settings.usual_answers
    assert 0 < len(kept) <= 128
    assert all(len(message) <= 8192 for _known, message in kept)


def test_a_changed_class_offers_its_new_members() -> None:
    @expose
    class Thing:
        def add(self) -> None: ...

    settings = SessionSettings()
    before = converse(settings, offer=members_of(Thing).offer)

    Thing.subtract = expose(lambda _self: None)  # type: ignore[attr-defined] # new
    Thing.subtract.__name__ = "subtract"  # type: ignore[attr-defined] # new
    reset_members(Thing)
    after = converse(settings, offer=members_of(Thing).offer)

    assert before.methods == {"add"}
    assert after.methods == {"add", "subtract"}


def test_sets_that_may_change_are_read_each_time() -> None:
    settings = SessionSettings()
    methods = {"add"}
    offer = {"methods": methods, "oneway": set(), "attrs": set()}

    before = converse(settings, offer=offer)
    methods.add("subtract")
    after = converse(settings, offer=offer)

    assert before.methods == {"add"}
    assert after.methods == {"add", "subtract"}


def test_offers_that_cannot_change_are_not_mixed_up() -> None:
    settings = SessionSettings()
    key = {"LEAS": b"0123456789abcdef"}
    for number in range(300):
        methods = frozenset({f"method_{number}"})
        # Each in the place of the last one, if that was not kept.
        offer = MappingProxyType({**OFFER, "methods": methods})
        for _ in range(2):
            accepted = converse(settings, offer=offer, annotations=key)
            assert accepted.methods == methods
        odd = converse(settings, answer="other", offer=offer, annotations=key)
        assert (odd.handshake, odd.methods) == ("other", methods)


def test_an_object_with_very_many_members_is_offered_too() -> None:
    methods = frozenset(f"method_{number}" for number in range(1000))
    offer = {**OFFER, "methods": methods}

    assert converse(SessionSettings(), offer=offer).methods == methods


def test_messages_are_logged_though_they_are_known(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = SessionSettings(log_wire=True)
    caplog.set_level("DEBUG", "pyro.wire")

    for _ in range(3):
        caplog.clear()
        converse(settings)
        assert len(caplog.records) == 4


def test_compressed_handshakes_are_understood() -> None:
    settings = SessionSettings(compress=True)
    for _ in range(3):
        assert converse(settings, object_id="x" * 500).methods == {"add", "tell"}


def test_several_threads_may_shake_hands_at_the_same_time() -> None:
    settings = SessionSettings()

    def many(number: int) -> set[frozenset[str]]:
        offer = {**OFFER, "methods": frozenset({f"method_{number}"})}
        return {
            converse(settings, object_id=f"{number}-{turn}", offer=offer).methods
            for turn in range(200)
        }

    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(many, range(4)))

    assert results == [{frozenset({f"method_{number}"})} for number in range(4)]
