"""Daemons that keep names of their objects in the name server."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import expose
from pyro_protocol.errors import DaemonError, NamingError, PyroError
from pyro_server import Daemon
from pyro_server.announcements import user_and_machine
from support.daemons import eventually, serving
from support.hosting import DEADLINE, HostThread
from support.names import LeasingNames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_protocol.config import Configuration
    from pyro_protocol.transport import BlockingChannel


@expose
class Lamp:
    def __init__(self) -> None:
        self.daemon: Daemon | None = None

    def shine(self) -> str:
        return "white"

    def burn_out(self) -> str:
        assert self.daemon is not None
        self.daemon.shutdown()
        return "dark"

    def burn_down(self) -> str:
        assert self.daemon is not None
        self.daemon.shutdown(drain=DEADLINE)
        return "dark"

    async def burn_out_async(self) -> str:
        return self.burn_out()


class WatchedNames(LeasingNames):
    """Does something of the test's while a name is removed."""

    def __init__(self) -> None:
        super().__init__()
        self.while_removing: Callable[[], object] = lambda: None
        self.seen: object = None

    @expose
    def remove(self, *args: Any, **kwargs: Any) -> int:
        self.seen = self.while_removing()
        return super().remove(*args, **kwargs)


@pytest.fixture
def names(settings: Configuration) -> Iterator[WatchedNames]:
    """A name server, which is where the daemon looks for it."""
    names = WatchedNames()
    with HostThread() as host:
        host.register(names, "Pyro.NameServer")
        address, port = host.location.split(":")
        settings.NS_HOST, settings.NS_PORT = address, int(port)
        yield names


def keepers() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "pyro-names"]


def test_an_announced_name_is_there_until_the_daemon_is_closed(
    names: WatchedNames, settings: Configuration
) -> None:
    with Daemon(config=settings) as daemon:
        lamp = Lamp()
        uri = daemon.register(lamp)
        daemon.announce("lab.lamp", lamp, metadata=["warm"], ttl=30)
        daemon.announce("lab.light", str(uri.object), owner="house")
        assert names.registered == {
            "lab.lamp": (str(uri), {"warm"}),
            "lab.light": (str(uri), set()),
        }
        assert names.owners == {"lab.lamp": user_and_machine(), "lab.light": "house"}
        assert names.ttls == {"lab.lamp": 30, "lab.light": settings.NS_TTL}
        assert len(keepers()) == 1
    assert names.registered == {}
    assert keepers() == []


def test_a_daemon_that_announces_nothing_has_nothing_for_it(
    settings: Configuration,
) -> None:
    with Daemon(config=settings) as daemon:
        daemon.register(Lamp(), "lamp")
        daemon.withdraw("lab.lamp")
        assert daemon._names is None
        assert keepers() == []


def test_a_withdrawn_name_is_gone_and_the_others_stay(
    names: WatchedNames, settings: Configuration
) -> None:
    with Daemon(config=settings) as daemon:
        daemon.register(Lamp(), "lamp")
        daemon.announce("lab.lamp", "lamp")
        daemon.announce("lab.light", "lamp")
        daemon.withdraw("lab.lamp")
        daemon.withdraw("unknown")
        assert set(names.registered) == {"lab.light"}


def test_the_names_of_an_object_go_with_it(
    names: WatchedNames, settings: Configuration
) -> None:
    with Daemon(config=settings) as daemon:
        lamp = Lamp()
        daemon.register(lamp, "lamp")
        daemon.register(Lamp(), "pump")
        daemon.announce("lab.lamp", "lamp")
        daemon.announce("lab.light", "lamp")
        daemon.announce("lab.pump", "pump")
        daemon.unregister("pump")
        eventually(lambda: set(names.registered) == {"lab.lamp", "lab.light"})
        daemon.unregister(lamp)
        eventually(lambda: names.registered == {})


def test_an_announced_name_can_be_given_to_another_object(
    names: WatchedNames, settings: Configuration
) -> None:
    with Daemon(config=settings) as daemon:
        daemon.register(Lamp(), "old")
        daemon.register(Lamp(), "new")
        daemon.announce("lab.lamp", "old")
        daemon.announce("lab.lamp", "new")
        assert names.registered["lab.lamp"][0] == str(daemon.uriFor("new"))
    assert names.registered == {}


def test_what_cannot_be_announced(names: WatchedNames, settings: Configuration) -> None:
    daemon = Daemon(config=settings)
    with daemon:
        with pytest.raises(DaemonError, match="not registered here"):
            daemon.announce("lab.lamp", Lamp())
        with pytest.raises(DaemonError, match="'lamp' is not registered here"):
            daemon.announce("lab.lamp", "lamp")
        daemon.register(Lamp(), "lamp")
        names.registered["lab.lamp"] = ("PYRO:other@localhost:1", set())
        with pytest.raises(NamingError, match=r"already registered: lab\.lamp"):
            daemon.announce("lab.lamp", "lamp", safe=True)
        names.owners["lab.lamp"] = "alice"
        with pytest.raises(NamingError, match="held by alice"):
            daemon.announce("lab.lamp", "lamp")
        daemon.announce("lab.lamp", "lamp", force=True)
    with pytest.raises(PyroError, match="closed daemon"):
        daemon.announce("lab.lamp", "lamp")
    daemon.withdraw("lab.lamp")
    assert names.registered == {}


