"""Callbacks as Pyro5 documents them: the client has a daemon of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyro_suite import AsyncProxy, Daemon, Proxy, callback, expose
from support.daemons import serving
from support.peers import pyro5_python
from support.programs import Program

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = Path(__file__).parent / "programs"


class Listener:
    """What the server calls back."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @expose
    @callback
    def tell(self, text: str) -> str:
        self.heard.append(text)
        return text.upper()


@pytest.fixture(params=["Pyro5.api", "pyro_suite"])
def target(request: pytest.FixtureRequest) -> Iterator[str]:
    python: dict[str, Any] = {}
    if request.param == "Pyro5.api":
        python["python"] = pyro5_python()
    with Program(PROGRAMS / "target_server.py", request.param, **python) as program:
        yield program.wait_for("^PYRO:.*")[0]


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    with Daemon(host="127.0.0.1") as daemon, serving(daemon):
        daemon.register(listener)
        yield listener


def test_a_server_calls_an_object_in_the_daemon_of_its_client(
    target: str, listener: Listener
) -> None:
    with Proxy(target) as proxy:
        assert proxy.call_back(listener, "hello") == "HELLO"
        assert proxy.call_back(listener, "again") == "AGAIN"
    assert listener.heard == ["hello", "again"]


def test_it_does_so_for_a_client_with_an_event_loop(
    target: str, listener: Listener
) -> None:
    async def main() -> str:
        async with AsyncProxy(target) as proxy:
            answer: str = await proxy.call_back(listener, "hello")
            return answer

    assert asyncio.run(main()) == "HELLO"
    assert listener.heard == ["hello"]
