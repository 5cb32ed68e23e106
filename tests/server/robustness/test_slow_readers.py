"""Clients that ask for much and read nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from server.robustness.world import WORKERS, Callers
from support.daemons import RawClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.robustness.world import ServerProcess

_MIB: Final = 1024 * 1024
_ANSWER: Final = 8 * _MIB
"""More than the system's buffers of a connection take."""


def test_clients_that_never_read_their_answers_keep_nobody_waiting(
    server: ServerProcess, callers: Callers, attack: Callable[[], RawClient]
) -> None:
    # More of them than there are workers.
    for _ in range(2 * WORKERS):
        client = attack()
        client.shake_hands()
        client.send(client.call_message("make", _ANSWER, serializer="msgpack"))
    callers.wait_for_answers(20)


def test_who_does_not_read_an_answer_gets_no_more_of_them(
    server: ServerProcess, callers: Callers, attack: Callable[[], RawClient]
) -> None:
    server.forget_peak_memory()
    before = server.peak_memory()
    client = attack()
    client.shake_hands()
    calls = [
        client.call_message("make", _MIB, serializer="msgpack") for _ in range(500)
    ]
    client.send(b"".join(calls))
    callers.wait_for_answers(20)
    assert server.peak_memory() - before < 64 * _MIB


def test_who_reads_nothing_for_too_long_is_dropped(
    serve: Callable[..., ServerProcess],
) -> None:
    server = serve(settings={"PYRO_MESSAGE_TIMEOUT": "0.5"})
    with Callers(server.uri()) as callers, RawClient(server.uri()) as client:
        client.shake_hands()
        client.send(client.call_message("make", _ANSWER, serializer="msgpack"))
        # What was on its way already is what the system still has.
        server.program.wait_for("read|write|answer|dropped")
        callers.wait_for_answers(3)
        with pytest.raises((EOFError, ConnectionResetError)):
            client.receive()
