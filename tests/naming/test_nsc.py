from __future__ import annotations

import io
import re
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Protocol

import pytest

from pyro_naming import start_ns
from pyro_naming.nsc import main

if TYPE_CHECKING:
    from pathlib import Path

    from pyro_naming import NameServer, NameServerDaemon

A = "PYRO:a@h:1"


class Nsc(Protocol):
    """Runs the command; returns exit status and output."""

    def __call__(self, *arguments: str) -> tuple[int, str]: ...


@pytest.fixture
def nsc(port: int, capsys: pytest.CaptureFixture[str]) -> Nsc:
    def run(*arguments: str) -> tuple[int, str]:
        status = main(["-n", "127.0.0.1", "-p", str(port), *arguments])
        return status, capsys.readouterr().out

    return run


@pytest.fixture
def names(daemon: NameServerDaemon) -> NameServer:
    """The name server that the command asks."""
    names = daemon.nameserver
    names.register("demo.a", A, metadata=["y", "x"])
    names.register("demo.b", "PYRO:b@h:1")
    return names


def test_ping(nsc: Nsc) -> None:
    assert nsc("ping") == (0, "Name server ping ok.\n")


def test_list_shows_everything_in_order(nsc: Nsc, names: NameServer, port: int) -> None:
    assert nsc("list") == (
        0,
        (
            "--------START LIST \n"
            f"Pyro.NameServer --> PYRO:Pyro.NameServer@127.0.0.1:{port}\n"
            "    metadata: {'class:Pyro5.nameserver.NameServer'}\n"
            f"demo.a --> {A}\n"
            "    metadata: {'x', 'y'}\n"
            "demo.b --> PYRO:b@h:1\n"
            "--------END LIST \n"
        ),
    )


def test_list_takes_a_prefix(nsc: Nsc, names: NameServer) -> None:
    assert nsc("list", "demo.b") == (
        0,
        (
            "--------START LIST - prefix 'demo.b'\n"
            "demo.b --> PYRO:b@h:1\n"
            "--------END LIST - prefix 'demo.b'\n"
        ),
    )


def test_listmatching_takes_a_regex(nsc: Nsc, names: NameServer) -> None:
    assert nsc("listmatching", r"demo\.[b-z]") == (
        0,
        (
            "--------START LIST - regex 'demo\\.[b-z]'\n"
            "demo.b --> PYRO:b@h:1\n"
            "--------END LIST - regex 'demo\\.[b-z]'\n"
        ),
    )


def test_lookup_shows_metadata_if_there_is_any(nsc: Nsc, names: NameServer) -> None:
    assert nsc("lookup", "demo.a") == (0, f"{A}\nmetadata: {{'x', 'y'}}\n")
    assert nsc("lookup", "demo.b") == (0, "PYRO:b@h:1\n")


def test_register_adds_but_does_not_replace(nsc: Nsc, names: NameServer) -> None:
    assert nsc("register", "new", A) == (0, "Registered new\n")
    assert str(names.lookup("new")) == A
    assert nsc("register", "new", "PYRO:other@h:1") == (
        1,
        "Error: NamingError - name already registered: new\n",
    )


def test_remove_says_whether_there_was_something(nsc: Nsc, names: NameServer) -> None:
    assert nsc("remove", "demo.a") == (0, "Removed demo.a\n")
    assert nsc("remove", "demo.a") == (0, "Nothing removed\n")


