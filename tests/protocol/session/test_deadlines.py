from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.conversation import Pair
from pyro_protocol.errors import (
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.serializers import serializers
from pyro_protocol.session import (
    ClientSession,
    RefusedRequest,
    ServerSession,
    SessionSettings,
    read_reply,
)
from pyro_protocol.session.deadlines import decode_deadline, encode_deadline
from pyro_protocol.wire import FLAG_ONEWAY, NO_ANNOTATIONS, Frame

SERPENT = serializers["serpent"]


def call(session: ClientSession | ServerSession, **options: Any) -> int:
    return session.send_call(SERPENT, "thing", "add", (5,), {}, **options)


@pytest.mark.parametrize(
    ("seconds", "microseconds"),
    [
        (1.5, 1_500_000),
        (0, 0),
        (-3.0, 0),
        (1e-9, 1),
        (math.nan, 0),
        (math.inf, 2**64 - 1),
        (1e30, 2**64 - 1),
    ],
)
def test_it_is_a_number_of_microseconds(seconds: float, microseconds: int) -> None:
    assert encode_deadline(seconds) == microseconds.to_bytes(8, "big")


@given(st.floats(1e-6, 1e9))
def test_it_arrives_as_it_was_sent(seconds: float) -> None:
    arrived = decode_deadline({"DLIN": memoryview(encode_deadline(seconds))})

    assert arrived is not None
    assert arrived == pytest.approx(seconds, abs=1e-6)


def test_without_the_annotation_there_is_no_bound() -> None:
    assert decode_deadline(NO_ANNOTATIONS) is None


@pytest.mark.parametrize("data", [b"", b"1234567", b"123456789"])
def test_another_size_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match=f"{len(data)} bytes instead of 8"):
        decode_deadline({"DLIN": data})


class TestOnTheWire:
    def test_the_message(self) -> None:
        pair = Pair(["deadline"])
        call(pair.client, timeout=1.0)

        assert b"".join(pair.client.data_to_send()).hex() == (
            "5059524f 01f6 04 01 0000 0001 00000031 00000010".replace(" ", "")
            + "00" * 16
            + "00004dc5"
            + "444c494e 00000008 00000000000f4240".replace(" ", "")
            + b"# serpent utf-8 python3.2\n('thing','add',(5,),{})".hex()
        )

    @given(st.floats(1e-9, 1e9))
    def test_the_callee_learns_what_the_caller_has_left(self, seconds: float) -> None:
        pair = Pair(["deadline"])
        call(pair.client, timeout=seconds)

        (request,) = pair.to_server(piece=7)

        remaining = pair.server.remaining(request)
        assert remaining is not None
        assert remaining > 0
        assert remaining == pytest.approx(seconds, abs=1e-6)

    def test_it_goes_with_annotations_of_the_program(self) -> None:
        pair = Pair(["deadline"])
        correlation = bytes(range(16))
        call(
            pair.client,
            timeout=2,
            annotations={"ABCD": b"x"},
            correlation_id=correlation,
        )

        (request,) = pair.to_server()

        assert pair.server.remaining(request) == 2
        assert bytes(request.annotations["ABCD"]) == b"x"
        assert request.correlation_id == correlation

    def test_annotations_given_by_the_program_are_left_as_they_are(self) -> None:
        pair = Pair(["deadline"])
        annotations = {"ABCD": b"x"}

        call(pair.client, timeout=2, annotations=annotations)

        assert annotations == {"ABCD": b"x"}

    def test_a_oneway_call_may_have_one(self) -> None:
        pair = Pair(["deadline"])
        call(pair.client, timeout=2, flags=FLAG_ONEWAY)

        (request,) = pair.to_server()

        assert pair.server.remaining(request) == 2

    def test_without_the_capability_the_message_is_that_of_pyro5(self) -> None:
        timed, untimed = Pair(["multiplex"]), Pair(["multiplex"])
        call(timed.client, timeout=2)
        call(untimed.client)

        assert timed.client.data_to_send() == untimed.client.data_to_send()


