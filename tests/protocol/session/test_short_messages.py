"""What the parts of short messages make is what every other way writes."""

from __future__ import annotations

import pytest

from pyro_protocol.serializers import serializers
from pyro_protocol.serializers.native_packing import new_arguments_packer
from pyro_protocol.session.short_messages import (
    ANSWER,
    CALL,
    ITEM_START,
    NO_MORE,
    CallBeginnings,
    asked_item,
    beginnings_of,
    ending_of,
    item_request,
    items_beginning,
    join_header,
    join_item_start,
)
from pyro_protocol.session.stream_frames import pack_credit, pack_items
from pyro_protocol.wire import NO_ANNOTATIONS, Annotations, MessageType, encode_frame

NATIVE = serializers["native"]


@pytest.mark.parametrize("annotations", [NO_ANNOTATIONS, {"DLIN": bytes(8)}])
@pytest.mark.parametrize(
    ("method", "kwargs"), [("add", {}), ("add", {"b": 3}), ("__getattr__", None)]
)
def test_a_call_is_written_as_always(
    method: str, kwargs: dict[str, object] | None, annotations: Annotations
) -> None:
    begins = CallBeginnings("thing", annotations)
    assert begins.learn(method)
    join, end, size, no_keywords = begins.known[method]
    pack = new_arguments_packer()
    body = pack((1, "two")) + (pack(kwargs) if kwargs else no_keywords)
    message = join(CALL, 7, size + len(body), end) + body
    payload = NATIVE.dumps_call("thing", method, (1, "two"), kwargs)
    assert message == b"".join(
        encode_frame(int(MessageType.INVOKE), NATIVE.id, 0, 7, payload, annotations)
    )
    join, end, size, _ = begins.known[None]
    assert join(CALL, 7, size + len(payload), end) + payload == message


def test_an_answer_is_known_by_its_header() -> None:
    payload = NATIVE.dumps("text")
    message = b"".join(
        encode_frame(int(MessageType.RESULT), NATIVE.id, 0, 9, payload, NO_ANNOTATIONS)
    )
    assert message == join_header(ANSWER, 9, len(payload), NO_MORE) + payload


def test_a_method_is_learned_once() -> None:
    begins = CallBeginnings("thing")
    assert begins.learn("add")
    assert not begins.learn("add")


def test_no_more_names_are_kept_than_any_object_has() -> None:
    begins = CallBeginnings("thing")
    learned = [begins.learn(f"name{number}") for number in range(2000)]
    assert learned.count(True) == 1000


@pytest.mark.parametrize("annotations", [NO_ANNOTATIONS, {"DLIN": bytes(8)}])
@pytest.mark.parametrize("name", ["serpent", "json"])
def test_a_call_with_another_serializer_is_written_as_always(
    name: str, annotations: Annotations
) -> None:
    serializer = serializers[name]
    payload = serializer.dumps_call("thing", "add", (1,), {})
    call, answer = beginnings_of(serializer.id)
    ending, encoded = ending_of(annotations)
    message = join_header(call, 7, len(payload), ending) + encoded + payload
    kind = int(MessageType.INVOKE)
    assert message == b"".join(
        encode_frame(kind, serializer.id, 0, 7, payload, annotations)
    )
    message = join_header(answer, 7, len(payload), NO_MORE) + payload
    kind = int(MessageType.RESULT)
    assert message == b"".join(
        encode_frame(kind, serializer.id, 0, 7, payload, NO_ANNOTATIONS)
    )


def credit(number: int, items: int, size: int) -> bytes:
    payload = pack_credit(number, items, size)
    return b"".join(
        encode_frame(int(MessageType.CREDIT), 0, 0, 0, payload, NO_ANNOTATIONS)
    )


def test_an_item_is_asked_for_with_credit_for_one() -> None:
    assert item_request(7) == credit(7, 1, 0)
    assert asked_item(item_request(7)) == 7


def test_other_messages_do_not_ask_for_an_item() -> None:
    asking = item_request(7)
    others = [credit(7, 0, 1), credit(7, 1, 1), credit(7, 2, 0)]
    for message in (b"", *others, asking[:-1], asking + b"\0", b"Q" + asking[1:]):
        assert asked_item(message) is None


@pytest.mark.parametrize("name", ["native", "serpent"])
def test_an_item_is_written_as_always(name: str) -> None:
    serializer = serializers[name]
    item = serializer.dumps("text")
    payload = pack_items(7, [item])
    assert isinstance(payload, bytes)
    start = join_item_start(
        items_beginning(serializer.id), 0, len(payload), NO_MORE, 7, len(item)
    )
    assert len(start) == ITEM_START
    assert start + item == b"".join(
        encode_frame(
            int(MessageType.ITEMS), serializer.id, 0, 0, payload, NO_ANNOTATIONS
        )
    )
