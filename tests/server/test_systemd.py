"""Sockets passed by, and notes for, a service manager."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from pyro_protocol import URI
from pyro_server.systemd import Notifier, passed_sockets
from support.hosting import DEADLINE
from support.pyro_serve import PyroServe, python_script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyro_protocol.transport import BlockingChannel

pytestmark = pytest.mark.skipif(os.name != "posix", reason="of POSIX systems")

HOUSE = """
import os
from pyro_server import expose

@expose
class House:
    def pid(self):
        return os.getpid()

    def environment(self):
        names = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID")
        return [name for name in names if name in os.environ]
"""

# As systemd does: descriptor 3 listens when the service is started.
ACTIVATION = """
import socket

kind, *arguments = sys.argv[1:]
if kind == "unix":
    sock = socket.socket(socket.AF_UNIX)
    sock.bind("activated")
elif kind == "tcp":
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
if kind == "file":
    os.dup2(os.open("house.py", os.O_RDONLY), 3)
else:
    sock.listen()
    os.dup2(sock.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
go_on(*arguments)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "house.py").write_text(HOUSE)
    return tmp_path


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., PyroServe]]:
    """Starts ``pyro-serve``, with a passed socket if it is told which."""
    wrapper = python_script(ACTIVATION, folder / "activate.py")
    with contextlib.ExitStack() as stack:

        def start(*arguments: str, passed: str = "", **settings: str) -> PyroServe:
            command = ("house:House", "--name", "house", "--no-ns", *arguments)
            if passed:
                program = PyroServe(
                    passed, *command, folder=folder, wrapper=wrapper, **settings
                )
            else:
                program = PyroServe(*command, folder=folder, **settings)
            return stack.enter_context(program)

        yield start


class Manager:
    """A service manager that listens to what services say."""

    def __init__(self, address: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(address)
        self.sock.settimeout(DEADLINE)

    def next_note(self) -> dict[str, str]:
        """Return the next note, by the names of its lines."""
        lines = self.sock.recv(4096).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)


@pytest.fixture
def manager(folder: Path) -> Iterator[Manager]:
    manager = Manager(str(folder / "notify"))
    with manager.sock:
        yield manager


@pytest.mark.parametrize("workers", [[], ["--workers", "2"]])
def test_a_passed_port_is_served_and_named(
    start: Callable[..., PyroServe],
    connect: Callable[..., BlockingChannel],
    workers: list[str],
) -> None:
    program = start(*workers, passed="tcp")
    program.wait_until_ready()
    assert program.uri.host == "127.0.0.1"
    channel = connect(program.uri)
    assert channel.call("house", "pid") in {program.pid, *program.workers.values()}
    assert channel.call("house", "environment") == []
    assert program.end() == 0


def test_a_passed_port_can_have_another_host_in_its_uris(
    start: Callable[..., PyroServe], connect: Callable[..., BlockingChannel]
) -> None:
    program = start("--host", "localhost", "--workers", "1", passed="tcp")
    program.wait_until_ready()
    assert program.uri.host == "localhost"
    assert connect(program.uri).call("house", "environment") == []


@pytest.mark.parametrize("workers", [[], ["--workers", "1"]])
def test_a_passed_unix_socket_stays_where_it_is(
    start: Callable[..., PyroServe],
    connect: Callable[..., BlockingChannel],
    folder: Path,
    workers: list[str],
) -> None:
    program = start(*workers, passed="unix")
    program.wait_until_ready()
    assert str(program.uri) == "PYRO:house@./u:activated"
    channel = connect(URI(f"PYRO:house@./u:{folder}/activated"))
    assert channel.call("house", "environment") == []
    assert program.end() == 0
    assert (folder / "activated").exists()


