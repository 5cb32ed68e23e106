"""Servers for the tests of the client: pyro-protocol's own host, and bare sockets."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from pyro_client import Proxy
from support.diagnosing import Doctor
from support.hosting import HostThread
from support.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def bench() -> Iterator[Workbench]:
    """The object that `proxy` stands for."""
    bench = Workbench()
    yield bench
    bench.release.set()


@pytest.fixture
def host(bench: Workbench) -> Iterator[HostThread]:
    """A server whose object ``bench`` is the workbench."""
    with HostThread() as host:
        host.register(bench, "bench")
        yield host
        bench.release.set()


@pytest.fixture
def uri(host: HostThread) -> str:
    """Where the workbench is."""
    return f"PYRO:bench@{host.location}"


@pytest.fixture
def proxy(uri: str) -> Iterator[Proxy]:
    """A proxy of the workbench, not connected yet."""
    with Proxy(uri) as proxy:
        yield proxy


@pytest.fixture
def closed_location() -> Iterator[str]:
    """A location at which nobody listens, nor will while the test runs."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield "{}:{}".format(*sock.getsockname())


@pytest.fixture
def diagnose(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Doctor:
    """Runs ``pyro-doctor``."""
    return Doctor(capsys, monkeypatch)
