"""Name servers for the tests of the client half of naming."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pyro_protocol.config import Configuration
from pyro_protocol.naming.standing import standing
from support.changing_names import NameServers
from support.hosting import HostThread
from support.names import Names
from support.peers import pyro5_python
from support.programs import name_server_of_pyro5

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def settings() -> Configuration:
    """Settings of a test's own: no broadcasts, whatever the environment says."""
    settings = Configuration(use_environment=False)
    settings.BROADCAST_ADDRS = []
    return settings


@pytest.fixture
def names() -> Names:
    """The object that `host` publishes."""
    return Names()


@pytest.fixture
def host(names: Names) -> Iterator[HostThread]:
    """A server with `names` as its name server."""
    with HostThread() as host:
        host.register(names, "Pyro.NameServer")
        yield host


@pytest.fixture
def port(host: HostThread) -> int:
    """The port of `host`."""
    return int(host.location.rpartition(":")[2])


@pytest.fixture(scope="session")
def pyro5_name_server() -> Iterator[str]:
    """The location of a name server of Pyro5."""
    program, host, port = name_server_of_pyro5(pyro5_python())
    with program:
        yield f"{host}:{port}"


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    """Forget which name servers have failed in other tests."""
    standing.forget()
    yield
    standing.forget()


@pytest.fixture
def servers() -> Iterator[NameServers]:
    """Three name servers that share what they know."""
    servers = NameServers(3)
    yield servers
    servers.close()