@pytest.mark.parametrize(
    ("passed", "arguments", "message"),
    [
        ("tcp", ["--port", "5"], "leave out --port and --unix"),
        ("unix", ["--host", "localhost"], "leave out --host, --nathost"),
        ("file", [], "descriptor 3, passed by LISTEN_FDS, is no socket"),
    ],
)
def test_what_cannot_be_served_is_named(
    start: Callable[..., PyroServe], passed: str, arguments: list[str], message: str
) -> None:
    program = start(*arguments, passed=passed)
    assert program.wait() == 1
    assert message in program.lines[-1]


def test_sockets_passed_to_another_process_are_not_touched() -> None:
    environment = {"LISTEN_FDS": "1", "LISTEN_PID": "1"}
    assert passed_sockets(environment) == []
    assert passed_sockets({}) == []
    assert environment == {}


@pytest.mark.parametrize("workers", [[], ["--workers", "2"]])
def test_a_manager_learns_when_it_is_ready_and_when_it_ends(
    start: Callable[..., PyroServe],
    connect: Callable[..., BlockingChannel],
    manager: Manager,
    folder: Path,
    workers: list[str],
) -> None:
    program = start(*workers, NOTIFY_SOCKET=str(folder / "notify"))
    note = manager.next_note()
    assert note["READY"] == "1"
    assert note["MAINPID"] == str(program.pid)
    assert "house" in note["STATUS"]
    program.wait_until_ready()
    # Programs that the objects start are not the service.
    assert connect(program.uri).call("house", "environment") == []
    program.send_signal(signal.SIGTERM)
    assert manager.next_note()["STOPPING"] == "1"
    assert program.wait() == 0


def test_a_manager_learns_of_a_reload(
    start: Callable[..., PyroServe], manager: Manager, folder: Path
) -> None:
    program = start("--workers", "1", NOTIFY_SOCKET=str(folder / "notify"))
    assert manager.next_note()["READY"] == "1"
    program.wait_until_ready()
    program.send_signal(signal.SIGHUP)
    note = manager.next_note()
    assert note["RELOADING"] == "1"
    assert note["MONOTONIC_USEC"].isdecimal()
    assert manager.next_note()["READY"] == "1"
    assert program.end() == 0


@pytest.mark.parametrize("workers", [[], ["--workers", "1"]])
@pytest.mark.parametrize("servertype", ["thread", "multiplex", "asyncio"])
def test_a_manager_gets_signs_of_life_if_it_wants_them(
    start: Callable[..., PyroServe],
    manager: Manager,
    folder: Path,
    workers: list[str],
    servertype: str,
) -> None:
    if workers and servertype != "thread":
        pytest.skip("the supervisor gives them, whatever the workers are like")
    program = start(
        *workers,
        *("--servertype", servertype),
        NOTIFY_SOCKET=str(folder / "notify"),
        WATCHDOG_USEC="200000",
    )
    while "READY" not in manager.next_note():
        # The supervisor gives signs of life while workers start.
        pass
    assert [manager.next_note() for _ in range(4)] == [{"WATCHDOG": "1"}] * 4
    assert program.end() == 0


def test_a_watchdog_of_another_process_is_not_fed(folder: Path) -> None:
    environment = {"WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"}
    assert Notifier(environment).interval is None
    assert environment == {}
    assert Notifier({"WATCHDOG_USEC": "3000000"}).interval == 1.5
    assert Notifier({"WATCHDOG_USEC": "0"}).interval is None


@pytest.mark.skipif(not os.path.exists("/proc/net/unix"), reason="of Linux")  # noqa: PTH110
def test_a_manager_may_have_an_abstract_address() -> None:
    address = f"pyro-test-{os.getpid()}"
    manager = Manager("\0" + address)
    with manager.sock:
        Notifier({"NOTIFY_SOCKET": "@" + address}).status("well")
        assert manager.next_note() == {"STATUS": "well"}


def test_a_manager_that_is_gone_is_no_error(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Notifier({"NOTIFY_SOCKET": str(folder / "nowhere")}).ready("serving")
    assert "the service manager cannot be told: READY=1" in caplog.text
