"""A server process for each server type, and the good clients that use it."""

from __future__ import annotations

import contextlib
import resource
from typing import TYPE_CHECKING

import pytest

from pyro_client import Proxy
from server.robustness.world import Callers, Holdings, ServerProcess, plain_settings
from support.daemons import RawClient
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def shared_servers() -> Iterator[dict[str, ServerProcess]]:
    """The servers that tests share: what one has done must not harm the next."""
    servers: dict[str, ServerProcess] = {}
    yield servers
    for server in servers.values():
        server.close()


@pytest.fixture
def server(
    servertype: str, shared_servers: dict[str, ServerProcess]
) -> Iterator[ServerProcess]:
    """A server, which after the test must hold no more than before it."""
    if servertype not in shared_servers:
        shared_servers[servertype] = ServerProcess(servertype)
    server = shared_servers[servertype]
    try:
        holdings = Holdings(server)
        yield server
        holdings.wait_until_nothing_is_left()
    except BaseException:
        # The next test is to have a server without what this one has left.
        shared_servers.pop(servertype).close()
        raise


@pytest.fixture
def serve(servertype: str) -> Iterator[Callable[..., ServerProcess]]:
    """Starts servers with settings of their own, for one test."""
    servers: list[ServerProcess] = []

    def serve(**options: object) -> ServerProcess:
        servers.append(ServerProcess(servertype, **options))  # type: ignore[arg-type]
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


@pytest.fixture
def callers(server: ServerProcess) -> Iterator[Callers]:
    """Clients of the server that call all the while."""
    with Callers(server.uri()) as callers:
        yield callers


@pytest.fixture
def attack(server: ServerProcess) -> Iterator[Callable[[], RawClient]]:
    """Connects bare sockets to the server, which are closed before it is looked at."""
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(RawClient(server.uri()))


@pytest.fixture
def offender(server: ServerProcess) -> Iterator[Proxy]:
    """A client that knows no harm, and calls what does."""
    with Proxy(server.uri(), config=plain_settings()) as proxy:
        proxy._pyroTimeout = DEADLINE
        yield proxy


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Lets this process open as many files as the system allows it to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
