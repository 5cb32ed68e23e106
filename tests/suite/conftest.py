"""Daemons and proxies that talk to each other, and a watch for what they leave."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from pyro_suite import Configuration, Daemon, Proxy
from pyro_suite.testing import Leaks
from support.daemons import serving
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def nothing_is_left() -> Iterator[Leaks]:
    """Checks that nothing is left when a test is over, proxies and daemons included."""
    leaks = Leaks()
    yield leaks
    leaks.wait_until_nothing_is_left(DEADLINE)


@pytest.fixture(params=["thread", "multiplex", "asyncio"])
def servertype(request: pytest.FixtureRequest) -> str:
    """Every test that serves with this runs once for each server type."""
    return str(request.param)


@pytest.fixture
def server_settings() -> Configuration:
    """Settings of the daemons, to be changed before one is started."""
    return Configuration(use_environment=False)


@pytest.fixture
def client_settings() -> Configuration:
    """Settings of the proxies, to be changed before one is made."""
    return Configuration(use_environment=False)


@pytest.fixture
def start(
    nothing_is_left: Leaks, server_settings: Configuration
) -> Iterator[Callable[..., Daemon]]:
    """Makes daemons that serve an object ``thing`` until the test is over."""
    with contextlib.ExitStack() as stack:

        def start(thing: object, **options: Any) -> Daemon:
            daemon = Daemon(**{"config": server_settings, **options})
            daemon.register(thing, "thing")
            return stack.enter_context(serving(daemon))

        yield start


@pytest.fixture
def connect(
    nothing_is_left: Leaks, client_settings: Configuration
) -> Iterator[Callable[..., Proxy]]:
    """Makes proxies of ``thing``, which are released when the test is over."""
    with contextlib.ExitStack() as stack:

        def connect(daemon: Daemon | str, *, timeout: float | None = DEADLINE) -> Proxy:
            uri = daemon if isinstance(daemon, str) else daemon.uriFor("thing")
            proxy = Proxy(uri, config=client_settings)
            proxy._pyroTimeout = timeout
            return stack.enter_context(proxy)

        yield connect