def test_without_a_name_server_it_is_said_where_one_was_looked_for(
    settings: Configuration,
) -> None:
    settings.NS_HOST, settings.BROADCAST_ADDRS = "./u:/nowhere/at/all", []
    with Daemon(config=settings) as daemon:
        daemon.register(Lamp(), "lamp")
        with pytest.raises(NamingError, match="/nowhere/at/all"):
            daemon.announce("lab.lamp", "lamp")
        eventually(lambda: not keepers())


@pytest.mark.parametrize("drain", [None, DEADLINE])
def test_names_are_gone_before_calls_are_refused(
    names: WatchedNames,
    settings: Configuration,
    connect: Callable[..., BlockingChannel],
    drain: float | None,
) -> None:
    daemon = Daemon(config=settings)
    with serving(daemon):
        uri = daemon.register(Lamp(), "lamp")
        daemon.announce("lab.lamp", "lamp")
        names.while_removing = lambda: connect(uri).call("lamp", "shine")
        daemon.shutdown(drain)
        assert names.seen == "white"
        assert names.registered == {}


@pytest.mark.parametrize("method", ["burn_out", "burn_down", "burn_out_async"])
def test_a_daemon_can_be_ended_by_what_it_serves(
    names: WatchedNames,
    settings: Configuration,
    connect: Callable[..., BlockingChannel],
    method: str,
) -> None:
    daemon = Daemon(config=settings)
    lamp = Lamp()
    lamp.daemon = daemon
    thread = threading.Thread(target=daemon.requestLoop)
    thread.start()
    uri = daemon.register(lamp, "lamp")
    daemon.announce("lab.lamp", lamp)
    names.while_removing = lambda: connect(uri).call("lamp", "shine")
    assert connect(uri).call("lamp", method) == "dark"
    thread.join(DEADLINE)
    assert not thread.is_alive()
    assert names.seen == "white"
    assert names.registered == {}
    eventually(lambda: not keepers())


@pytest.mark.skipif(os.name != "posix", reason="there are no such signals here")
def test_a_daemon_can_be_ended_by_a_signal_handler(
    names: WatchedNames, settings: Configuration
) -> None:
    daemon = Daemon(config=settings)
    before = signal.signal(signal.SIGUSR1, lambda *_: daemon.shutdown())
    try:
        daemon.register(Lamp(), "lamp")
        daemon.announce("lab.lamp", "lamp")
        timer = threading.Timer(0, os.kill, (os.getpid(), signal.SIGUSR1))
        timer.start()
        daemon.requestLoop()
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
        daemon.close()
    assert names.registered == {}
    eventually(lambda: not keepers())


def test_in_an_event_loop_a_thread_announces(settings: Configuration) -> None:
    names = WatchedNames()
    settings.SERVERTYPE = "asyncio"

    async def main() -> None:
        async with Daemon(config=settings) as daemon:
            daemon.register(names, "Pyro.NameServer")
            # In the very event loop that must not be held up.
            settings.NS_HOST, settings.NS_PORT = (
                "localhost",
                daemon.sock.getsockname()[1],
            )
            daemon.register(Lamp(), "lamp")
            serving = asyncio.create_task(daemon.serve_forever())
            await asyncio.to_thread(daemon.announce, "lab.lamp", "lamp")
            assert set(names.registered) == {"lab.lamp"}
            daemon.shutdown()
            await serving

    asyncio.run(asyncio.wait_for(main(), DEADLINE))
    assert names.registered == {}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_names_of_a_daemon_that_nobody_has_any_more_are_removed(
    names: WatchedNames, settings: Configuration
) -> None:
    daemon: Daemon | None = Daemon(config=settings)
    assert daemon is not None
    daemon.register(Lamp(), "lamp")
    daemon.announce("lab.lamp", "lamp")
    daemon = None
    gc.collect()
    eventually(lambda: names.registered == {})
    eventually(lambda: not keepers())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_that_closes_its_copy_leaves_the_names_to_its_parent(
    names: WatchedNames, settings: Configuration
) -> None:
    with Daemon(config=settings) as daemon:
        daemon.register(Lamp(), "lamp")
        daemon.announce("lab.lamp", "lamp")
        child = os.fork()
        if child == 0:
            daemon.close()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert set(names.registered) == {"lab.lamp"}
        daemon.announce("lab.light", "lamp")
        assert set(names.registered) == {"lab.lamp", "lab.light"}
    assert names.registered == {}
