"""The command as a process, where things do not go as one would like."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.hosting import DEADLINE
from support.programs import Program, clean_environment

if TYPE_CHECKING:
    from pyro_naming import NameServer

RUN = ("-m", "pyro_naming.nsc")

LOADED = "import sys, pyro_naming.nsc; print('asyncio' in sys.modules)"


def test_it_starts_quickly_as_it_loads_no_server() -> None:
    with Program("-c", LOADED) as program:
        assert program.wait() == 0
    assert program.lines == ["False"]


def test_it_can_be_interrupted_while_it_waits_without_a_word() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(DEADLINE)
        port = str(silent.getsockname()[1])
        with Program(*RUN, "-n", "127.0.0.1", "-p", port, "ping") as program:
            waiting, _ = silent.accept()
            with waiting:
                waiting.settimeout(DEADLINE)
                assert waiting.recv(1)
                assert program.end(signal.SIGINT) == 130
    assert program.lines == []


def test_something_else_that_listens_there_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(DEADLINE)
        port = str(other.getsockname()[1])
        with Program(*RUN, "-n", "127.0.0.1", "-p", port, "ping") as program:
            connected, _ = other.accept()
            with connected:
                connected.sendall(b"HTTP/1.1 400 Bad Request\r\n" * 10)
                assert program.wait() == 1
    (line,) = program.lines
    assert line.startswith("Error: ")


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("--lines", b"demo.\\u5fae --> PYRO:z@h:1"),
        ("--json", b'"name": "demo.\\u5fae"'),
    ],
)
def test_a_terminal_that_knows_few_characters_gets_escapes(
    names: NameServer, port: int, form: str, expected: bytes
) -> None:
    names.register("demo.微", "PYRO:z@h:1")
    where = ("-n", "127.0.0.1", "-p", str(port))
    result = subprocess.run(
        [sys.executable, *RUN, *where, "list", "demo.微", form],
        env=clean_environment({"PYTHONIOENCODING": "ascii"}),
        stdout=subprocess.PIPE,
        timeout=DEADLINE,
        check=True,
    )
    assert expected in result.stdout
