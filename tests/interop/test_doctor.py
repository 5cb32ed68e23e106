"""``pyro-doctor`` examines Pyro5's own servers, and all of our daemons."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyro_protocol import Configuration, expose
from pyro_server import Daemon
from support.daemons import serving
from support.diagnosing import Doctor
from support.peers import pyro5_python
from support.programs import Program, name_server_of_pyro5

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = Path(__file__).parent / "programs" / "target_server.py"


@expose
class Thing:
    """Tells when one of its methods has been called."""

    def __init__(self) -> None:
        self.calls = 0

    def touch(self) -> None:
        self.calls += 1


@pytest.fixture
def diagnose(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Doctor:
    return Doctor(capsys, monkeypatch)


@pytest.fixture
def pyro5_uri() -> Iterator[str]:
    """The URI of an object that Pyro5 serves."""
    with Program(SERVER, "Pyro5.api", python=pyro5_python()) as program:
        yield program.wait_for(r"(PYRO:\S+)")[1]


def test_an_object_of_pyro5(diagnose: Doctor, pyro5_uri: str) -> None:
    diagnosis = diagnose(pyro5_uri)
    assert diagnosis.warnings == []
    assert "Pyro5" in diagnosis.detail_of("object", "handshake")
    assert diagnosis.report["summary"]["serializer"] == "serpent"
    assert diagnosis.report["summary"]["capabilities"] == []
    assert diagnosis.detail_of("object", "ping")


def test_pyro5_does_not_have_the_native_serializer(
    diagnose: Doctor, pyro5_uri: str
) -> None:
    diagnosis = diagnose(pyro5_uri, "--serializer", "native")
    assert diagnosis.found == ("object", "daemon", "serializer-refused")
    assert "SERIALIZER=auto" in diagnosis.advice


def test_pyro5_is_examined_with_the_configured_serializer(
    diagnose: Doctor, pyro5_uri: str
) -> None:
    diagnosis = diagnose(pyro5_uri, SERIALIZER="json")
    assert diagnosis.report["summary"]["serializer"] == "json"


def test_an_object_that_pyro5_does_not_have(diagnose: Doctor, pyro5_uri: str) -> None:
    diagnosis = diagnose(pyro5_uri.replace("PYRO:", "PYRO:other-"))
    assert diagnosis.found == ("object", "object", "unknown-object")


def test_pyro5_does_not_speak_tls(diagnose: Doctor, pyro5_uri: str) -> None:
    diagnosis = diagnose(pyro5_uri, SSL=True)
    assert diagnosis.found == ("object", "tls", "no-tls")


def test_the_name_server_of_pyro5(diagnose: Doctor) -> None:
    program, host, port = name_server_of_pyro5(pyro5_python())
    with program:
        diagnosis = diagnose(f"{host}:{port}")
        assert diagnosis.status == 0
        unknown = diagnose(f"PYRONAME:Pyro.NameServr@{host}:{port}")
    assert unknown.found == ("name server", "look-up", "unknown-name")
    assert "did you mean 'Pyro.NameServer'?" in unknown.detail


@pytest.mark.parametrize("servertype", ["thread", "multiplex"])
def test_our_daemons_are_examined_without_calling_their_objects(
    diagnose: Doctor, servertype: str
) -> None:
    thing = Thing()
    settings = Configuration(use_environment=False, SERVERTYPE=servertype)
    with Daemon(config=settings) as daemon, serving(daemon):
        uri = daemon.register(thing, "thing")
        diagnosis = diagnose(str(uri))
    assert diagnosis.warnings == []
    assert diagnosis.report["summary"]["serializer"] == "native"
    assert thing.calls == 0


def test_a_daemon_that_publishes_an_address_which_leads_nowhere(
    diagnose: Doctor,
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.2", 0))
        outside = closed.getsockname()[1]
        with (
            Daemon(nathost="127.0.0.2", natport=outside) as daemon,
            serving(daemon),
        ):
            uri = daemon.register(Thing(), "thing")
            from_outside = diagnose(str(uri))
            inside = diagnose(str(daemon.uriFor("thing", nat=False)))
    assert from_outside.found == ("object", "tcp", "refused")
    assert "NAT router" in from_outside.advice
    assert inside.warnings == ["published-elsewhere"]
    (warning,) = inside.report["warnings"]
    assert f"127.0.0.2:{outside}" in warning["detail"]
    assert "NATPORT" in " ".join(warning["advice"])


def test_a_daemon_on_one_address_only(diagnose: Doctor) -> None:
    with Daemon(host="127.0.0.1") as daemon, serving(daemon):
        uri = daemon.register(Thing(), "thing")
        diagnosis = diagnose(f"PYRO:thing@127.0.0.2:{uri.port}")
    assert diagnosis.found == ("object", "tcp", "refused")
    assert "pyro-serve --host" in diagnosis.advice
