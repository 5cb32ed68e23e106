"""Peers that say anything: to a server in memory, and to the session of a client."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from fuzz.script import Script
from fuzz.values import check_value
from protocol.conversation import Link, Server
from protocol.example import Child, Target
from protocol.golden import ALL_KINDS
from pyro_protocol.contract import members_of
from pyro_protocol.errors import ProtocolError, PyroError
from pyro_protocol.references import SerializedBlob
from pyro_protocol.serializers import serializers, serializers_by_id
from pyro_protocol.session import (
    ClientSession,
    ConnectRequest,
    ServerSession,
    SessionSettings,
    StreamReference,
    read_reply,
)
from pyro_protocol.session.capabilities import SUPPORTED_CAPABILITIES
from pyro_protocol.session.client import ClientState
from pyro_protocol.wire import (
    FLAG_EXCEPTION,
    FLAG_ONEWAY,
    Decoder,
    Frame,
    MessageType,
)
from pyro_protocol.wire.frame import HEADER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["talk_to_client", "talk_to_server", "talk_to_session"]

_SETTINGS: Final = SessionSettings(max_message_size=1 << 20)
_SERPENT: Final = serializers["serpent"]
_NATIVE: Final = serializers["native"]
_JSON: Final = serializers["json"]
_OBJECT: Final = "example.target"
_MARK: Final = "still here"
_WHOLE_MESSAGE: Final = 0


def _new_client(capabilities: Iterable[str]) -> ClientSession:
    return ClientSession(_SETTINGS, capabilities=capabilities)


def _next_data(script: Script, serializer_id: int) -> bytes:
    """Return the next bytes of a peer: a message, or bytes of any kind."""
    if script.number() & 1 != _WHOLE_MESSAGE:
        return script.block()
    kind = script.number()
    chosen = script.number()
    flags = script.number()
    sequence = script.number(2)
    chunks = b""
    for _ in range(script.number() % 3):
        name, data = script.take(4).ljust(4, b"X"), script.block()
        chunks += name + len(data).to_bytes(4, "big") + data
    payload = script.block()
    # Most serializer ids mean nothing: what means nothing stands for the usual one.
    if chosen not in serializers_by_id and chosen:
        chosen = serializer_id
    head = HEADER.pack(
        *(b"PYRO", 502, kind, chosen, flags, sequence, len(payload), len(chunks)),
        *(bytes(16), 0, 0x4DC5),
    )
    return head + chunks + payload


def _answers(data: bytes) -> list[Frame]:
    decoder = Decoder(1 << 24, 256, ALL_KINDS)
    decoder.receive_data(data)
    frames = []
    while (frame := decoder.next_frame()) is not None:
        frames.append(frame)
    assert decoder.buffered == 0
    return frames


class _Log(logging.Handler):
    """Makes the text of every record, as a program's handler would."""

    def emit(self, record: logging.LogRecord) -> None:
        record.getMessage()


@contextmanager
def _logged() -> Iterator[None]:
    logger, log = logging.getLogger("pyro"), _Log()
    propagated, logger.propagate = logger.propagate, False
    logger.addHandler(log)
    try:
        yield
    finally:
        logger.removeHandler(log)
        logger.propagate = propagated


@_logged()
def talk_to_server(data: bytes) -> None:
    """Talk to a server as any client may, before and after the handshake.

    Whatever is said, the server answers in messages, or ends the conversation; if
    it goes on, the next good call is answered; and others notice nothing.
    """
    script = Script(data)
    server = Server(_SETTINGS)
    target = Target(Child())
    server.register(target, _OBJECT)
    mode = script.choice(("silent", "serpent", "native", "all", "connected"))
    link = Link(server, connected=mode == "connected")
    if mode not in {"silent", "connected"}:
        offered = {"serpent": frozenset[str](), "native": frozenset({"native"})}
        client = _new_client(offered.get(mode, SUPPORTED_CAPABILITIES))
        client.send_connect(_JSON, _OBJECT, "hello")
        (answer,) = _answers(link.send(b"".join(client.data_to_send())))
        assert answer.kind == MessageType.CONNECTOK
    while not script.ended and not link.closing:
        _answers(link.send(_next_data(script, _SERPENT.id)))
    if not link.closing and mode != "silent" and not link.session.missing:
        _check_good_call(link)
    link.session.receive_eof()
    link.connection.close()
    _check_good_call(Link(server, connected=True))


