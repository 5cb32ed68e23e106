"""The microscope, its server and its client, run the way a reader runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from support.programs import Program, clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parents[2] / "examples"
# The client takes about a second; on a busy machine it may need many times that.
TIMEOUT = 60.0


class Server(NamedTuple):
    """A server that is up, and what it has printed."""

    program: Program
    operator: str
    guest: str
    uri: str


@pytest.fixture
def server() -> Iterator[Server]:
    with Program(EXAMPLES / "microscope_server.py") as program:
        operator = program.wait_for("token of an operator: (.*)")[1]
        guest = program.wait_for("token of a guest: (.*)")[1]
        uri = program.wait_for("microscope: (.*)")[1]
        yield Server(program, operator, guest, uri)


def visit(server: Server, token: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, EXAMPLES / "microscope_client.py", server.uri, token],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def test_an_operator_takes_pictures_and_stops_the_stage(server: Server) -> None:
    client = visit(server, server.operator)
    assert client.stdout.splitlines() == [
        "Temperatures: 21.0 21.84 21.91 21.14",
        "Frame 1 at Position(x=0.0, y=0.0): 4096 pixels",
        "Moved to Position(x=1.5, y=2.0)",
        "Stopped on the way",
    ], client.stderr


def test_a_guest_may_only_look(server: Server) -> None:
    client = visit(server, server.guest)
    first, second = client.stdout.splitlines()
    assert first.startswith("Temperatures:")
    assert second.startswith("Refused:")
    assert "operator" in second


def test_who_has_no_token_is_not_let_in(server: Server) -> None:
    client = visit(server, "a token that nobody was given")
    assert client.returncode == 1
    assert "CommunicationError" in client.stderr


def test_the_server_ends_when_it_is_asked_to(server: Server) -> None:
    assert server.program.end() == 0
