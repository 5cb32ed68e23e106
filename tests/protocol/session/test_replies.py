from __future__ import annotations

from typing import Any

import pytest

from pyro_protocol.errors import (
    ProtocolError,
    RemoteError,
    RemoteProtocolError,
    SerializeError,
)
from pyro_protocol.serializers import serializers
from pyro_protocol.session import StreamReference, read_reply
from pyro_protocol.wire import FLAG_EXCEPTION, FLAG_STREAM, Frame, MessageType

SERPENT, MARSHAL, JSON, NATIVE = (
    serializers[name] for name in ("serpent", "marshal", "json", "native")
)
STREAM = FLAG_EXCEPTION | FLAG_STREAM


def result(
    value: object, flags: int = 0, serializer: Any = SERPENT, **annotations: bytes
) -> Frame:
    payload = serializer.dumps(value)
    return Frame(MessageType.RESULT, serializer.id, flags, 1, payload, annotations)


def test_a_result_is_its_value() -> None:
    assert read_reply(result([1, "two"]), SERPENT.id) == [1, "two"]


def test_an_exception_is_raised_with_the_remote_traceback_as_a_note() -> None:
    error = ValueError("bad", 7)
    error._pyroTraceback = ["Traceback:\n", "  remote line\n"]  # type: ignore[attr-defined] # documented

    with pytest.raises(ValueError, match="bad") as caught:
        read_reply(result(error, FLAG_EXCEPTION), SERPENT.id)

    assert caught.value.args == ("bad", 7)
    assert "remote line" in caught.value.__notes__[0]


def test_an_exception_of_an_unknown_class_loses_nothing() -> None:
    data = {
        "__class__": "app.Odd",
        "__exception__": True,
        "args": ["no"],
        "attributes": {"code": 5},
    }

    with pytest.raises(RemoteError) as caught:
        read_reply(result(data, FLAG_EXCEPTION, JSON), JSON.id)

    assert caught.value.remote_type == "app.Odd"
    assert caught.value.args == ("no",)
    assert caught.value.attributes == {"code": 5}


@pytest.mark.parametrize("name", ["SystemExit", "KeyboardInterrupt", "GeneratorExit"])
def test_a_server_cannot_end_the_program_of_its_client(name: str) -> None:
    data = {
        "__class__": f"builtins.{name}",
        "__exception__": True,
        "args": [],
        "attributes": {},
    }

    with pytest.raises(RemoteError) as caught:
        read_reply(result(data, FLAG_EXCEPTION, JSON), JSON.id)

    assert caught.value.remote_type == f"builtins.{name}"


@pytest.mark.parametrize("value", ["text", 5, None, {"a": 1}])
def test_an_exception_that_is_none_is_an_error_of_the_server(value: object) -> None:
    with pytest.raises(RemoteProtocolError, match=type(value).__name__):
        read_reply(result(value, FLAG_EXCEPTION), SERPENT.id)


def test_a_stream_is_known_by_its_annotation() -> None:
    frame = result(ProtocolError("unused"), STREAM, STRM=b"some-id")

    assert read_reply(frame, SERPENT.id) == StreamReference("some-id")


def test_the_payload_of_a_stream_is_not_even_looked_at() -> None:
    frame = Frame(
        MessageType.RESULT, SERPENT.id, STREAM, 1, b"((((", {"STRM": b"some-id"}
    )

    assert read_reply(frame, SERPENT.id) == StreamReference("some-id")


def test_the_id_of_a_stream_must_be_ascii() -> None:
    with pytest.raises(RemoteProtocolError, match="ASCII"):
        read_reply(result(None, STREAM, STRM=b"\xff"), SERPENT.id)


def test_a_stream_without_an_id_is_the_error_it_carries() -> None:
    with pytest.raises(ProtocolError, match="result of call is an iterator"):
        read_reply(
            result(ProtocolError("result of call is an iterator"), STREAM), SERPENT.id
        )


def test_the_stream_annotation_alone_makes_no_stream() -> None:
    assert read_reply(result(5, STRM=b"some-id"), SERPENT.id) == 5


def test_a_result_in_another_serializer_is_refused() -> None:
    with pytest.raises(SerializeError, match=r"serializer id 3.*made with 1"):
        read_reply(result(5, serializer=JSON), SERPENT.id)


def test_an_exception_may_come_in_serpent_whatever_was_asked_in() -> None:
    with pytest.raises(ZeroDivisionError):
        read_reply(result(ZeroDivisionError(), FLAG_EXCEPTION), NATIVE.id)


@pytest.mark.parametrize("flags", [0, FLAG_EXCEPTION, STREAM])
def test_a_server_cannot_make_its_client_read_marshal(flags: int) -> None:
    frame = result(ValueError("unsafe"), flags, MARSHAL)

    with pytest.raises(SerializeError, match="serializer id 2"):
        read_reply(frame, SERPENT.id)


@pytest.mark.parametrize("flags", [0, FLAG_EXCEPTION])
def test_an_unknown_serializer_is_refused(flags: int) -> None:
    with pytest.raises(SerializeError, match="serializer id 99"):
        read_reply(Frame(MessageType.RESULT, 99, flags, 1, b""), 99)


def test_a_broken_payload_is_refused() -> None:
    with pytest.raises(SerializeError):
        read_reply(Frame(MessageType.RESULT, SERPENT.id, 0, 1, b"(((("), SERPENT.id)
