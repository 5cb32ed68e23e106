"""What goes with the calls of a request."""

from __future__ import annotations

import math
import uuid

import pytest

from pyro_httpgw.calls.call_states import call_state_for, correlation_of, time_limit_of
from pyro_httpgw.errors import RequestRefusedError
from pyro_protocol.session.trace_context import TRACE_ID

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OWN = "0F8FAD5B-D9CB-469F-A165-70867728950E"


def test_a_request_without_an_id_gets_a_new_one() -> None:
    one, other = correlation_of({}), correlation_of({})
    assert one != other
    known = uuid.UUID(one.text)
    assert (str(known), known.bytes, known.version) == (one.text, one.data, 4)
    assert known.variant == uuid.RFC_4122


@pytest.mark.parametrize("text", [OWN, OWN.lower(), f"{{{OWN}}}", f"urn:uuid:{OWN}"])
def test_the_id_of_the_client_is_kept(text: str) -> None:
    correlation = correlation_of({"x-pyro-correlation-id": text})
    assert correlation.text == OWN.lower()
    assert correlation.data == uuid.UUID(OWN).bytes
    assert call_state_for({}, correlation, 0.0).correlation == correlation.data


@pytest.mark.parametrize("text", ["", "x", OWN[1:]])
def test_an_id_that_is_none_is_refused_under_another_one(text: str) -> None:
    correlation = correlation_of({"x-pyro-correlation-id": text})
    uuid.UUID(correlation.text)  # raises if it is none
    with pytest.raises(RequestRefusedError, match="must be a UUID") as caught:
        call_state_for({}, correlation, 0.0)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        (None, 0.0, 0.0),
        (None, 5.0, 5.0),
        ("2.5", 0.0, 2.5),
        ("2.5", 5.0, 2.5),
        ("7", 5.0, 5.0),
        (" 1 ", 5.0, 1.0),
    ],
)
def test_the_shorter_time_limit_counts(
    text: str | None, most: float, expected: float
) -> None:
    headers = {} if text is None else {"x-pyro-timeout": text}
    assert time_limit_of(headers, most) == expected


@pytest.mark.parametrize("text", ["", "soon", "0", "-1", "nan", "inf", "1,2"])
def test_a_time_limit_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(RequestRefusedError, match="seconds above 0") as caught:
        time_limit_of({"x-pyro-timeout": text}, 0.0)
    assert caught.value.status == 400


def test_calls_know_the_time_limit() -> None:
    state = call_state_for({}, correlation_of({}), 1000.0)
    assert state.deadline is not None
    assert 0 < state.deadline.remaining() <= 1000.0 < math.inf
    assert call_state_for({}, correlation_of({}), 0.0).deadline is None


def test_the_trace_goes_on() -> None:
    headers = {"traceparent": PARENT, "tracestate": "a=1,b=2"}
    state = call_state_for(headers, correlation_of({}), 0.0)
    expected = f"{PARENT}\na=1,b=2".encode()
    assert state.own_annotations == {TRACE_ID: expected}


@pytest.mark.parametrize(
    "parent", ["", "nonsense", PARENT[:-1], PARENT.upper(), f"{PARENT},{PARENT}", "é"]
)
def test_a_malformed_trace_is_ignored(parent: str) -> None:
    state = call_state_for({"traceparent": parent}, correlation_of({}), 0.0)
    assert state.own_annotations is None
