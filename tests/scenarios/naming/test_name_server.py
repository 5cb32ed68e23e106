"""A name server process, used by Pyro5's programs and by ours."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyro_naming import locate_ns
from pyro_protocol import URI, Configuration, resolve
from pyro_protocol.errors import NamingError
from pyro_protocol.transport import BlockingChannel
from support.peers import pyro5_python
from support.programs import Program, clean_environment, name_server_of_pyro5

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LOOPBACK = "127.0.0.1"

# Everything that a program of Pyro5 can do with a name server.
PYRO5_CLIENT = """
import json, sys
import Pyro5.api, Pyro5.core, Pyro5.errors

def refused(call, *arguments, **keywords):
    try:
        return call(*arguments, **keywords)
    except Exception as error:
        return f"{type(error).__name__}: {error}"

Pyro5.config.SERIALIZER = sys.argv[2]
names = Pyro5.api.locate_ns("127.0.0.1", int(sys.argv[1]))
with names:
    names.ping()
    names.register("demo.printer", "PYRO:printer@h:1", metadata={"laser", "colour"})
    names.register("demo.plotter", Pyro5.api.URI("PYRO:plotter@h:1"), safe=True)
    uri, tags = names.lookup("demo.printer", return_metadata=True)
    listed = names.list(prefix="demo.", return_metadata=True)
    results = {
        "count": names.count(),
        "lookup": [str(uri), sorted(tags)],
        "list": {name: [uri, sorted(tags)] for name, (uri, tags) in listed.items()},
        "regex": names.list(regex=r"demo.pl"),
        "yplookup": sorted(names.yplookup(meta_any=["laser"])),
        "resolve": str(Pyro5.core.resolve(f"PYROMETA:laser@127.0.0.1:{sys.argv[1]}")),
        "safe": refused(names.register, "demo.printer", "PYRO:x@h:1", safe=True),
        "unknown": refused(names.lookup, "demo.scanner"),
        "own": refused(names.register, "Pyro.NameServer", "PYRO:x@h:1")[:12],
        "both": refused(names.list, "a", "b")[:10],
        "set": names.set_metadata("demo.plotter", ["new"]),
        "plotter": names.lookup("demo.plotter", True)[1] and "tagged",
        "removed": [names.remove("demo.plotter"), names.remove(prefix="demo.")],
    }
print(json.dumps(results))
"""

PYRO5_SERVER = """
import sys
import Pyro5.api

@Pyro5.api.expose
class Thermostat:
    def set(self, room, degrees):
        return f"{room}: {degrees}"

with Pyro5.api.Daemon("127.0.0.1") as daemon, Pyro5.api.locate_ns() as names:
    names.register("thermostat", daemon.register(Thermostat), metadata={"heating"})
    print("registered", flush=True)
    daemon.requestLoop()
"""

PYRO5_CALLER = """
import Pyro5.api
with Pyro5.api.Proxy("PYRONAME:thermostat") as thermostat:
    print(thermostat.set("hall", 21))
with Pyro5.api.Proxy("PYROMETA:heating") as thermostat:
    print(thermostat.set("bath", 24))
"""


# Runs a control tool once for each command.
CONTROL_TOOL = """
import contextlib, importlib, io, json, sys
main = importlib.import_module(sys.argv[1]).main
results = []
for command in json.loads(sys.argv[3]):
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(io.StringIO()):
        try:
            status = main(["-n", "127.0.0.1", "-p", sys.argv[2], *command]) or 0
        except SystemExit as error:
            status = 0 if error.code is None else 1
        except Exception:
            status = 1
    results.append([status, output.getvalue()])
