"""A name server with a few names, and the command that asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.nsc import Nsc

if TYPE_CHECKING:
    from pyro_naming import NameServer, NameServerDaemon


@pytest.fixture
def nsc(port: int, capsys: pytest.CaptureFixture[str]) -> Nsc:
    """The command, which asks the name server of the tests."""
    return Nsc(port, capsys)


@pytest.fixture
def names(daemon: NameServerDaemon) -> NameServer:
    """The name server that the command asks; alice has one of the names."""
    names = daemon.nameserver
    names.register("demo.a", "PYRO:a@h:1", metadata=["y", "x"])
    names.register("demo.b", "PYRO:b@h:1", owner="alice", ttl=600.0)
    return names
