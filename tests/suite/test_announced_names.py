"""Daemons that keep their names in a real name server, whatever happens to either."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyro_protocol.authentication import hash_token
from pyro_protocol.errors import NamingError, PyroError, SecurityError
from pyro_suite import Daemon, NameServerClient, Proxy, expose
from support.daemons import eventually, serving
from support.name_server_program import NameServerProgram
from support.programs import Program
from support.pyro_serve import PyroServe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM = Path(__file__).parent / "programs" / "announcing.py"
# A third of it is what a test waits for a renewal, and two thirds are what a machine
# that has much else to do may take for it.
TTL = 6.0

HOUSE = """\
from pyro_server import expose

@expose
class Lamp:
    def shine(self):
        return "white"
"""


@expose
class Lamp:
    def shine(self) -> str:
        return "white"


@pytest.fixture
def start_name_server() -> Iterator[Callable[..., NameServerProgram]]:
    """Starts name servers, which are gone when the test is over."""
    with contextlib.ExitStack() as stack:

        def start(storage: str = "memory", *options: str) -> NameServerProgram:
            return NameServerProgram(stack, storage, *options)

        yield start


@pytest.fixture
def name_server(
    start_name_server: Callable[..., NameServerProgram],
) -> NameServerProgram:
    return start_name_server()


@pytest.fixture
def announcing() -> Iterator[Callable[..., Program]]:
    """Starts processes with a daemon that announces a name."""
    with contextlib.ExitStack() as stack:

        def start(
            name_server: NameServerProgram, ttl: float = TTL, owner: str = "alice"
        ) -> Program:
            program = Program(
                *(PROGRAM, "lab.lamp", str(ttl), owner),
                settings=name_server.environment,
            )
            return stack.enter_context(program)

        yield start


def answers(name_server: NameServerProgram, name: str) -> bool:
    """Whether a name leads to an object that answers."""
    try:
        with name_server.client() as client:
            uri = client.lookup(name)
        with Proxy(uri) as proxy:
            return bool(proxy.shine() == "white")
    except PyroError:
        return False


def test_the_names_of_a_killed_daemon_go(
    name_server: NameServerProgram, announcing: Callable[..., Program]
) -> None:
    program = announcing(name_server, ttl=1.0)
    program.wait_for("^announced")
    with name_server.client() as client, client.watch("lab.", existing=True) as changes:
        first = next(changes)
        assert (first.kind, first.name, first.owner) == ("known", "lab.lamp", "alice")
        program.end(signal.SIGKILL)
        last = next(changes)
        assert (last.kind, last.name) == ("removed", "lab.lamp")


def test_a_daemon_that_ends_takes_its_names_along(
    name_server: NameServerProgram, announcing: Callable[..., Program]
) -> None:
    # It would stay for good.
    program = announcing(name_server, ttl=0)
    program.wait_for("^announced")
    assert answers(name_server, "lab.lamp")
    assert program.end(signal.SIGTERM) == 0
    assert name_server.names() == {}


def test_a_name_stays_for_as_long_as_its_daemon_lives(
    name_server: NameServerProgram, announcing: Callable[..., Program]
) -> None:
    announcing(name_server, ttl=TTL).wait_for("^announced")
    with name_server.client() as client, client.watch("lab.", existing=True) as changes:
        assert next(changes).kind == "known"
        wait_for_renewals(client, 2)
        client.register("lab.last", "PYRO:last@localhost:1")
        assert next(changes).name == "lab.last"


def wait_for_renewals(client: NameServerClient, count: int) -> None:
    """Wait until a lease has begun anew so many times."""
    for _ in range(count):
        lowest = [TTL]

        def begun_anew(lowest: list[float] = lowest) -> bool:
            left = client.describe("lab.lamp").expires_in
            assert left is not None
            lowest.append(min(lowest[-1], left))
            return left > lowest[-1]

        eventually(begun_anew)


@pytest.mark.parametrize("servertype", ["thread", "multiplex", "asyncio"])
def test_a_name_server_that_forgets_all_learns_it_again(
    name_server: NameServerProgram, servertype: str
) -> None:
    settings = name_server.settings
    settings.SERVERTYPE = servertype
    with serving(Daemon(config=settings)) as daemon:
        daemon.register(Lamp(), "lamp")
        for number in range(3):
            daemon.announce(f"lab.{number}", "lamp", metadata=["warm"], ttl=TTL)
        name_server.kill()
        name_server.start()
        eventually(lambda: len(name_server.names()) == 3)
        with name_server.client() as client:
            entry = client.describe("lab.2")
        assert entry.uri == str(daemon.uriFor("lamp"))
        assert (entry.metadata, entry.ttl) == (frozenset({"warm"}), TTL)
        assert answers(name_server, "lab.2")
    assert name_server.names() == {}


def test_names_in_a_file_never_go(
    start_name_server: Callable[..., NameServerProgram],
    announcing: Callable[..., Program],
    tmp_path: Path,
) -> None:
    name_server = start_name_server(f"sql:{tmp_path / 'names.sqlite'}")
    announcing(name_server).wait_for("^announced")
    with Proxy(name_server.uri) as proxy:
        position = proxy.position()
    name_server.kill()
    name_server.start()
    assert answers(name_server, "lab.lamp")
    with name_server.client() as client, Proxy(name_server.uri) as proxy:
        wait_for_renewals(client, 1)
        assert proxy.changes(position, "lab.")["changes"] == []


def test_a_second_daemon_is_told_who_holds_the_name(
    name_server: NameServerProgram, announcing: Callable[..., Program]
) -> None:
    first = announcing(name_server, owner="alice")
    first.wait_for("^announced")
    second = announcing(name_server, owner="bob")
    assert "lab.lamp" in second.wait_for("^refused: .* held by alice.*$")[0]
    assert second.wait() == 1
    with serving(Daemon(config=name_server.settings)) as daemon:
        daemon.register(Lamp(), "lamp")
        with pytest.raises(NamingError, match="held by alice"):
            daemon.announce("lab.lamp", "lamp", owner="bob")
        daemon.announce("lab.lamp", "lamp", owner="bob", force=True)
        # It is not the first one's to remove.
        assert first.end(signal.SIGTERM) == 0
        assert name_server.names() == {"lab.lamp": str(daemon.uriFor("lamp"))}


def test_a_program_that_is_started_again_takes_its_name_back(
    name_server: NameServerProgram, announcing: Callable[..., Program]
) -> None:
    first = announcing(name_server, ttl=0)
    first.wait_for("^announced")
    first.end(signal.SIGKILL)
    second = announcing(name_server, ttl=0)
    uri = second.wait_for(r"^announced (\S+)$")[1]
    assert name_server.names() == {"lab.lamp": uri}


def test_a_daemon_that_the_name_server_knows_registers_in_its_own_name(
    start_name_server: Callable[..., NameServerProgram], tmp_path: Path
) -> None:
    access = tmp_path / "access.toml"
    access.write_text(
        f"[clients.house]\ntoken = '{hash_token('a long and good secret')}'\n"
    )
    name_server = start_name_server("memory", "--access", str(access))
    settings = name_server.settings
    with serving(Daemon(config=settings)) as stranger:
        stranger.register(Lamp(), "lamp")
        with pytest.raises(SecurityError):
            stranger.announce("lab.lamp", "lamp")
    settings.NS_TOKEN = "a long and good secret"
    with serving(Daemon(config=settings)) as daemon:
        daemon.register(Lamp(), "lamp")
        daemon.announce("lab.lamp", "lamp", ttl=TTL)
        with pytest.raises(SecurityError, match="house cannot act in the name of bob"):
            daemon.announce("lab.light", "lamp", owner="bob")
        with name_server.client() as client:
            assert client.describe("lab.lamp").owner == "house"
            wait_for_renewals(client, 1)
    assert name_server.names() == {}


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., PyroServe]]:
    """Starts pyro-serve with the lamp, and waits until it is ready."""
    (tmp_path / "house.py").write_text(HOUSE)
    with contextlib.ExitStack() as stack:

        def serve(name_server: NameServerProgram, *arguments: str) -> PyroServe:
            program = stack.enter_context(
                PyroServe(
                    *("house:Lamp", "--name", "lab.lamp", *arguments),
                    folder=tmp_path,
                    **name_server.environment,
                )
            )
            program.wait_until_ready()
            return program

        yield serve


@pytest.mark.skipif(os.name != "posix", reason="it needs a POSIX system")
def test_workers_that_come_and_go_leave_the_name_alone(
    name_server: NameServerProgram, serve: Callable[..., PyroServe]
) -> None:
    with name_server.client() as client, client.watch("lab.") as changes:
        program = serve(name_server, "--workers", "2", "--ttl", "60", "--owner", "eve")
        added = next(changes)
        assert (added.kind, added.owner, added.ttl) == ("added", "eve", 60)
        os.kill(program.workers[1], signal.SIGKILL)
        program.wait_for_worker(1)
        program.send_signal(signal.SIGHUP)
        program.wait_for("the new workers are ready")
        # One that is leaving may be met, and hang up.
        eventually(lambda: answers(name_server, "lab.lamp"))
        assert program.end() == 0
        assert next(changes).kind == "removed"


@pytest.mark.skipif(os.name != "posix", reason="it needs a POSIX system")
@pytest.mark.parametrize("arguments", [(), ("--workers", "1")])
def test_the_names_of_a_killed_pyro_serve_go(
    name_server: NameServerProgram,
    serve: Callable[..., PyroServe],
    arguments: tuple[str, ...],
) -> None:
    program = serve(name_server, "--ttl", "1", *arguments)
    with name_server.client() as client, client.watch("lab.", existing=True) as changes:
        assert next(changes).kind == "known"
        program.end(signal.SIGKILL)
        assert next(changes).kind == "removed"


@pytest.mark.skipif(os.name != "posix", reason="it needs a POSIX system")
def test_a_killed_pyro_serve_can_be_started_again_at_once(
    name_server: NameServerProgram, serve: Callable[..., PyroServe]
) -> None:
    first = serve(name_server, "--ttl", "0")
    with pytest.raises(AssertionError, match="already registered"):
        serve(name_server, "--ttl", "0")
    first.end(signal.SIGKILL)
    second = serve(name_server, "--ttl", "0")
    assert name_server.names() == {"lab.lamp": str(second.uri)}
