"""The conversation recorded with Pyro5's name server, held with ours."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol.serializers import serializers_by_id
from pyro_protocol.wire import Decoder, Frame, MessageType

if TYPE_CHECKING:
    from pyro_naming import NameServerDaemon

VECTORS = Path(__file__).parents[1] / "vectors" / "nameserver.json"
OWN_METHODS = {
    "changes",
    "describe",
    "entries",
    "locate",
    "position",
    "renew",
    "watch",
}
MESSAGES: list[dict[str, Any]] = json.loads(VECTORS.read_text("utf-8"))


def next_frame(decoder: Decoder, sock: socket.socket) -> Frame:
    while (frame := decoder.next_frame()) is None:
        data = sock.recv(65536)
        assert data, "the name server has closed the connection"
        decoder.receive_data(data)
    return frame


def new_decoder() -> Decoder:
    return Decoder(1 << 20, 256, frozenset(MessageType))


def decoded(message: dict[str, Any]) -> Frame:
    decoder = new_decoder()
    decoder.receive_data(bytes.fromhex(message["hex"]))
    frame = decoder.next_frame()
    assert frame is not None
    return frame


def meaning(frame: Frame) -> object:
    """Return what an answer says, without what differs from run to run."""
    value = serializers_by_id[frame.serializer_id].loads(frame.payload)
    if isinstance(value, Exception):
        value = (type(value), value.args)
    elif frame.kind == MessageType.CONNECTOK:
        value["meta"] = {what: set(names) for what, names in value["meta"].items()}
    return value


@pytest.mark.parametrize("serializer", ["serpent", "json"])
def test_every_recorded_answer_means_the_same(
    daemon: NameServerDaemon, port: int, serializer: str
) -> None:
    messages = [one for one in MESSAGES if one["serializer"] == serializer]
    assert len(messages) == 24
    decoder = new_decoder()
    with socket.create_connection(("127.0.0.1", port), 20) as sock:
        for request, expected in zip(messages[::2], messages[1::2], strict=True):
            sock.sendall(bytes.fromhex(request["hex"]))
            answer = next_frame(decoder, sock)
            recorded = decoded(expected)
            meant: Any = meaning(answer)
            if answer.kind == MessageType.CONNECTOK:
                # It has more methods, which clients of Pyro5 do not ask for.
                meant["meta"]["methods"] -= OWN_METHODS
            assert meant == meaning(recorded), request["name"]
            assert (answer.kind, answer.flags & 1, answer.sequence) == (
                recorded.kind,
                recorded.flags & 1,
                recorded.sequence,
            )
