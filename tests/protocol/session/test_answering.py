from __future__ import annotations

from typing import Any

import pytest

from protocol.conversation import Pair
from pyro_protocol.errors import (
    RemoteProtocolError,
    SerializeError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.serializers import serializers
from pyro_protocol.session import RefusedRequest, SessionSettings, read_reply
from pyro_protocol.wire import FLAG_KEEPSERIALIZED, FLAG_ONEWAY, SplitPayload

NATIVE = serializers["native"]


def call(session: Any, **options: Any) -> int:
    sequence: int = session.send_call(NATIVE, "thing", "add", (1, 2), {}, **options)
    return sequence


class TestDeadlines:
    def test_the_server_learns_how_much_time_the_caller_has(self) -> None:
        pair = Pair(["native", "deadline"])
        call(pair.client, timeout=2.5)
        call(pair.client)

        timed, untimed = pair.to_server()

        assert pair.server.remaining(timed) == 2.5
        assert pair.server.remaining(untimed) is None
        assert pair.server.read_call(timed).args == [1, 2]

    def test_a_call_that_is_too_late_is_refused_by_whoever_would_run_it(self) -> None:
        pair = Pair(["native", "deadline"])
        call(pair.client, timeout=-1)
        (request,) = pair.to_server()
        assert pair.server.remaining(request) == 0

        pair.server.send_too_late(request)

        (answer,) = pair.to_client()
        with pytest.raises(TimeoutError, match="before the call could be run"):
            read_reply(answer, NATIVE.id)

    def test_a_malformed_deadline_is_refused_and_the_rest_go_on(self) -> None:
        pair = Pair(["native", "deadline"])
        call(pair.client, annotations={"DLIN": b"soon"})
        call(pair.client)

        bad, good = pair.to_server()

        assert isinstance(bad, RefusedRequest)
        with pytest.raises(RemoteProtocolError, match="4 bytes instead of 8"):
            pair.server.read_call(bad)
        pair.server.send_exception(bad, bad.error)
        assert pair.server.read_call(good).args == [1, 2]
        assert not pair.server.closing

    def test_without_the_capability_the_annotation_is_the_programs_own(self) -> None:
        pair = Pair(["native", "multiplex"])
        call(pair.client, annotations={"DLIN": b"soon"}, timeout=5)

        (request,) = pair.to_server()

        assert pair.server.remaining(request) is None
        assert bytes(request.annotations["DLIN"]) == b"soon"

    def test_callbacks_have_deadlines_too(self) -> None:
        pair = Pair()
        call(pair.server, timeout=1)

        (callback,) = pair.to_client()

        assert pair.client.remaining(callback) == 1


class TestRefusals:
    @pytest.mark.parametrize("capabilities", [["native"], ["native", "multiplex"]])
    def test_they_count_as_calls_until_they_are_answered(
        self, capabilities: list[str]
    ) -> None:
        pair = Pair(capabilities, server_settings=SessionSettings(max_annotations=1))
        bad = {"ABCD": b"", "EFGH": b""}
        sequence = call(pair.client, annotations=bad)
        call(pair.client, annotations=bad, flags=FLAG_ONEWAY)

        request, oneway = pair.to_server()

        assert isinstance(request, RefusedRequest)
        assert isinstance(oneway, RefusedRequest)
        pair.server.send_exception(request, request.error)
        pair.server.send_exception(oneway, oneway.error)
        (answer,) = pair.to_client()
        assert answer.sequence == sequence
        with pytest.raises(RemoteProtocolError, match="more than 1 chunk"):
            read_reply(answer, NATIVE.id)

    def test_one_beyond_the_window_ends_the_connection(self) -> None:
        settings = SessionSettings(max_annotations=1, max_in_flight=1)
        pair = Pair(["native", "multiplex"], server_settings=settings)
        pair.client._window = 2
        call(pair.client)
        call(pair.client, annotations={"ABCD": b"", "EFGH": b""})

        assert len(pair.to_server()) == 1
        assert pair.server.error == "more than 1 requests are in flight"


class TestLargeBuffers:
    def test_arguments_and_results_stand_apart(self) -> None:
        pair = Pair(["native"])
        pair.client.send_call(NATIVE, "thing", "echo", (b"x" * 100_000,), {})
        (request,) = pair.to_server()
        assert isinstance(request.payload, SplitPayload)
        (value,) = pair.server.read_call(request).args

        pair.server.send_result(request, value)

        (answer,) = pair.to_client()
        assert isinstance(answer.payload, SplitPayload)
        assert read_reply(answer, NATIVE.id) == b"x" * 100_000

    def test_a_blob_keeps_them_as_they_came(self) -> None:
        pair = Pair(["native"])
        payload = NATIVE.encode_call("thing", "echo", (b"x" * 100_000,), {})
        routing = serializers["marshal"].dumps(("info", "thing", "echo"))
        pair.client.send_request(
            NATIVE.id, payload, FLAG_KEEPSERIALIZED, {"BLBI": routing}
        )

        (request,) = pair.to_server()
        (blob,) = pair.server.read_call(request).args

        assert isinstance(blob.data, SplitPayload)
        assert blob.deserialized() == [b"x" * 100_000]

    def test_nothing_stands_apart_where_payloads_are_compressed(self) -> None:
        pair = Pair(["native"], client_settings=SessionSettings(compress=True))
        pair.client.send_call(NATIVE, "thing", "echo", (b"x" * 100_000,), {})

        (request,) = pair.to_server()

        assert len(request.payload) < 1000
        assert pair.server.read_call(request).args == [b"x" * 100_000]

    def test_a_serializer_without_them_refuses_them(self) -> None:
        pair = Pair(["native"])
        pair.client.send_request(
            serializers["serpent"].id, SplitPayload(b"[]", [b"x" * 100_000])
        )

        (request,) = pair.to_server()

        with pytest.raises(SerializeError):
            pair.server.read_call(request)
