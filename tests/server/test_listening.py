"""The listening socket of the command."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from pyro_protocol.config import Configuration
from pyro_server.listening import Listener
from pyro_server.options import ServeOptions

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = Configuration(use_environment=False)


def listener(**options: object) -> Listener:
    return Listener(ServeOptions(objects={}, **options), SETTINGS)  # type: ignore[arg-type] # as the tests name them


def test_workers_learn_which_host_was_meant() -> None:
    # The socket itself knows its address only.
    with listener() as found:
        assert found.options.host == "localhost"
    with listener(host="127.0.0.1") as found:
        assert found.options.host == "127.0.0.1"


def test_connections_wait_while_nobody_serves() -> None:
    with (
        listener(host="127.0.0.1") as found,
        socket.create_connection(found.sock.getsockname()) as client,
    ):
        assert client.getpeername() == found.sock.getsockname()


@pytest.mark.skipif(os.name != "posix", reason="Unix sockets")
def test_the_file_of_a_unix_socket_is_removed_wherever_the_program_is_by_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with listener(unix="socket") as found:
        assert (tmp_path / "socket").exists()
        monkeypatch.chdir("/")
        found.close()
        assert not (tmp_path / "socket").exists()
        # Another server may have begun to listen there.
        (tmp_path / "socket").write_text("")
    assert (tmp_path / "socket").exists()


@pytest.mark.parametrize("host", ["", "0.0.0.0"])
def test_an_address_that_nobody_can_connect_to_is_reported(
    caplog: pytest.LogCaptureFixture, host: str
) -> None:
    with listener(host=host):
        assert "say with --nathost which name they are to use" in caplog.text
    caplog.clear()
    with listener(host=host, nathost="house.example"):
        assert not caplog.text
