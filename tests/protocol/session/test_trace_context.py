from __future__ import annotations

from typing import Any

import pytest

from pyro_protocol.session.trace_context import (
    LARGEST_TRACE_CONTEXT,
    TRACE_ID,
    pack_trace_context,
    unpack_trace_context,
)

PARENT = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.mark.parametrize(
    ("parent", "state"),
    [
        (PARENT, ""),
        (PARENT, "vendor=value,other=1"),
        (f"cc-{'1' * 32}-{'2' * 16}-00-of.the-future", "a=b"),
    ],
)
def test_a_trace_context_arrives_as_it_was_sent(parent: str, state: str) -> None:
    data = pack_trace_context(parent, state)
    found = unpack_trace_context({TRACE_ID: memoryview(data)})

    assert found == (parent, state)
    assert found is not None
    expected = {"traceparent": parent}
    assert found.carrier() == (expected | {"tracestate": state} if state else expected)


def test_it_is_two_lines_of_text() -> None:
    assert pack_trace_context(PARENT) == PARENT.encode()
    assert pack_trace_context(PARENT, "a=b") == f"{PARENT}\na=b".encode()


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "00",
        f"00-{'0' * 32}-{'b' * 16}-01",
        f"00-{'a' * 32}-{'0' * 16}-01",
        f"ff-{'a' * 32}-{'b' * 16}-01",
        f"00-{'A' * 32}-{'b' * 16}-01",
        f"00-{'a' * 32}-{'b' * 16}-01x",
        f"{PARENT}\n",
        f" {PARENT}",
    ],
)
def test_a_malformed_parent_is_refused_by_the_writer_and_ignored_by_the_reader(
    parent: str,
) -> None:
    with pytest.raises(ValueError, match="malformed traceparent"):
        pack_trace_context(parent)
    if not parent.endswith("\n"):
        assert unpack_trace_context({TRACE_ID: parent.encode()}) is None


@pytest.mark.parametrize("state", ["a=\n", "a=\u00e9", "a=" + "b" * 2000])
def test_a_state_that_cannot_be_sent_is_left_out(state: str) -> None:
    assert pack_trace_context(PARENT, state) == PARENT.encode()


@pytest.mark.parametrize(
    "annotations",
    [
        {},
        {"DLIN": b""},
        {TRACE_ID: b""},
        {TRACE_ID: b"\xff" * 55},
        {TRACE_ID: PARENT.encode() + b"\n" + b"a" * LARGEST_TRACE_CONTEXT},
    ],
)
def test_what_cannot_be_used_is_ignored(annotations: dict[str, Any]) -> None:
    assert unpack_trace_context(annotations) is None


def test_a_malformed_state_costs_only_the_state() -> None:
    data = PARENT.encode() + b"\na=\x01"

    assert unpack_trace_context({TRACE_ID: data}) == (PARENT, "")
