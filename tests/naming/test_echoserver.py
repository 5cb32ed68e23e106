from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

from pyro_naming import MemoryStorage, Registration, locate_ns, start_ns
from pyro_naming.echoserver import main
from pyro_protocol import URI, config
from pyro_protocol.transport import BlockingChannel
from support.hosting import DEADLINE
from support.programs import Program

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from pyro_naming import NameServerDaemon

RUN = ("-m", "pyro_naming.echoserver")
NAME = "test.echoserver"


def uri_of(program: Program) -> URI:
    return URI(program.wait_for("^echo uri: (.*)$")[1])


def test_it_serves_until_it_is_told_to_end() -> None:
    with Program(*RUN, "-v") as program:
        uri = uri_of(program)
        program.wait_for("^echoserver running")
        channel = BlockingChannel.connect(uri)
        assert channel.call(NAME, "echo", ("hi",), {}) == "hi"
        channel.call(NAME, "shutdown", (), {})
        channel.close()
        assert program.wait() == 0
    assert program.lines[:5] == [
        "Starting Pyro's built-in test echo server.",
        "not using a name server.",
        "object name: test.echoserver",
        f"echo uri: {uri}",
        "echoserver running.",
    ]
    assert [line.partition(" - ")[2] for line in program.lines[5:]] == [
        "echo: 'hi'",
        "shutting down",
    ]


def test_it_listens_on_a_unix_socket_and_ends_at_a_signal(tmp_path: Path) -> None:
    path = tmp_path / "echo.sock"
    with Program(*RUN, "-u", path) as program:
        assert uri_of(program) == URI(f"PYRO:test.echoserver@./u:{path}")
        program.wait_for("^echoserver running")
        assert program.end() == 0
    assert not path.exists()


def test_it_registers_its_name_and_removes_it(
    daemon: NameServerDaemon, port: int
) -> None:
    settings = {"PYRO_NS_HOST": "127.0.0.1", "PYRO_NS_PORT": str(port)}
    with Program(*RUN, "-n", settings=settings) as program:
        uri = uri_of(program)
        program.wait_for("^echoserver running")
        assert daemon.nameserver.lookup(NAME) == uri
        assert program.end() == 0
    assert NAME not in daemon.nameserver.list()


def test_it_starts_a_name_server_of_its_own() -> None:
    options = ("-N", "-v", "-H", "127.0.0.1")
    with Program(*RUN, *options, settings={"PYRO_NS_PORT": "0"}) as program:
        where = URI(program.wait_for("^using name server at (.*)$")[1])
        program.wait_for("^not using a broadcast server$")
        uri = uri_of(program)
        with locate_ns("127.0.0.1", where.port) as names:
            assert names.lookup(NAME) == uri
        assert program.end() == 0


def test_it_can_be_quiet() -> None:
    registered = threading.Event()

    class Telling(MemoryStorage):
        def put(
            self,
            name: str,
            registration: Registration,
            *,
            expected: int | None = None,
        ) -> bool:
            if name == NAME:
                registered.set()
            return super().put(name, registration, expected=expected)

    uri, daemon, _ = start_ns("127.0.0.1", 0, storage=Telling())
    settings = {"PYRO_NS_HOST": "127.0.0.1", "PYRO_NS_PORT": str(uri.port)}
    with daemon, Program(*RUN, "-q", "-v", "-n", settings=settings) as program:
        assert registered.wait(DEADLINE)
        assert program.end() == 0
    assert program.lines == []


def test_no_name_server_is_one_line_and_status_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setattr(config, "NS_PORT", unused.getsockname()[1])
        monkeypatch.setattr(config, "BROADCAST_ADDRS", [])
        assert main(["-q", "-n"]) == 1
    assert capsys.readouterr().err.startswith("pyro-echoserver: Failed to locate")
