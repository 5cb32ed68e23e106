"""Daemons of all server types for the tests, and a watch for what they leave."""

from __future__ import annotations

import contextlib
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol.config import Configuration
from pyro_protocol.transport import BlockingChannel
from pyro_server import Daemon
from support.capable_client import CapableClient
from support.concurrent_client import ConcurrentClient
from support.daemons import RawClient, serving
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_protocol import URI


# Their good clients are those of pyro-client, which may not be installed here.
collect_ignore = [] if find_spec("pyro_client") else ["robustness"]


# Threads of pyro-client, which end when they have been idle for a while.
_OF_CLIENTS = frozenset({"pyro-watcher", "pyro-client"})


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [
        thread
        for thread in set(threading.enumerate()) - before
        if thread.name.startswith("pyro-") and thread.name not in _OF_CLIENTS
    ]
    for thread in left:
        # One that is about to end, as that which shuts a daemon down, is not left.
        thread.join(DEADLINE)
    assert not [thread.name for thread in left if thread.is_alive()]


@pytest.fixture(params=["thread", "multiplex", "asyncio"])
def servertype(request: pytest.FixtureRequest) -> str:
    """Every test that serves runs once for each server type."""
    return str(request.param)


@pytest.fixture
def settings(servertype: str) -> Configuration:
    """Settings of a daemon, to be changed before it is made."""
    settings = Configuration(use_environment=False)
    settings.SERVERTYPE = servertype
    return settings


@pytest.fixture
def start(settings: Configuration) -> Iterator[Callable[..., Daemon]]:
    """Makes a daemon with the settings and has it serve until the test is over."""
    with contextlib.ExitStack() as stack:

        def start(
            daemon_class: type[Daemon] = Daemon, *args: Any, **kwargs: Any
        ) -> Daemon:
            daemon = daemon_class(*args, **{"config": settings, **kwargs})
            return stack.enter_context(serving(daemon))

        yield start


@pytest.fixture
def connect() -> Iterator[Callable[..., BlockingChannel]]:
    """Connects channels, and closes them when the test is over."""
    plain = Configuration(use_environment=False)
    with contextlib.ExitStack() as stack:

        def connect(uri: URI, **kwargs: Any) -> BlockingChannel:
            options = {"config": plain, "timeout": DEADLINE, **kwargs}
            channel = BlockingChannel.connect(uri, **options)
            stack.callback(channel.close)
            return channel

        yield connect


@pytest.fixture
def raw() -> Iterator[Callable[..., RawClient]]:
    """Connects bare sockets, and closes them when the test is over."""
    with contextlib.ExitStack() as stack:

        def raw(*args: Any, **kwargs: Any) -> RawClient:
            return stack.enter_context(RawClient(*args, **kwargs))

        yield raw


@pytest.fixture
def client() -> Iterator[Callable[..., ConcurrentClient]]:
    """Connects clients that have several calls in flight, and closes them."""
    with contextlib.ExitStack() as stack:

        def client(uri: URI, *args: Any) -> ConcurrentClient:
            return stack.enter_context(ConcurrentClient(uri, *args))

        yield client


@pytest.fixture
def capable() -> Iterator[Callable[..., CapableClient]]:
    """Connects clients with streams and callbacks, and closes them."""
    with contextlib.ExitStack() as stack:

        def capable(uri: URI, *args: Any) -> CapableClient:
            return stack.enter_context(CapableClient(uri, *args))

        yield capable


@pytest.fixture
def off_the_loop(servertype: str) -> None:
    """Skips a test where a method that takes long holds up the loop."""
    if servertype == "multiplex":
        pytest.skip("there, methods run in the loop, one at a time")
