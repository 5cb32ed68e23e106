from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyro_protocol.session import SessionSettings
from pyro_protocol.session.capabilities import (
    CAPABILITIES_ID,
    DEFAULT_CAPABILITIES,
    NATIVE,
    NO_AGREEMENT,
    SUPPORTED_CAPABILITIES,
    Agreement,
    agree,
    encode_capabilities,
    with_capabilities,
    without_capabilities,
)
from pyro_protocol.wire import NO_ANNOTATIONS

OFFER = b'{"version":1,"capabilities":{"native":{"version":1}}}'
WHOLE_OFFER = (
    b'{"version":1,"capabilities":{"callbacks":{"version":1,"window":1000},'
    b'"cancel":{"version":1},"chunks":{"version":1,"streams":1000},'
    b'"deadline":{"version":1},"heartbeat":{"version":1},'
    b'"multiplex":{"version":1,"window":1000},"native":{"version":1}}}'
)
SETTINGS = SessionSettings()


def agreed(data: bytes) -> frozenset[str]:
    return agree(SUPPORTED_CAPABILITIES, {CAPABILITIES_ID: data}).names


def document(capabilities: Any, version: Any = 1) -> bytes:
    return json.dumps({"version": version, "capabilities": capabilities}).encode()


def test_an_offer_is_a_json_document() -> None:
    assert encode_capabilities(DEFAULT_CAPABILITIES, SETTINGS) == OFFER
    assert encode_capabilities(SUPPORTED_CAPABILITIES, SETTINGS) == WHOLE_OFFER


def test_what_the_drivers_of_today_offer_is_the_native_format() -> None:
    assert {NATIVE} == DEFAULT_CAPABILITIES


def test_what_both_sides_offer_is_in_force() -> None:
    assert agreed(OFFER) == {NATIVE}
    assert agreed(WHOLE_OFFER) == SUPPORTED_CAPABILITIES
    assert agree((), {CAPABILITIES_ID: OFFER}) == NO_AGREEMENT
    assert agreed(memoryview(OFFER)) == {NATIVE}  # type: ignore[arg-type] # as received


def test_the_limits_of_both_sides_are_announced() -> None:
    settings = SessionSettings(max_in_flight=7, max_streams=3)
    offer = encode_capabilities(SUPPORTED_CAPABILITIES, settings)

    agreement = agree(SUPPORTED_CAPABILITIES, {CAPABILITIES_ID: offer})

    assert agreement.call_window == 7
    assert agreement.callback_window == 7
    assert agreement.streams == 3


def test_what_is_not_agreed_on_has_no_limits() -> None:
    assert Agreement() == NO_AGREEMENT
    agreement = agree([NATIVE], {CAPABILITIES_ID: WHOLE_OFFER})
    assert agreement.names == {NATIVE}
    assert (agreement.call_window, agreement.callback_window) == (0, 0)
    assert agreement.streams == 0


@pytest.mark.parametrize(
    ("name", "parameter", "values"),
    [
        ("multiplex", "window", [1, 65535]),
        ("callbacks", "window", [1, 65535]),
        ("chunks", "streams", [0, 0xFFFF_FFFF]),
    ],
)
def test_parameters_must_be_numbers_of_their_range(
    name: str, parameter: str, values: list[int]
) -> None:
    def offered(value: Any) -> bytes:
        return document({name: {"version": 1, parameter: value}, "cancel": WITHOUT})

    for value in values:
        assert agreed(offered(value)) == {name, "cancel"}
    wrong: list[Any] = [values[0] - 1, values[1] + 1, True, None, 1.0, "1", [1], {}]
    for other in wrong:
        assert agreed(offered(other)) == {"cancel"}, other
    assert agreed(document({name: WITHOUT})) == frozenset()


WITHOUT = {"version": 1}


def test_without_an_offer_nothing_is_in_force() -> None:
    assert agree(SUPPORTED_CAPABILITIES, NO_ANNOTATIONS) is NO_AGREEMENT


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
    annotations = {"ABCD": b"x"}
    assert with_capabilities(annotations, [NATIVE], SETTINGS) == {
        "ABCD": b"x",
        "CAPS": OFFER,
    }
    assert with_capabilities(NO_ANNOTATIONS, [], SETTINGS) is NO_ANNOTATIONS


def test_the_program_does_not_see_the_offer() -> None:
    assert without_capabilities({"ABCD": b"x", "CAPS": OFFER}) == {"ABCD": b"x"}
    assert without_capabilities({"CAPS": OFFER}) == {}
    assert without_capabilities(NO_ANNOTATIONS) is NO_ANNOTATIONS


@pytest.mark.parametrize("version", [True, 1.0, "1", None, 2])
def test_a_version_is_the_number_and_nothing_equal_to_it(version: object) -> None:
    assert agreed(document({"native": {"version": version}})) == frozenset()
    assert agreed(document({"native": {"version": 1}}, version)) == frozenset()
