"""What the web client gets for the answer of a remote object."""

from __future__ import annotations

import json

import pytest

from pyro_httpgw.errors import CallFailedError
from pyro_httpgw.messages import JSON
from pyro_httpgw.objects import Reply
from pyro_httpgw.replies import failed_call, failure_response, reply_response
from pyro_protocol.errors import (
    CommunicationError,
    NamingError,
    ProtocolError,
    RemoteProtocolError,
    SecurityError,
    SerializeError,
    ServerBusyError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.serializers import serializers
from pyro_protocol.wire import FLAG_EXCEPTION, NO_ANNOTATIONS, Frame, MessageType


def reply(
    serializer: str,
    payload: bytes,
    *,
    flags: int = 0,
    called_with: str | None = None,
) -> Reply:
    frame = Frame(
        kind=int(MessageType.RESULT),
        serializer_id=serializers[serializer].id,
        flags=flags,
        sequence=1,
        payload=payload,
        annotations=NO_ANNOTATIONS,
        correlation_id=None,
    )
    return Reply(frame, serializers[called_with or serializer])


def test_json_is_passed_on_as_it_is() -> None:
    response = reply_response(reply("json", b'{"a":  1}'))
    assert response.status == 200
    assert response.headers == (("Content-Type", JSON),)
    assert response.body == b'{"a":  1}'


def test_an_exception_in_json_is_passed_on_as_it_is() -> None:
    payload = b'{"__class__": "elsewhere.Error",  "__exception__": true}'
    response = reply_response(reply("json", payload, flags=FLAG_EXCEPTION))
    assert (response.status, response.body) == (500, payload)


def test_other_formats_are_turned_into_json() -> None:
    payload = serializers["native"].dumps({"a": (1, b"x")})
    response = reply_response(reply("native", payload))
    assert response.status == 200
    expected = {"a": [1, {"data": "eA==", "encoding": "base64"}]}
    assert json.loads(response.body) == expected


def test_an_exception_in_another_format_is_turned_into_json() -> None:
    payload = serializers["native"].dumps(ZeroDivisionError("by zero"))
    response = reply_response(reply("native", payload, flags=FLAG_EXCEPTION))
    assert response.status == 500
    assert json.loads(response.body)["__class__"] == "builtins.ZeroDivisionError"


def test_a_server_may_refuse_in_a_format_of_its_own() -> None:
    payload = serializers["serpent"].dumps(ProtocolError("not accepted"))
    answer = reply("serpent", payload, flags=FLAG_EXCEPTION, called_with="native")
    response = reply_response(answer)
    assert response.status == 500
    assert json.loads(response.body)["args"] == ["not accepted"]


@pytest.mark.parametrize(
    ("serializer", "flags"), [("serpent", 0), ("marshal", FLAG_EXCEPTION)]
)
def test_a_result_in_another_format_and_anything_unsafe_is_not_read(
    serializer: str, flags: int
) -> None:
    payload = serializers[serializer].dumps("x")
    with pytest.raises(SerializeError, match="serializer id"):
        reply_response(reply(serializer, payload, flags=flags, called_with="native"))


def test_an_exception_that_is_none_is_noticed() -> None:
    payload = serializers["native"].dumps("x")
    with pytest.raises(RemoteProtocolError, match="sent str"):
        reply_response(reply("native", payload, flags=FLAG_EXCEPTION))


def test_a_oneway_call_has_an_empty_answer() -> None:
    response = reply_response(None)
    assert (response.status, response.body) == (200, b"")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TimeoutError("late"), 504),
        (NamingError("no name server"), 503),
        (ServerBusyError("busy"), 503),
        (CommunicationError("refused"), 502),
        (SerializeError("unreadable"), 502),
        (SecurityError("unsafe"), 502),
        (CallFailedError(404, NamingError("unknown")), 404),
    ],
)
def test_each_failure_has_its_status(error: Exception, status: int) -> None:
    response = failure_response(failed_call(error))
    assert response.status == status
    assert json.loads(response.body)["__exception__"] is True


def test_a_busy_server_is_told_from_one_that_failed() -> None:
    payload = serializers["native"].dumps(ServerBusyError("later"))
    response = reply_response(reply("native", payload, flags=FLAG_EXCEPTION))
    assert response.status == 503
    assert json.loads(response.body)["__class__"] == "Pyro5.errors.DaemonError"
