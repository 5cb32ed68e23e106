"""The command ``pyro-serve``, as a process of its own where it serves."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import URI
from pyro_protocol.config import config
from pyro_server.cli import main
from support.hosting import HostThread
from support.names import Names
from support.programs import Program, clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyro_protocol.transport import BlockingChannel

HOUSE = """
import threading
from pyro_server import behavior, expose

@expose
class Thermostat:
    def __init__(self):
        self.heated = []

    def heat(self, room, degrees=21.0):
        self.heated.append(room)
        return f"{room} to {degrees}"

    def rooms(self):
        return self.heated

    def where(self):
        return threading.current_thread().name

@behavior(instance_mode="session")
class Visitor(Thermostat):
    pass

class Hall:
    thermostat = Thermostat()

class Secret:
    def tell(self):
        return "nobody may know"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "house.py").write_text(HOUSE)
    (tmp_path / "broken.py").write_text("import house\nhouse.Secret().tel()\n")
    return tmp_path


@pytest.fixture
def serve(folder: Path) -> Iterator[Callable[..., Program]]:
    """Starts ``pyro-serve`` and waits until it is ready."""
    programs: list[Program] = []

    def serve(*arguments: str, **settings: str) -> Program:
        program = Program(
            *("-m", "pyro_server", *arguments), settings=settings, folder=folder
        )
        programs.append(program)
        program.wait_for("^Pyro daemon running.$")
        return program

    yield serve
    for program in programs:
        with program:
            pass


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def name_server(names: Names) -> Iterator[HostThread]:
    with HostThread() as host:
        host.register(names, "Pyro.NameServer")
        yield host


@pytest.fixture
def ns_settings(name_server: HostThread) -> dict[str, str]:
    host, port = name_server.location.split(":")
    return {"PYRO_NS_HOST": host, "PYRO_NS_PORT": port}


def uris(program: Program) -> dict[str, URI]:
    """Return what the command has said that it serves."""
    pairs = (line.split(" -> ") for line in program.lines[:-1])
    return {name: URI(uri) for name, uri in pairs}


def test_a_class_is_served_under_its_name(
    serve: Callable[..., Program], connect: Callable[..., BlockingChannel]
) -> None:
    program = serve("house:Thermostat", "--name", "house.thermostat", "--no-ns")
    assert len(program.lines) == 2
    (uri,) = uris(program).values()
    assert uri.object == "house.thermostat"
    assert uri.host == "localhost"
    first, second = connect(uri), connect(uri)
    assert first.call("house.thermostat", "heat", ("hall",)) == "hall to 21.0"
    # One instance for all, unless the class says otherwise.
    assert second.call("house.thermostat", "rooms") == ["hall"]
    assert "pyro-worker" in first.call("house.thermostat", "where")
    assert program.end() == 0
    assert len(program.lines) == 2


def test_several_objects_each_with_the_name_behind_it(
    serve: Callable[..., Program], connect: Callable[..., BlockingChannel]
) -> None:
    program = serve(
        *("house:Visitor", "--name", "visitor"),
        *("house:Hall.thermostat", "--name", "hall", "--no-ns"),
    )
    found = uris(program)
    assert list(found) == ["visitor", "hall"]
    first, second = connect(found["visitor"]), connect(found["visitor"])
    first.call("visitor", "heat", ("kitchen",))
    assert first.call("visitor", "rooms") == ["kitchen"]
    assert second.call("visitor", "rooms") == []
    assert connect(found["hall"]).call("hall", "rooms") == []


def test_without_a_name_it_is_that_of_the_object(serve: Callable[..., Program]) -> None:
    program = serve("house:Thermostat", "house:Hall.thermostat", "--no-ns")
    assert list(uris(program)) == ["house.Thermostat", "house.Hall.thermostat"]


def test_how_it_serves_can_be_chosen(
    serve: Callable[..., Program], connect: Callable[..., BlockingChannel]
) -> None:
    program = serve(
        *("house:Thermostat", "--name", "it", "--no-ns", "-H", "127.0.0.1"),
        *("--servertype", "multiplex", "--instance-mode", "percall"),
        *("--nathost", "localhost"),
    )
    (uri,) = uris(program).values()
    channel = connect(uri)
    assert channel.call("it", "where") == "MainThread"
    channel.call("it", "heat", ("hall",))
    assert channel.call("it", "rooms") == []


def test_a_unix_socket(
    serve: Callable[..., Program],
    connect: Callable[..., BlockingChannel],
    folder: Path,
) -> None:
    program = serve("house:Thermostat", "--name", "it", "--no-ns", "--unix", "socket")
    assert str(uris(program)["it"]) == "PYRO:it@./u:socket"
    channel = connect(URI(f"PYRO:it@./u:{folder}/socket"))
    assert channel.call("it", "heat", ("hall", 5)) == "hall to 5"
    assert program.end() == 0
    assert not (folder / "socket").exists()


