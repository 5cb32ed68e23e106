"""Which name servers are asked first, and what they say to a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pyro_protocol import URI
from pyro_protocol.context import CallState, call_state
from pyro_protocol.errors import CommunicationError, NamingError, SecurityError
from pyro_protocol.naming.standing import (
    CONNECT_SECONDS,
    REST_SECONDS,
    Standing,
    check_ability,
    handshake_for,
    patience_for,
    refused,
)
from pyro_protocol.session.deadlines import Deadline

if TYPE_CHECKING:
    from pyro_protocol.config import Configuration

A, B, C = (URI(f"PYRO:Pyro.NameServer@{name}:9090") for name in "abc")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_one_that_has_failed_is_asked_last_for_a_while() -> None:
    clock = Clock()
    standing = Standing(clock)
    assert standing.ordered([A, B, C]) == [A, B, C]
    standing.failed(A)
    assert standing.ordered([A, B, C]) == [B, C, A]
    standing.failed(C)
    assert standing.ordered([A, B, C]) == [B, A, C]
    clock.now += REST_SECONDS
    assert standing.ordered([A, B, C]) == [A, B, C]


def test_one_that_works_again_has_its_place_back() -> None:
    standing = Standing()
    standing.failed(A)
    standing.works(A)
    assert standing.ordered([A, B]) == [A, B]


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyro_protocol.naming.standing._MOST_REMEMBERED", 2)
    standing = Standing()
    for uri in (A, B, C):
        standing.failed(uri)
    assert standing.ordered([A, B, C]) == [A, B, C]


def test_only_where_there_are_others_connecting_is_given_up_early() -> None:
    assert patience_for(None, 0, 0) is None
    assert patience_for(60.0, 0, 0) == 60.0
    assert patience_for(None, 1, 0) == CONNECT_SECONDS
    assert patience_for(60.0, 1, 1) == CONNECT_SECONDS
    assert patience_for(0.5, 1, 1) == 0.5


def test_of_the_time_that_the_caller_has_each_gets_its_share() -> None:
    state = CallState()
    state.deadline = Deadline(4.0, lambda: 0.0)
    token = call_state.set(state)
    try:
        assert patience_for(None, 0, 0) is None
        assert patience_for(None, 3, 3) == 1.0
        assert patience_for(None, 3, 1) == 2.0
        assert patience_for(0.5, 3, 3) == 0.5
        state.deadline = Deadline(0.0, lambda: 0.0)
        assert patience_for(None, 3, 3) == 0.001
    finally:
        call_state.reset(token)


def test_the_usual_greeting_is_sent_unless_there_is_a_token(
    settings: Configuration,
) -> None:
    assert handshake_for(settings) == "hello"
    settings.NS_TOKEN = "secret"
    assert handshake_for(settings) == {"token": "secret"}


@pytest.mark.parametrize(
    "reason",
    [
        "",
        "unknown object 'x'",
        "no free workers, increase server threadpool size",
        "invalid protocol version: 502",
        "message used serializer that is not accepted: 3",
    ],
)
def test_what_has_nothing_to_do_with_the_client_is_no_matter_of_safety(
    reason: str, settings: Configuration
) -> None:
    error = CommunicationError("failed")
    error.refusal = reason
    assert refused(error, settings) is error


def test_a_refusal_says_what_to_do_and_never_the_token(
    settings: Configuration,
) -> None:
    error = CommunicationError("connection to a:1 rejected: authentication failed")
    error.refusal = "authentication failed"
    without = refused(error, settings)
    assert isinstance(without, SecurityError)
    assert "a:1 rejected: authentication failed" in str(without)
    assert "set NS_TOKEN" in str(without)
    settings.NS_TOKEN = "secret"
    text = str(refused(error, settings))
    assert "is NS_TOKEN the right one?" in text
    assert "secret" not in text


def test_what_a_name_server_cannot_do_is_said_before_it_is_asked() -> None:
    with pytest.raises(NamingError, match="knows no leases, owners or force"):
        check_ability("renew", A, None)
