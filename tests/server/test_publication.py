"""Names that stay in the name server."""

from __future__ import annotations

import contextlib
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest

from pyro_protocol import URI
from pyro_protocol.config import Configuration
from pyro_server.options import ServeOptions
from pyro_server.publication import NameKeeper
from support.daemons import eventually
from support.hosting import DEADLINE, HostThread
from support.names import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_protocol.errors import PyroError

LAMP = URI("PYRO:lamp@localhost:5")
PUMP = URI("PYRO:pump@localhost:5")
OTHER = "PYRO:other@localhost:6"


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def start_name_server(names: Names) -> Iterator[Callable[..., HostThread]]:
    """Starts a name server, where there was one before perhaps."""
    with contextlib.ExitStack() as stack:

        def start(port: int = 0) -> HostThread:
            host = stack.enter_context(HostThread(port=port))
            host.register(names, "Pyro.NameServer")
            return host

        yield start


@pytest.fixture
def keep() -> Iterator[Callable[..., tuple[NameKeeper, PyroError | None]]]:
    """Has names kept, and returns the keeper with its first result."""
    with contextlib.ExitStack() as stack:

        def keep(
            host: HostThread, **options: object
        ) -> tuple[NameKeeper, PyroError | None]:
            results: SimpleQueue[PyroError | None] = SimpleQueue()
            address, port = host.location.split(":")
            settings = Configuration(use_environment=False)
            settings.NS_HOST, settings.NS_PORT = address, int(port)
            settings.BROADCAST_ADDRS = []
            keeper = NameKeeper(
                {"lamp": LAMP, "pump": PUMP},
                ServeOptions(objects={}, names_check=0.02, **options),  # type: ignore[arg-type] # as the tests name them
                results.put,
                settings=settings,
            )
            stack.callback(keeper.join)
            keeper.start()
            return keeper, results.get(timeout=DEADLINE)

        yield keep


def test_names_are_there_until_the_end(
    names: Names,
    start_name_server: Callable[..., HostThread],
    keep: Callable[..., tuple[NameKeeper, PyroError | None]],
) -> None:
    keeper, failure = keep(start_name_server(), metadata=["warm"])
    assert failure is None
    assert names.registered == {
        "lamp": (str(LAMP), {"warm"}),
        "pump": (str(PUMP), {"warm"}),
    }
    keeper.join()
    assert names.registered == {}


def test_a_forgotten_name_comes_back_with_its_metadata(
    names: Names,
    start_name_server: Callable[..., HostThread],
    keep: Callable[..., tuple[NameKeeper, PyroError | None]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    keep(start_name_server(), metadata=["warm"])
    del names.registered["pump"]
    eventually(lambda: "name pump was gone, and is registered again" in caplog.text)
    assert names.registered["pump"] == (str(PUMP), {"warm"})
    assert "name lamp" not in caplog.text


def test_a_name_server_that_was_restarted_learns_the_names_again(
    names: Names,
    start_name_server: Callable[..., HostThread],
    keep: Callable[..., tuple[NameKeeper, PyroError | None]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    host = start_name_server()
    keeper, _ = keep(host)
    host.stop()
    eventually(lambda: "the name server cannot be reached" in caplog.text)
    names.registered.clear()
    start_name_server(int(host.location.split(":")[1]))
    eventually(lambda: "the name server is back" in caplog.text)
    assert set(names.registered) == {"lamp", "pump"}
    # Once for each change, not for each attempt.
    assert caplog.text.count("cannot be reached") == 1
    keeper.join()
    assert names.registered == {}


def test_a_name_of_another_is_left_alone_until_it_is_free(
    names: Names,
    start_name_server: Callable[..., HostThread],
    keep: Callable[..., tuple[NameKeeper, PyroError | None]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    keeper, _ = keep(start_name_server(), replace=True)
    names.registered["lamp"] = (OTHER, set())
    eventually(lambda: f"name lamp is now that of {OTHER}" in caplog.text)
    checks = names.calls.count("lookup lamp")
    eventually(lambda: names.calls.count("lookup lamp") > checks + 2)
    assert names.registered["lamp"][0] == OTHER
    assert caplog.text.count("name lamp is now that of") == 1
    del names.registered["lamp"]
    eventually(lambda: "lamp" in names.registered)
    names.registered["lamp"] = (OTHER, set())
    keeper.join()
    assert names.registered == {"lamp": (OTHER, set())}


def test_a_name_that_is_taken_at_the_start_is_an_error(
    names: Names,
    start_name_server: Callable[..., HostThread],
    keep: Callable[..., tuple[NameKeeper, PyroError | None]],
) -> None:
    names.registered["pump"] = (OTHER, set())
    keeper, failure = keep(start_name_server())
    assert "already registered: pump; choose another --name" in str(failure)
    keeper.join()
    assert names.registered == {"pump": (OTHER, set())}
    _, failure = keep(start_name_server(), replace=True)
    assert failure is None
    assert names.registered["pump"][0] == str(PUMP)


def test_no_name_server_at_the_start_is_an_error(
    start_name_server: Callable[..., HostThread],
    keep: Callable[..., tuple[NameKeeper, PyroError | None]],
) -> None:
    host = start_name_server()
    host.stop()
    _, failure = keep(host)
    assert "or use --no-ns" in str(failure)


def test_a_keeper_that_was_not_started_has_nothing_to_wait_for() -> None:
    keeper = NameKeeper({}, ServeOptions(objects={}), lambda _: None)
    keeper.join()