# Asks for the end where nothing that is raised comes out of.
RESTLESS = """
import os, weakref
from house import Thermostat

def end(_reference):
    os.kill(os.getpid(), {number})

gone = weakref.ref(Thermostat(), end)
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_no_import_can_swallow_a_signal(folder: Path, number: int) -> None:
    (folder / "restless.py").write_text(RESTLESS.format(number=int(number)))
    arguments = ("-m", "pyro_server", "restless:Thermostat", "--no-ns")
    with Program(*arguments, folder=folder) as program:
        assert program.wait() == 0
    assert "Pyro daemon running." not in program.lines


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_names_are_in_the_name_server_while_it_serves(
    serve: Callable[..., Program],
    connect: Callable[..., BlockingChannel],
    names: Names,
    ns_settings: dict[str, str],
    number: signal.Signals,
) -> None:
    program = serve(
        *("house:Thermostat", "--name", "house.thermostat"),
        *("house:Visitor", "--metadata", "room", "--metadata", "warm"),
        *("--name", "house.visitor"),
        **ns_settings,
    )
    assert set(names.registered) == {"house.thermostat", "house.visitor"}
    uri, metadata = names.registered["house.visitor"]
    assert metadata == {"room", "warm"}
    assert connect(URI(uri)).call("house.visitor", "rooms") == []
    assert program.end(number) == 0
    assert names.registered == {}
    assert program.lines[2:] == ["Pyro daemon running."]


def test_a_name_that_has_become_another_ones_is_left_alone(
    serve: Callable[..., Program], names: Names, ns_settings: dict[str, str]
) -> None:
    program = serve("house:Thermostat", "--name", "it", **ns_settings)
    names.registered["it"] = ("PYRO:other@localhost:1", set())
    assert program.end() == 0
    assert names.registered["it"][0] == "PYRO:other@localhost:1"


def test_a_name_server_that_has_gone_is_no_error(
    serve: Callable[..., Program],
    name_server: HostThread,
    ns_settings: dict[str, str],
) -> None:
    program = serve("house:Thermostat", "--name", "it", **ns_settings)
    name_server.stop()
    assert program.end() == 0
    assert program.lines[1:] == ["Pyro daemon running."]


def test_a_name_that_is_taken_is_only_replaced_on_demand(
    serve: Callable[..., Program],
    run: Callable[..., subprocess.CompletedProcess[str]],
    names: Names,
    ns_settings: dict[str, str],
) -> None:
    names.registered["it"] = ("PYRO:other@localhost:1", set())
    result = run(
        *("house:Visitor", "--name", "mine", "house:Thermostat", "--name", "it"),
        **ns_settings,
    )
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert (
        "already registered: it; choose another --name, or --replace" in result.stderr
    )
    # What it had registered before is gone again.
    assert list(names.registered) == ["it"]
    serve("house:Thermostat", "--name", "it", "--replace", **ns_settings)
    assert "PYRO:it@" in names.registered["it"][0]


def test_a_shutdown_waits_for_the_call_that_runs(
    serve: Callable[..., Program],
    folder: Path,
    raw: Callable[..., Any],
) -> None:
    (folder / "slow.py").write_text(
        """
from pyro_server import expose

class Slow:
    @expose
    def work(self):
        print("working", flush=True)
        with open("go"):  # waits for the other end
            return "done"
