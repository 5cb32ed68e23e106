from __future__ import annotations

import marshal
from typing import Any

import pytest

from protocol.conversation import ALL_SERIALIZERS, Conversation, Server
from pyro_protocol import SerializedBlob, expose
from pyro_protocol.errors import SerializeError
from pyro_protocol.serializers import serializers
from pyro_protocol.session import SessionSettings, read_reply
from pyro_protocol.session.blobs import BLOB_ANNOTATION, encode_blob
from pyro_protocol.wire import FLAG_KEEPSERIALIZED, encode_frame


@expose
class Receiver:
    def __init__(self) -> None:
        self.blob: SerializedBlob | None = None

    def take(self, blob: SerializedBlob) -> object:
        self.blob = blob
        return blob.info

    def value(self) -> Any:
        assert self.blob is not None
        return self.blob.deserialized()


def send(line: Conversation, blob: SerializedBlob, **options: Any) -> Any:
    serializer_id, payload, annotations = encode_blob(
        blob, "example.target", "take", line.serializer
    )
    annotations = options.get("annotations", annotations)
    line.client.send_request(serializer_id, payload, FLAG_KEEPSERIALIZED, annotations)
    (frame,) = line.pump()
    return read_reply(frame, serializer_id)


def new_server() -> tuple[Server, Receiver]:
    server, receiver = Server(ALL_SERIALIZERS), Receiver()
    server.register(receiver, "example.target")
    return server, receiver


@pytest.mark.parametrize("serializer", ["serpent", "json", "msgpack", "marshal"])
def test_a_blob_arrives_unread_and_can_be_read(serializer: str) -> None:
    server, receiver = new_server()
    line = Conversation(server, serializer=serializer, settings=ALL_SERIALIZERS)

    info = send(line, SerializedBlob("blobinfo", [1, {"a": 2}]))

    assert info == "blobinfo"
    assert receiver.blob is not None
    assert receiver.blob.is_blob
    assert isinstance(receiver.blob.data, bytes)
    assert receiver.blob.deserialized() == [1, {"a": 2}]


@pytest.mark.parametrize("serializer", ["serpent", "json", "msgpack"])
def test_a_received_blob_is_passed_on_as_it_came(serializer: str) -> None:
    server, receiver = new_server()
    send(Conversation(server, serializer=serializer), SerializedBlob("first", [1, 2]))
    assert receiver.blob is not None
    received = receiver.blob
    other_server, other_receiver = new_server()

    # The line's own serializer does not matter: the payload has one already.
    send(Conversation(other_server, serializer="msgpack"), received)

    assert other_receiver.blob is not None
    assert other_receiver.blob.data == received.data
    assert other_receiver.blob.deserialized() == [1, 2]


def test_a_compressed_blob_is_passed_on_inflated() -> None:
    server, receiver = new_server()
    line = Conversation(server, settings=SessionSettings(compress=True))
    send(line, SerializedBlob("info", ["x" * 1000]))
    assert receiver.blob is not None

    assert receiver.blob.deserialized() == ["x" * 1000]
    assert len(receiver.blob.data) > 1000


def test_a_payload_that_is_garbage_hurts_only_the_one_who_reads_it() -> None:
    server, receiver = new_server()
    line = Conversation(server)
    routing = encode_blob(
        SerializedBlob("i", 1), "example.target", "take", line.serializer
    )[2]

    line.client.send_request(1, b"((((", FLAG_KEEPSERIALIZED, routing)
    (frame,) = line.pump()

    assert read_reply(frame, 1) == "i"
    with pytest.raises(SerializeError):
        receiver.value()


@pytest.mark.parametrize(
    "routing",
    [
        None,
        b"",
        b"garbage",
        marshal.dumps("text"),
        marshal.dumps(("info", "example.target")),
        marshal.dumps(("info", "example.target", 5)),
        marshal.dumps(("info", b"example.target", "take")),
        marshal.dumps(["info", "example.target", "take"]),
        marshal.dumps((compile("1", "x", "eval"), "example.target", "take")),
        b"\xe9\xff\xff\xff\x7f",
    ],
)
def test_unusable_routing_is_answered_and_the_connection_stays(
    routing: bytes | None,
) -> None:
    server, _receiver = new_server()
    line = Conversation(server)
    annotations = {} if routing is None else {BLOB_ANNOTATION: routing}

    with pytest.raises(Exception, match=r"marshal|BLBI"):
        send(line, SerializedBlob("info", [1]), annotations=annotations)

    assert not line.link.closing
    assert send(line, SerializedBlob("again", [1])) == "again"


def test_routing_is_written_so_that_every_python_can_read_it() -> None:
    blob = SerializedBlob(("info", 5, None), [1])

    _id, _payload, annotations = encode_blob(
        blob, "object", "method", serializers["serpent"]
    )

    assert marshal.loads(annotations["BLBI"]) == (("info", 5, None), "object", "method")


def test_info_that_is_not_plain_is_refused_before_sending() -> None:
    with pytest.raises(SerializeError, match="object"):
        encode_blob(
            SerializedBlob(object(), [1]), "object", "method", serializers["json"]
        )


def test_a_blob_in_a_serializer_that_is_not_accepted_is_refused() -> None:
    server = Server()
    server.register(Receiver(), "example.target")
    line = Conversation(server)
    blob = SerializedBlob("info", [1])
    serializer_id, payload, annotations = encode_blob(
        blob, "example.target", "take", serializers["marshal"]
    )
    message = encode_frame(
        4, serializer_id, FLAG_KEEPSERIALIZED, 1, payload, annotations
    )

    (frame,) = line.link.exchange(b"".join(message))

    with pytest.raises(Exception, match="not accepted here"):
        read_reply(frame, frame.serializer_id)


def test_a_value_that_was_not_received_is_its_own_data() -> None:
    blob = SerializedBlob("info", [1])

    assert not blob.is_blob
    assert blob.serializer is None
    assert blob.deserialized() == [1]


@pytest.mark.parametrize("data", [b"5", b"'text'", b"[1, 2, 3]", b"{'a': 1}", b"None"])
def test_a_blob_that_holds_no_call_is_malformed(data: bytes) -> None:
    blob = SerializedBlob("info", data, serializers["serpent"])

    with pytest.raises(SerializeError, match="not a call"):
        blob.deserialized()