class TestTooLate:
    @pytest.mark.parametrize("seconds", [0, -1, -math.inf])
    def test_what_is_used_up_is_not_run_but_answered(self, seconds: float) -> None:
        pair = Pair(["native", "deadline"])
        native = serializers["native"]
        pair.client.send_call(native, "thing", "add", (), {}, timeout=seconds)
        (request,) = pair.to_server()
        assert pair.server.remaining(request) == 0

        pair.server.send_too_late(request)

        (answer,) = pair.to_client()
        with pytest.raises(TimeoutError, match="used up"):
            read_reply(answer, native.id)
        with pytest.raises(LocalProtocolError, match="answered already"):
            pair.server.send_result(request, "run all the same")

    def test_a_oneway_call_is_dropped_in_silence(self) -> None:
        pair = Pair(["deadline"])
        call(pair.client, timeout=0, flags=FLAG_ONEWAY)
        (request,) = pair.to_server()

        pair.server.send_too_late(request)

        assert pair.server.data_to_send() == []

    def test_a_callback_can_be_too_late(self) -> None:
        pair = Pair(["callbacks", "deadline"])
        call(pair.server, timeout=0)
        (callback,) = pair.to_client()
        assert pair.client.remaining(callback) == 0

        pair.client.send_too_late(callback)

        (answer,) = pair.to_server()
        with pytest.raises(TimeoutError, match="used up"):
            read_reply(answer, SERPENT.id)


class TestMalformed:
    @pytest.mark.parametrize("size", [0, 1, 4, 7, 9, 16])
    def test_the_call_is_refused_and_the_connection_goes_on(self, size: int) -> None:
        pair = Pair(["deadline"])
        call(pair.client, annotations={"DLIN": bytes(size)})
        call(pair.client)

        refused, other = pair.to_server()

        assert isinstance(refused, RefusedRequest)
        with pytest.raises(RemoteProtocolError, match=f"{size} bytes instead of 8"):
            pair.server.read_call(refused)
        pair.server.send_exception(refused, refused.error)
        pair.server.send_result(other, 6)
        answer, untouched = pair.to_client()
        with pytest.raises(ProtocolError, match=f"DLIN has {size} bytes"):
            read_reply(answer, SERPENT.id)
        assert read_reply(untouched, SERPENT.id) == 6
        assert not pair.server.closing

    def test_a_callback_is_refused_alone_too(self) -> None:
        pair = Pair(["callbacks", "deadline"])
        call(pair.server, annotations={"DLIN": b"soon"})

        (refused,) = pair.to_client()

        assert isinstance(refused, RefusedRequest)
        pair.client.send_exception(refused, refused.error)
        (answer,) = pair.to_server()
        with pytest.raises(ProtocolError, match="4 bytes instead of 8"):
            read_reply(answer, SERPENT.id)

    def test_a_oneway_call_is_refused_in_silence(self) -> None:
        pair = Pair(["deadline"])
        call(pair.client, annotations={"DLIN": b""}, flags=FLAG_ONEWAY)
        (refused,) = pair.to_server()
        assert isinstance(refused, RefusedRequest)

        pair.server.send_exception(refused, refused.error)

        assert pair.server.data_to_send() == []
        assert not pair.server.closing

    def test_a_refused_call_counts_until_it_is_answered(self) -> None:
        pair = Pair(
            ["multiplex", "deadline"],
            server_settings=SessionSettings(max_in_flight=1),
        )
        call(pair.client, annotations={"DLIN": b"soon"})
        assert pair.client.free_slots == 0
        (refused,) = pair.to_server()
        assert isinstance(refused, RefusedRequest)
        pair.server.send_exception(refused, refused.error)
        pair.to_client()

        call(pair.client, timeout=1)

        (request,) = pair.to_server()
        assert pair.server.remaining(request) == 1

    @given(st.binary(max_size=20))
    def test_any_bytes_are_a_deadline_or_refused(self, data: bytes) -> None:
        pair = Pair(["deadline"])
        call(pair.client, annotations={"DLIN": data})

        (request,) = pair.to_server()

        assert isinstance(request, Frame)
        assert isinstance(request, RefusedRequest) == (len(data) != 8)
        assert not pair.server.closing