"""
    )
    os.mkfifo(folder / "go")
    program = serve("slow:Slow", "--name", "slow", "--no-ns")
    client = raw(uris(program)["slow"])
    client.shake_hands()
    client.send(client.call_message("work"))
    program.wait_for("^working$")
    program.send_signal(signal.SIGTERM)
    with (folder / "go").open("w"):
        pass
    assert client.receive_value() == "done"
    assert program.wait() == 0


@pytest.fixture
def run(folder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs ``pyro-serve`` where it has to fail."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pyro_server", *arguments],
            check=False,
            capture_output=True,
            cwd=folder,
            env=clean_environment(settings),
            text=True,
            timeout=60,
        )

    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hose:Lamp"], "module 'hose' was not found; it is looked for in the current"),
        (["house:Lamp"], "house has no attribute 'Lamp'"),
        (["house:Secret"], "house:Secret exposes nothing: mark class 'Secret'"),
        (["house:Hall.thermostat", "--instance-mode", "single"], "is for classes"),
        (["house:Visitor", "--name", "Pyro.Daemon"], "already registered here under"),
        (
            ["house:Hall.thermostat", "house:Hall.thermostat", "--name=a", "--name=b"],
            "already registered here as 'a'",
        ),
        (["house:Visitor", "--host", "nowhere.invalid"], "cannot listen on nowhere"),
        (["house:Visitor", "--unix", "house.py"], "is not a socket"),
    ],
)
def test_what_prevents_serving_is_one_line_and_exit_status_1(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    before = signal.getsignal(signal.SIGTERM)
    assert main([*arguments, "--no-ns"]) == 1
    assert signal.getsignal(signal.SIGTERM) is before
    error = capsys.readouterr().err
    assert error.startswith("pyro-serve: ")
    assert message in error
    assert error.count("\n") == 1


def test_a_port_in_use_is_named(
    run: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    with socket.create_server(("localhost", 0)) as sock:
        port = str(sock.getsockname()[1])
        result = run("house:Thermostat", "--port", port, "--no-ns")
    assert result.returncode == 1
    assert f"pyro-serve: cannot listen on localhost:{port}" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_module_that_fails_shows_its_traceback(
    run: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    result = run("broken:Thing", "--no-ns")
    assert result.returncode == 1
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "broken.py" in lines[1]
    assert lines[-1] == (
        "pyro-serve: importing module 'broken' failed with AttributeError"
    )


def test_no_name_server_is_an_error_with_advice(
    run: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        # An address with a name is not asked for by broadcast.
        settings = {
            "PYRO_NS_HOST": "127.0.0.1",
            "PYRO_NS_PORT": str(sock.getsockname()[1]),
            "PYRO_BROADCAST_ADDRS": "127.0.0.1",
            "PYRO_NS_BCPORT": str(sock.getsockname()[1]),
        }
        result = run("house:Thermostat", **settings)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("pyro-serve: ")
    assert "pyro-ns" in result.stderr
    assert "--no-ns" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: module:attribute"),
        (["house"], "'house' does not name an object; write module:attribute"),
        (["a:A", "b:B", "--name", "x"], "give --name once for each object"),
        (["a:A", "--name", "x", "--name", "y"], "objects: 1, names: 2"),
        (["a:A", "b:B", "--name", "x", "--name", "x"], "two objects have the name 'x'"),
        (["a:A", "--name", "two words"], "must have no white space"),
        (["a:A", "--unix", "s", "--host", "x"], "--unix does not go together"),
        (["a:A", "--unix", "s", "--port", "5"], "--unix does not go together"),
        (["a:A", "--natport", "5"], "--natport needs --nathost"),
        (["a:A", "--no-ns", "--metadata", "x"], "are for the name server"),
        (["a:A", "--no-ns", "--ttl", "5"], "are for the name server"),
        (["a:A", "--no-ns", "--owner", "me"], "are for the name server"),
        (["a:A", "--ttl", "-1"], "not a number of seconds, 0 or more"),
        (["a:A", "--port", "99999"], "'99999' is not a port"),
        (["a:A", "--port", "http"], "'http' is not a port"),
        (["a:A", "--instance-mode", "often"], "invalid choice"),
        (["a:A", "--servertype", "fork"], "invalid choice"),
        (["a:A", "--workers", "0"], "'0' is not a number of workers, 1 to"),
        (["a:A", "--drain", "-1"], "'-1' is not a number of seconds, 0 or more"),
        (["a:A", "--drain", "inf"], "'inf' is not a number of seconds"),
        (["a:A", "--names-check", "0"], "0.1 or more"),
        (["a:A", "--ready-fd", "1"], "'1' is not a descriptor of its own, 3 to"),
        (["a:A", "--log-level", "loud"], "invalid choice"),
        (["a:A", "--tls-key", "x"], "the other --tls options need --tls-cert"),
        (
            ["a:A", "--tls-cert", "x", "--tls-require-client-cert"],
            "--tls-require-client-cert needs --tls-ca",
        ),
        (
            [
                *("a:A", "--tls-cert=x", "--tls-key-password-env=A"),
                "--tls-key-password-file=B",
            ],
            "exclude each other",
        ),
    ],
)
def test_wrong_usage_is_explained_with_exit_status_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("usage: pyro-serve")
    assert message in error


def test_a_setting_that_is_wrong_is_named(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.setattr(config, "THREADPOOL_SIZE_MIN", config.THREADPOOL_SIZE + 1)
    assert main(["house:Thermostat", "--no-ns"]) == 1
    assert "THREADPOOL_SIZE_MIN" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_it_says_what_it_is(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([option])
    assert caught.value.code == 0
    assert "pyro-serve" in capsys.readouterr().out


def test_errors_in_methods_are_logged_without_any_configuration(
    serve: Callable[..., Program], connect: Callable[..., BlockingChannel]
) -> None:
    program = serve("house:Thermostat", "--name", "it", "--no-ns")
    with pytest.raises(TypeError):
        connect(uris(program)["it"]).call("it", "heat")
    program.wait_for(r"ERROR pyro\.server: it\.heat .* raised TypeError")
    assert program.end() == 0