def _check_good_call(link: Link) -> None:
    payload = _JSON.dumps_call(_OBJECT, "echo", [_MARK], {})
    head = HEADER.pack(
        *(b"PYRO", 502, MessageType.INVOKE, _JSON.id, 0, 0xABCD, len(payload), 0),
        *(bytes(16), 0, 0x4DC5),
    )
    *_, answer = _answers(link.send(head + payload))
    assert answer.kind == MessageType.RESULT
    assert answer.sequence == 0xABCD
    assert read_reply(answer, _JSON.id) == _MARK


@_logged()
def talk_to_session(data: bytes) -> None:
    """Talk to the session of a server with all that there is agreed on.

    Nothing ever comes out of it but events and messages. Requests are answered at
    once or, as the bytes choose, when more has arrived.
    """
    script = Script(data)
    session = ServerSession(_SETTINGS, capabilities=SUPPORTED_CAPABILITIES)
    client = _new_client(SUPPORTED_CAPABILITIES)
    client.send_connect(_JSON, _OBJECT, "hello")
    session.receive_data(b"".join(client.data_to_send()))
    (request,) = session.events_received()
    assert isinstance(request, ConnectRequest)
    session.send_accept(request, "hello", members_of(Target).metadata())
    waiting: list[Frame] = []
    while not script.ended and not session.closing:
        session.receive_data(_next_data(script, _NATIVE.id))
        waiting += [one for one in session.events_received() if isinstance(one, Frame)]
        if script.number() & 1 == 0:
            _answer_all(session, waiting)
        _answers(b"".join(session.data_to_send()))
    session.receive_eof()


def _answer_all(session: ServerSession, waiting: list[Frame]) -> None:
    for frame in waiting:
        if frame.kind == MessageType.PING:
            session.send_pong(frame)
            continue
        try:
            args = session.read_call(frame).args
            for one in args:
                check_value(one.deserialized() if type(one) is SerializedBlob else one)
        except PyroError as error:
            session.send_exception(frame, error)
            continue
        if not frame.flags & FLAG_ONEWAY:
            session.send_result(frame, None)
    waiting.clear()


@_logged()
def talk_to_client(data: bytes) -> None:
    """Answer a client as any server may.

    Whatever is answered, the client has an event or a protocol error, after which
    its conversation is over.
    """
    script = Script(data)
    mode = script.choice(("asking", "serpent", "native", "all", "connected"))
    serializer = _NATIVE if mode in {"native", "all"} else _SERPENT
    client = _connected_client(mode)
    while not script.ended:
        if client.state is ClientState.OPEN:
            client.send_call(serializer, _OBJECT, "echo", [1], {})
        client.data_to_send()
        try:
            client.receive_data(_next_data(script, serializer.id))
        except ProtocolError:
            assert client.state is ClientState.CLOSED
            return
        for event in client.events_received():
            if isinstance(event, Frame) and event.kind == MessageType.RESULT:
                _check_reply(event, serializer.id)
        if client.state is ClientState.CLOSED:
            return


def _connected_client(mode: str) -> ClientSession:
    if mode == "connected":
        return ClientSession(_SETTINGS, connected=True)
    offered = {"serpent": frozenset[str](), "native": frozenset({"native"})}
    client = _new_client(offered.get(mode, SUPPORTED_CAPABILITIES))
    client.send_connect(_JSON, _OBJECT, "hello")
    if mode != "asking":
        client.receive_data(_admission(b"".join(client.data_to_send())))
        client.events_received()
    return client


@cache
def _admission(connect: bytes) -> bytes:
    """Return what a server answers to a CONNECT, which is always the same."""
    server = Server(_SETTINGS)
    server.register(Target(Child()), _OBJECT)
    return Link(server).send(connect)


def _check_reply(frame: Frame, serializer_id: int) -> None:
    """Check that a reply is a value, an error of ours, or the exception it holds."""
    value: Any = None
    raised: Exception | None = None
    try:
        value = read_reply(frame, serializer_id)
    except PyroError:
        return
    except Exception as error:  # noqa: BLE001 - it has to be the one that was sent
        raised = error
    if raised is not None:
        value = serializers_by_id[frame.serializer_id].loads(frame.payload)
        assert type(value) is type(raised), repr(raised)
    assert bool(frame.flags & FLAG_EXCEPTION) == (raised is not None) or isinstance(
        value, StreamReference
    )
    if not isinstance(value, StreamReference):
        check_value(value)