@pytest.mark.parametrize("answer", ["y", "Y", "yes"])
def test_removematching_asks_first(
    nsc: Nsc, names: NameServer, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n"))
    question = (
        "Potentially removing lots of items from the Name server. Are you sure (y/n)?"
    )
    assert nsc("removematching", "demo") == (0, f"{question}2 items removed.\n")
    assert names.count() == 1


@pytest.mark.parametrize("answer", ["n\n", "\n", "maybe\n", ""])
def test_removematching_removes_nothing_without_a_yes(
    nsc: Nsc, names: NameServer, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    status, output = nsc("removematching", "demo")
    assert status == 0
    assert "removed" not in output
    assert names.count() == 3


def test_setmeta_replaces_and_clears(nsc: Nsc, names: NameServer) -> None:
    assert nsc("setmeta", "demo.b", "z", "w") == (0, "Metadata updated\n")
    assert names.lookup("demo.b", return_metadata=True)[1] == {"z", "w"}  # type: ignore[index] # a pair, as asked for
    assert nsc("setmeta", "demo.b") == (0, "Metadata cleared\n")
    assert names.lookup("demo.b", return_metadata=True)[1] == set()  # type: ignore[index] # as above


@pytest.mark.parametrize("command", ["yplookup_all", "yplookup_any"])
def test_the_yellow_pages_are_searched_by_tags(
    nsc: Nsc, names: NameServer, command: str
) -> None:
    status, output = nsc(command, "x", "nothing")
    found = f"demo.a --> {A}\n    metadata: {{'x', 'y'}}\n"
    assert status == 0
    assert output == (
        "--------START LIST  - searched by metadata\n"
        + (found if command == "yplookup_any" else "")
        + "--------END LIST  - searched by metadata\n"
    )


def test_an_error_of_the_name_server_is_one_line_and_status_1(nsc: Nsc) -> None:
    assert nsc("lookup", "nothing") == (
        1,
        "Error: NamingError - unknown name: nothing\n",
    )
    status, output = nsc("register", "bad", "nonsense")
    (line,) = output.splitlines()
    assert status == 1
    assert line.startswith("Error: PyroError - invalid uri: 'nonsense'; it must be")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["lookup"], "requires one argument: name"),
        (["lookup", "a", "b"], "requires one argument: name"),
        (["register", "a"], "requires two arguments: name uri"),
        (["remove"], "requires one argument: name"),
        (["removematching"], "requires one argument: pattern"),
        (["listmatching"], "requires one argument: pattern"),
        (["setmeta"], "requires arguments: name and zero or more meta tags"),
        (["yplookup_all"], "requires at least one metadata tag argument"),
        (["yplookup_any"], "requires at least one metadata tag argument"),
    ],
)
def test_a_wrong_number_of_arguments_is_status_1(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert capsys.readouterr() == ("", complaint + "\n")


@pytest.mark.parametrize("arguments", [["frobnicate"], []])
def test_an_unknown_command_is_status_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_options_may_follow_the_command(
    port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ping", "-n", "127.0.0.1", "-p", str(port)]) == 0


def test_verbose_tells_what_is_being_done(nsc: Nsc, port: int) -> None:
    assert nsc("-v", "ping") == (
        0,
        (
            "Locating name server...\n"
            f"Name server found: PYRO:Pyro.NameServer@127.0.0.1:{port}\n"
            "Name server ping ok.\n"
            "Done.\n"
        ),
    )


def test_a_name_server_on_a_unix_socket_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "names.sock")
    with start_ns(unixsocket=path).daemon:
        assert main(["-u", path, "ping"]) == 0


def test_no_name_server_is_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = str(unused.getsockname()[1])
        assert main(["-n", "127.0.0.1", "-p", port, "ping"]) == 1
    assert capsys.readouterr().out.startswith("Error: Failed to locate the nameserver")


def test_it_is_a_module_that_can_be_run(port: int) -> None:
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "pyro_naming.nsc",
            "-n",
            "127.0.0.1",
            f"-p{port}",
            "ping",
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert re.fullmatch("Name server ping ok.\n", result.stdout)


def test_of_several_name_servers_the_first_that_answers_is_asked(
    port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = unused.getsockname()[1]
        hosts = f"127.0.0.1:{dead},127.0.0.1:{port}"
        assert main(["-n", hosts, "ping"]) == 0
    assert capsys.readouterr().out == "Name server ping ok.\n"
