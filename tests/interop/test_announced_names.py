"""Our daemons keep names in Pyro5's name server, which knows no leases."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

import pytest

from pyro_protocol.errors import NamingError
from pyro_suite import Configuration, Daemon, NameServerClient, expose
from support.daemons import eventually, serving
from support.peers import pyro5_python
from support.programs import Program, name_server_of_pyro5
from support.pyro_serve import PyroServe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUSE = """\
from pyro_server import expose

@expose
class Lamp:
    def shine(self):
        return "white"
"""


@expose
class Lamp:
    def shine(self) -> str:
        return "white"


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def settings_for(host: str, port: int) -> Configuration:
    settings = Configuration(use_environment=False)
    settings.NS_HOST, settings.NS_PORT = host, port
    return settings


def start_name_server(
    stack: contextlib.ExitStack, port: int = 0
) -> tuple[Program, str, int]:
    program, host, port = name_server_of_pyro5(pyro5_python(), "-p", str(port))
    return stack.enter_context(program), host, port


def test_a_name_is_registered_without_a_lease_and_removed_at_the_end(
    stack: contextlib.ExitStack,
) -> None:
    _, host, port = start_name_server(stack)
    settings = settings_for(host, port)
    client = stack.enter_context(
        NameServerClient(f"PYRO:Pyro.NameServer@{host}:{port}", config=settings)
    )
    with serving(Daemon(config=settings)) as daemon:
        uri = daemon.register(Lamp(), "lamp")
        daemon.announce("lab.lamp", "lamp", metadata=["warm"], ttl=5, owner="alice")
        assert client.lookup("lab.lamp", return_metadata=True) == (uri, {"warm"})
        with pytest.raises(NamingError, match=r"already registered: lab\.lamp"):
            daemon.announce("lab.lamp", daemon.register(Lamp()).object, safe=True)
        daemon.announce("lab.pump", "lamp")
        daemon.withdraw("lab.pump")
        assert client.list(prefix="lab.") == {"lab.lamp": str(uri)}
    assert client.list(prefix="lab.") == {}


def test_a_name_server_that_was_restarted_learns_the_names_again(
    stack: contextlib.ExitStack, tmp_path: Path
) -> None:
    (tmp_path / "house.py").write_text(HOUSE)
    program, host, port = start_name_server(stack)
    serve = stack.enter_context(
        PyroServe(
            *("house:Lamp", "--name", "lab.lamp", "--ttl", "5", "--owner", "alice"),
            *("--names-check", "0.1"),
            folder=tmp_path,
            PYRO_NS_HOST=host,
            PYRO_NS_PORT=str(port),
        )
    )
    serve.wait_until_ready()
    program.end(signal.SIGKILL)
    serve.wait_for("the name server cannot be reached")
    start_name_server(stack, port)
    client = stack.enter_context(
        NameServerClient(
            f"PYRO:Pyro.NameServer@{host}:{port}", config=settings_for(host, port)
        )
    )
    eventually(lambda: client.list(prefix="lab.") == {"lab.lamp": str(serve.uri)})
    assert serve.end() == 0
    assert client.list(prefix="lab.") == {}
