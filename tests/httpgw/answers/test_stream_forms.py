"""How streams are written."""

from __future__ import annotations

import pytest

from pyro_httpgw.answers.stream_forms import EVENTS, STREAM_FORMS, form_of
from pyro_protocol.errors import SerializeError


def test_events_have_numbers_and_a_last_one_that_can_be_told() -> None:
    form = form_of(EVENTS)
    assert form.item(7, b'{"a": 1}') == b'id: 7\ndata: {"a": 1}\n\n'
    assert form.end("all") == b'event: end\nid: end\ndata: "all"\n\n'
    assert form.failure(b"{}") == b"event: failure\nid: end\ndata: {}\n\n"
    assert form.keep_alive.startswith(b":")
    assert not form.breaks_off


@pytest.mark.parametrize("media_type", STREAM_FORMS[:2])
def test_lines_hold_nothing_but_json(media_type: str) -> None:
    form = form_of(media_type)
    assert form.item(7, b'{"a": 1}') == b'{"a": 1}\n'
    assert form.end("all") == b""
    assert form.failure(b"{}") == b"{}\n"
    assert form.keep_alive == b""
    assert form.breaks_off


def test_a_last_value_that_json_does_not_have_is_an_error() -> None:
    with pytest.raises(SerializeError):
        form_of(EVENTS).end(len)
