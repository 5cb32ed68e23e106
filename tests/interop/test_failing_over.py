"""Retries, futures and several servers with daemons and a name server of Pyro5."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyro_client import Proxy, RetryPolicy, asyncproxy, batch, replicas
from pyro_protocol import Configuration, NameServerClient
from pyro_protocol.errors import ConnectionClosedError
from pyro_protocol.testing import FaultyLine
from support.peers import pyro5_python
from support.programs import Program, name_server_of_pyro5

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET = Path(__file__).parent / "programs" / "target_server.py"


@pytest.fixture(scope="module")
def pyro5_target() -> Iterator[str]:
    with Program(TARGET, "Pyro5.api", python=pyro5_python()) as program:
        yield program.wait_for("^PYRO:.*")[0]


@pytest.fixture
def relay(pyro5_target: str) -> Iterator[FaultyLine]:
    """What cuts the line to the server."""
    with FaultyLine(pyro5_target.partition("@")[2]) as relay:
        yield relay


@pytest.fixture
def proxy(pyro5_target: str, relay: FaultyLine) -> Iterator[Proxy]:
    """A proxy of the object, by way of the relay."""
    with Proxy(f"{pyro5_target.partition('@')[0]}@{relay.location}") as proxy:
        yield proxy


def test_methods_that_the_program_calls_harmless_are_tried_again(
    proxy: Proxy, relay: FaultyLine
) -> None:
    proxy._pyroRetryPolicy = RetryPolicy(first_delay=0.0, idempotent=["add"])
    proxy._pyroBind()
    relay.lose_next_answer()
    assert proxy.add(2, 3) == 5
    level = proxy.level
    relay.lose_next_answer()
    assert proxy.level == level


@pytest.mark.parametrize("policy", [None, RetryPolicy(first_delay=0.0)])
def test_other_methods_are_not(
    proxy: Proxy, relay: FaultyLine, policy: RetryPolicy | None
) -> None:
    proxy._pyroMaxRetries = 3
    proxy._pyroRetryPolicy = policy
    proxy._pyroBind()
    relay.lose_next_answer()
    with pytest.raises(ConnectionClosedError) as caught:
        proxy.add(2, 3)
    assert caught.value.outcome == "unknown"
    assert proxy.add(2, 3) == 5


def test_calls_in_the_background_take_turns(proxy: Proxy) -> None:
    asyncproxy(proxy)
    results = [proxy.add(number, 1).then(str) for number in range(20)]
    assert [one.value for one in results] == [str(number + 1) for number in range(20)]
    collected = batch(proxy)
    collected.add(1, 2)
    collected.add(3, 4)
    assert list(collected(asynchronous=True).value) == [3, 7]


def test_calls_go_on_when_one_of_several_servers_dies() -> None:
    python = pyro5_python()
    name_server, host, port = name_server_of_pyro5(python)
    config = Configuration(use_environment=False)
    config.BROADCAST_ADDRS = []
    config.NS_HOST, config.NS_PORT = host, port
    with name_server, ExitStack() as programs:
        ends = []
        for number in range(2):
            end = programs.enter_context(ExitStack())
            program = end.enter_context(Program(TARGET, "Pyro5.api", python=python))
            uri = program.wait_for("^PYRO:.*")[0]
            ends.append(end)
            names = NameServerClient(f"PYRO:Pyro.NameServer@{host}:{port}")
            names.register(f"target.{number}", uri, metadata={"target"})
            names._pyroRelease()
        with replicas("PYROMETA:target", "round_robin", config=config) as proxy:
            proxy._pyroRetryPolicy = RetryPolicy(first_delay=0.0, idempotent=["add"])
            assert [proxy.add(1, 1) for _ in range(4)] == [2] * 4
            assert [one.connected for one in proxy._pyroCandidates] == [True, True]
            ends[0].close()
            assert [proxy.add(1, 1) for _ in range(4)] == [2] * 4
        with Proxy("PYROMETA:target", config=config) as single:
            assert single.add(1, 1) == 2
