from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyro_protocol.session.capabilities import (
    CAPABILITIES_ID,
    NATIVE,
    SUPPORTED_CAPABILITIES,
    agreed_capabilities,
    encode_capabilities,
    with_capabilities,
    without_capabilities,
)
from pyro_protocol.wire import NO_ANNOTATIONS

OFFER = b'{"version":1,"capabilities":{"native":{"version":1}}}'


def agreed(data: bytes) -> frozenset[str]:
    return agreed_capabilities(SUPPORTED_CAPABILITIES, {CAPABILITIES_ID: data})


def document(capabilities: Any, version: Any = 1) -> bytes:
    return json.dumps({"version": version, "capabilities": capabilities}).encode()


def test_an_offer_is_a_json_document() -> None:
    assert encode_capabilities(SUPPORTED_CAPABILITIES) == OFFER


def test_what_both_sides_offer_is_in_force() -> None:
    assert agreed(OFFER) == {NATIVE}
    assert agreed_capabilities((), {CAPABILITIES_ID: OFFER}) == frozenset()
    assert agreed(memoryview(OFFER)) == {NATIVE}  # type: ignore[arg-type] # as received


def test_without_an_offer_nothing_is_in_force() -> None:
    assert agreed_capabilities(SUPPORTED_CAPABILITIES, NO_ANNOTATIONS) == frozenset()


def test_unknown_capabilities_and_additions_are_ignored() -> None:
    assert agreed(document({"native": {"version": 1, "more": 2}, "other": {}})) == {
        NATIVE
    }


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"not json",
        b"[]",
        b"1",
        b"null",
        b"{}",
        b"[" * 100_000,
        b'{"version":1}',
        b'{"version":1,"capabilities":' + b"9" * 10_000 + b"}",
        document({"native": {"version": 1}}, version=2),
        document({"native": {"version": 2}}),
        document({"native": {}}),
        document({"native": 1}),
        document({"native": None}),
        document(["native"]),
        document("native"),
    ],
)
def test_an_annotation_that_is_no_offer_of_ours_is_ignored(data: bytes) -> None:
    assert agreed(data) == frozenset()


@given(st.binary(max_size=100))
def test_any_annotation_is_survived(data: bytes) -> None:
    assert agreed(data) == frozenset()


def test_the_offer_is_added_to_other_annotations() -> None:
    assert with_capabilities({"ABCD": b"x"}, [NATIVE]) == {"ABCD": b"x", "CAPS": OFFER}
    assert with_capabilities(NO_ANNOTATIONS, []) is NO_ANNOTATIONS


def test_the_program_does_not_see_the_offer() -> None:
    assert without_capabilities({"ABCD": b"x", "CAPS": OFFER}) == {"ABCD": b"x"}
    assert without_capabilities({"CAPS": OFFER}) == {}
    assert without_capabilities(NO_ANNOTATIONS) is NO_ANNOTATIONS
