"""Daemons that ask who calls, and Pyro5's own clients."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyro_server.authentication import TokenAuthentication
from pyro_suite import Configuration, Daemon, Identity, expose, requires
from support.daemons import serving
from support.peers import pyro5_python
from support.programs import Program

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT = Path(__file__).parent / "programs" / "guarded_client.py"
SERIALIZERS = ["serpent", "json", "msgpack"]
OWNERS, GUESTS = secrets.token_urlsafe(32), secrets.token_urlsafe(32)


@expose
class Safe:
    def look(self) -> str:
        return "closed"

    @requires("owner")
    def open(self, code: int) -> str:
        return f"open with {code}"

    def jam(self) -> None:
        raise ValueError("jammed", 5)

    @property
    def owner(self) -> str:
        return "bob"

    @owner.setter
    @requires("owner")
    def owner(self, name: str) -> None:
        pass


@pytest.fixture(scope="module")
def safe() -> Iterator[str]:
    settings = Configuration(
        use_environment=False, REMOTE_TRACEBACKS="never", MAX_RETRIES=0
    )
    known = TokenAuthentication(
        {OWNERS: Identity("bob", {"owner"}), GUESTS: Identity("eve")}
    )
    with serving(Daemon(config=settings, authenticate=known)) as daemon:
        yield str(daemon.register(Safe(), "safe"))


def visit(uri: str, serializer: str, token: str) -> dict[str, Any]:
    with Program(CLIENT, uri, serializer, token, python=pyro5_python()) as program:
        assert program.wait() == 0, program.lines
        found: dict[str, Any] = json.loads(program.lines[-1])
        return found


@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_a_pyro5_client_with_the_role_gets_everything(
    safe: str, serializer: str
) -> None:
    assert visit(safe, serializer, OWNERS) == {
        "look": "closed",
        "owner": "bob",
        "open": "open with 5",
        "batch": ["closed", "open with 7"],
        "error": ["jammed", 5],
        "where": False,
    }


@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_a_pyro5_client_without_it_gets_a_security_error(
    safe: str, serializer: str
) -> None:
    assert visit(safe, serializer, GUESTS) == {
        "look": "closed",
        "owner": "bob",
        "denied": "'eve' may not call safe.open: it needs the role 'owner'",
        "denied attribute": "'eve' may not write safe.owner: it needs the role 'owner'",
        "batch": ["closed", "denied"],
        "error": ["jammed", 5],
        "where": False,
    }


@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_a_pyro5_client_without_a_token_is_refused(safe: str, serializer: str) -> None:
    found = visit(safe, serializer, "wrong")

    assert list(found) == ["refused"]
    assert "authentication failed" in found["refused"]
