"""Clients that are there, or not."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from pyro_httpgw.serving import peers
from pyro_httpgw.serving.peers import has_gone

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["hang-ups", "ends"])
def pair(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[socket.socket, socket.socket]]:
    if request.param == "ends":
        # As on systems that do not tell hang-ups.
        monkeypatch.setattr(peers, "_HANGUP", 0)
    elif not peers._HANGUP:
        pytest.skip("this system does not tell hang-ups")
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        connection, _address = server.accept()
    with client, connection:
        yield client, connection


def test_who_waits_is_there(pair: tuple[socket.socket, socket.socket]) -> None:
    client, connection = pair
    assert not has_gone(connection)
    client.sendall(b"GET")
    assert not has_gone(connection)
    # Nothing was taken out of it.
    assert connection.recv(10) == b"GET"


def test_who_has_closed_the_connection_has_gone(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    client, connection = pair
    client.close()
    # Loopback tells it before the next call returns, but nothing says so.
    connection.settimeout(40)
    assert connection.recv(1, socket.MSG_PEEK) == b""
    assert has_gone(connection)


def test_a_connection_that_was_closed_here_has_gone(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    _client, connection = pair
    connection.close()
    assert has_gone(connection)