print(json.dumps(results))
"""


def run(
    *arguments: str,
    python: Path | str = sys.executable,
    settings: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Run a program to its end; return its exit status and output."""
    result = subprocess.run(
        [python, *arguments],
        env=clean_environment(settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return result.returncode, result.stdout


def started(*options: str) -> tuple[Program, int]:
    """Start our name server; return it, for a ``with`` block, and its port."""
    program = Program("-m", "pyro_naming", "-n", LOOPBACK, "-p", "0", "-x", *options)
    return program, int(program.wait_for(r"^URI = .*:(\d+)$")[1])


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    program, port = started()
    with program:
        yield port
        assert program.end() == 0


@pytest.mark.parametrize("serializer", ["serpent", "json", "msgpack"])
def test_pyro5s_client_does_everything_with_it(port: int, serializer: str) -> None:
    status, output = run(
        "-c", PYRO5_CLIENT, str(port), serializer, python=pyro5_python()
    )
    assert status == 0
    printer = ["PYRO:printer@h:1", ["colour", "laser"]]
    assert json.loads(output) == {
        "count": 3,
        "lookup": printer,
        "list": {"demo.printer": printer, "demo.plotter": ["PYRO:plotter@h:1", []]},
        "regex": {"demo.plotter": "PYRO:plotter@h:1"},
        "yplookup": ["demo.printer"],
        "resolve": printer[0],
        "safe": "NamingError: name already registered: demo.printer",
        "unknown": "NamingError: unknown name: demo.scanner",
        "own": "NamingError:",
        "both": "ValueError",
        "set": None,
        "plotter": "tagged",
        "removed": [1, 1],
    }


@pytest.mark.parametrize("serializer", ["serpent", "json", "msgpack", "auto"])
def test_our_client_does_the_same(port: int, serializer: str) -> None:
    settings = Configuration(use_environment=False)
    settings.SERIALIZER = serializer
    with locate_ns(LOOPBACK, port, config=settings) as names:
        names.register("ours", "PYRO:printer@h:1", metadata={"laser"})
        assert names.lookup("ours", return_metadata=True) == (
            URI("PYRO:printer@h:1"),
            {"laser"},
        )
        assert names.list("ours", return_metadata=True) == {
            "ours": ("PYRO:printer@h:1", {"laser"})
        }
        assert resolve(f"PYRONAME:ours@{LOOPBACK}:{port}", config=settings) == URI(
            "PYRO:printer@h:1"
        )
        assert names.remove("ours") == 1
        with pytest.raises(NamingError, match="unknown name: ours"):
            names.lookup("ours")


def test_both_control_tools_say_the_same() -> None:
    session = [
        ["ping"],
        ["register", "tool.b", "PYRO:b@h:1"],
        ["register", "tool.a", "PYRO:a@h:1"],
        ["register", "tool.a", "PYRO:other@h:1"],
        ["setmeta", "tool.a", "tag"],
        ["lookup", "tool.a"],
        ["lookup", "tool.c"],
        ["list"],
        ["list", "tool."],
        ["listmatching", "t.*b"],
        ["listmatching", "("],
        ["yplookup_all", "tag"],
        ["yplookup_any", "tag", "nothing"],
        ["setmeta", "tool.a"],
        ["remove", "tool.a"],
        ["remove", "tool.a"],
        ["remove", "Pyro.NameServer"],
        ["remove"],
        ["-v", "ping"],
    ]
    said: dict[str, list[object]] = {}
    pythons: dict[str, Path | str] = {
        "Pyro5": pyro5_python(),
        "pyro_naming": sys.executable,
    }
    for tool, python in pythons.items():
        program, port = started()
        with program:
            arguments = (f"{tool}.nsc", str(port), json.dumps(session))
            status, output = run("-c", CONTROL_TOOL, *arguments, python=python)
            assert status == 0
            said[tool] = json.loads(output.replace(str(port), "PORT"))
    for command, theirs, ours in zip(session, *said.values(), strict=True):
        assert ours == theirs, command


def test_our_control_tool_works_with_pyro5s_name_server() -> None:
    program, host, port = name_server_of_pyro5(pyro5_python())
    command = Path(sysconfig.get_path("scripts"), "pyro-nsc")
    where = ("-n", host, "-p", str(port))
    with program:
        assert run(*where, "register", "x", "PYRO:x@h:1", python=command) == (
            0,
            "Registered x\n",
        )
        assert run(*where, "setmeta", "x", "tag", python=command)[0] == 0
        assert run(*where, "lookup", "x", python=command) == (
            0,
            "PYRO:x@h:1\nmetadata: {'tag'}\n",
        )
        assert run(*where, "remove", "x", python=command) == (0, "Removed x\n")


def test_pyro5s_server_and_client_meet_through_it(port: int) -> None:
    python = pyro5_python()
    settings = {"PYRO_NS_HOST": LOOPBACK, "PYRO_NS_PORT": str(port)}
    with Program("-c", PYRO5_SERVER, python=python, settings=settings) as server:
        server.wait_for("^registered$")
        assert run("-c", PYRO5_CALLER, python=python, settings=settings) == (
            0,
            "hall: 21\nbath: 24\n",
        )
        with locate_ns(LOOPBACK, port) as names:
            channel = BlockingChannel.connect(names.lookup("thermostat"))
            found = channel.uri.object_id
            assert channel.call(found, "set", ("hall", 20), {}) == "hall: 20"
            channel.close()
            names.remove("thermostat")


def test_pyro5s_client_finds_it_by_a_broadcast() -> None:
    options = ("-n", "0.0.0.0", "-p", "0", "--bchost", LOOPBACK, "--bcport", "0")
    with Program("-m", "pyro_naming", *options) as program:
        where = program.wait_for(r"^Broadcast server running on \S+:(\d+)$")
        port = program.wait_for(r"^URI = .*:(\d+)$")[1]
        settings = {
            "PYRO_NS_HOST": "names.invalid",
            "PYRO_NS_BCPORT": where[1],
            "PYRO_BROADCAST_ADDRS": LOOPBACK,
        }
        find = "import Pyro5.api; print(Pyro5.api.locate_ns()._pyroUri)"
        assert run("-c", find, python=pyro5_python(), settings=settings) == (
            0,
            f"PYRO:Pyro.NameServer@{LOOPBACK}:{port}\n",
        )
        assert program.end() == 0


def test_a_file_is_used_by_pyro5s_name_server_and_by_ours_in_turn(
    tmp_path: Path,
) -> None:
    storage = ("-s", f"sql:{tmp_path / 'names.sqlite'}")

    def add_one(port: int, name: str) -> dict[str, set[str]]:
        with locate_ns(LOOPBACK, port) as names:
            names.register(name, f"PYRO:{name}@h:1", metadata={name, "all"})
            listed = names.list(prefix="n", return_metadata=True)
            return {name: tags for name, (_uri, tags) in listed.items()}

    python = pyro5_python()
    theirs, _, their_port = name_server_of_pyro5(python, *storage)
    with theirs:
        add_one(their_port, "n1")
        theirs.end(signal.SIGINT)
    ours, our_port = started(*storage)
    with ours:
        assert add_one(our_port, "n2") == {"n1": {"n1", "all"}, "n2": {"n2", "all"}}
        assert ours.end() == 0
    assert "Persistent store contains 2 existing registrations." in ours.lines
    theirs, _, their_port = name_server_of_pyro5(python, *storage)
    with theirs:
        assert add_one(their_port, "n3") == {
            "n1": {"n1", "all"},
            "n2": {"n2", "all"},
            "n3": {"n3", "all"},
        }
        theirs.end(signal.SIGINT)


def test_clients_go_on_after_a_restart(tmp_path: Path) -> None:
    storage = ("-s", f"sql:{tmp_path / 'names.sqlite'}")
    with socket.socket() as reserved:
        # Keeps the port from being given to somebody else between the two runs.
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind((LOOPBACK, 0))
        where = ("-n", LOOPBACK, "-p", str(reserved.getsockname()[1]))
        first = Program("-m", "pyro_naming", *where, "-x", *storage)
        with first:
            first.wait_for("^URI = ")
            names = locate_ns(*reserved.getsockname())
            names.register("name", "PYRO:a@h:1")
            assert first.end() == 0
        with Program("-m", "pyro_naming", *where, "-x", *storage) as second, names:
            second.wait_for("^URI = ")
            assert names.remove("name") == 1
            assert second.end() == 0


def test_garbage_is_answered_or_dropped_and_nobody_else_notices(port: int) -> None:
    with locate_ns(LOOPBACK, port) as names:
        for garbage in (
            b"\x00" * 100,
            b"GET / HTTP/1.1\r\n\r\n",
            b"PYRO" + b"\xff" * 60,
        ):
            with socket.create_connection((LOOPBACK, port), 20) as sock:
                sock.sendall(garbage)
                while sock.recv(65536):
                    continue
        names.ping()


def test_the_command_explains_itself() -> None:
    command = Path(sysconfig.get_path("scripts"), "pyro-ns")
    status, output = run("--help", python=command)
    assert status == 0
    assert re.search(r"--natport\b", output)
