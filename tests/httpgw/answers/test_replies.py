"""What the web client gets for the answer of a remote object."""

from __future__ import annotations

import json

import pytest

from pyro_httpgw.answers.problems import PROBLEM
from pyro_httpgw.answers.replies import reply_response
from pyro_httpgw.calls.objects import Reply
from pyro_httpgw.errors import RequestRefusedError
from pyro_httpgw.messages import JSON, Response
from pyro_protocol.errors import (
    ProtocolError,
    RemoteProtocolError,
    SerializeError,
    ServerBusyError,
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
    response = reply_response(reply("json", b'{"a":  1}'), traceback=True)
    assert response.status == 200
    assert response.headers == (("Content-Type", JSON),)
    assert response.body == b'{"a":  1}'


def test_an_exception_of_any_class_keeps_its_name_and_its_parts() -> None:
    payload = b"""{"__class__": "elsewhere.Error", "__exception__": true,
        "args": ["broken", 2], "attributes": {"place": "kitchen"}}"""
    answer = reply("json", payload, flags=FLAG_EXCEPTION)
    response = reply_response(answer, traceback=True)
    assert response.status == 500
    assert response.headers == (("Content-Type", PROBLEM),)
    document = json.loads(response.body)
    assert document["__class__"] == "elsewhere.Error"
    assert document["__exception__"] is True
    assert document["args"] == ["broken", 2]
    assert document["attributes"] == {"place": "kitchen"}


def test_other_formats_are_turned_into_json() -> None:
    payload = serializers["native"].dumps({"a": (1, b"x")})
    response = reply_response(reply("native", payload), traceback=True)
    assert response.status == 200
    expected = {"a": [1, {"data": "eA==", "encoding": "base64"}]}
    assert json.loads(response.body) == expected


def test_an_exception_in_another_format_is_turned_into_json() -> None:
    payload = serializers["native"].dumps(ZeroDivisionError("by zero"))
    response = reply_response(
        reply("native", payload, flags=FLAG_EXCEPTION), traceback=True
    )
    assert response.status == 500
    assert json.loads(response.body)["__class__"] == "builtins.ZeroDivisionError"


def test_a_server_may_refuse_in_a_format_of_its_own() -> None:
    payload = serializers["serpent"].dumps(ProtocolError("not accepted"))
    answer = reply("serpent", payload, flags=FLAG_EXCEPTION, called_with="native")
    response = reply_response(answer, traceback=True)
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
        reply_response(
            reply(serializer, payload, flags=flags, called_with="native"),
            traceback=True,
        )


def test_an_exception_that_is_none_is_noticed() -> None:
    payload = serializers["native"].dumps("x")
    with pytest.raises(RemoteProtocolError, match="sent str"):
        reply_response(reply("native", payload, flags=FLAG_EXCEPTION), traceback=True)


def test_a_oneway_call_has_an_empty_answer() -> None:
    response = reply_response(None, traceback=True)
    assert (response.status, response.body) == (200, b"")


def test_a_busy_server_is_told_from_one_that_failed() -> None:
    payload = serializers["native"].dumps(ServerBusyError("later"))
    response = reply_response(
        reply("native", payload, flags=FLAG_EXCEPTION), traceback=True
    )
    assert response.status == 503
    assert json.loads(response.body)["__class__"] == "Pyro5.errors.DaemonError"


PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(8)


def result(value: object, accept: str) -> Response:
    payload = serializers["native"].dumps(value)
    return reply_response(reply("native", payload), traceback=False, accept=accept)


def content_type(response: Response) -> str:
    return dict(response.headers)["Content-Type"]


@pytest.mark.parametrize(
    ("value", "accept", "expected"),
    [
        (PICTURE, "", JSON),
        (PICTURE, "*/*", JSON),
        (PICTURE, "application/json, image/png;q=0.5", JSON),
        (PICTURE, "image/png", "image/png"),
        (PICTURE, "image/*,*/*;q=0.8", "image/png"),
        (PICTURE, "application/octet-stream", "application/octet-stream"),
        (PICTURE, "application/octet-stream;q=0.1, image/*;q=0.2", "image/png"),
        (b"text", "application/octet-stream", "application/octet-stream"),
        (b"", "application/octet-stream", "application/octet-stream"),
        (bytearray(b"text"), "application/octet-stream", "application/octet-stream"),
        (b"text", "image/*, application/json;q=0.1", JSON),
    ],
)
def test_bytes_come_as_the_client_wants_them(
    value: bytes, accept: str, expected: str
) -> None:
    response = result(value, accept)
    assert response.status == 200
    assert content_type(response) == expected
    if expected != JSON:
        assert response.body == bytes(value)


@pytest.mark.parametrize(
    ("value", "accept"),
    [
        (b"no picture", "image/png"),
        (PICTURE, "image/jpeg"),
        ({"a": 1}, "application/octet-stream"),
        ("text", "image/*"),
        (PICTURE, "text/html"),
    ],
)
def test_what_cannot_be_had_in_the_wanted_form_is_refused(
    value: object, accept: str
) -> None:
    with pytest.raises(RequestRefusedError) as refused:
        result(value, accept)
    assert refused.value.status == 406
    assert refused.value.hint is not None
    assert "application/json" in refused.value.hint


def test_what_has_come_as_json_is_no_picture() -> None:
    with pytest.raises(RequestRefusedError) as refused:
        reply_response(reply("json", b"1"), traceback=False, accept="image/png")
    assert refused.value.status == 406


@pytest.mark.parametrize("accept", ["text/html", "text/plain, application/xml"])
def test_other_wishes_never_kept_anybody_from_getting_json(accept: str) -> None:
    assert content_type(result(1, accept)) == JSON


def test_who_asks_for_bytes_is_told_of_an_exception_all_the_same() -> None:
    payload = serializers["native"].dumps(ValueError("bad"))
    response = reply_response(
        reply("native", payload, flags=FLAG_EXCEPTION),
        traceback=False,
        accept="application/octet-stream",
    )
    assert (response.status, content_type(response)) == (500, PROBLEM)


def test_what_an_exception_holds_of_unknown_classes_does_not_hide_it() -> None:
    payload = b"""{"__class__": "elsewhere.Error", "__exception__": true,
        "args": [{"__class__": "elsewhere.Thing", "size": 3}],
        "attributes": {"of": {"__class__": "elsewhere.__Odd"}}}"""
    answer = reply("json", payload, flags=FLAG_EXCEPTION)
    document = json.loads(reply_response(answer, traceback=False).body)
    assert document["__class__"] == "elsewhere.Error"
    assert document["args"] == [{"__class__": "elsewhere.Thing", "size": 3}]


def test_a_busy_server_says_when_to_come_again() -> None:
    payload = serializers["native"].dumps(ServerBusyError("later"))
    response = reply_response(
        reply("native", payload, flags=FLAG_EXCEPTION), traceback=False
    )
    assert ("Retry-After", "1") in response.headers
