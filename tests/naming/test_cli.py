from __future__ import annotations

import signal
import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pyro_naming import Registration, SqlStorage, locate_ns
from pyro_naming.cli import main
from support.programs import Program

if TYPE_CHECKING:
    from pathlib import Path

RUN = ("-m", "pyro_naming")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_until_a_signal_and_ends_in_good_order(number: int) -> None:
    with Program(*RUN, "-n", "127.0.0.1", "-p", "0") as program:
        port = int(
            program.wait_for(r"^URI = PYRO:Pyro\.NameServer@127.0.0.1:(\d+)$")[1]
        )
        with locate_ns("127.0.0.1", port) as names:
            names.ping()
            # A client that is still connected does not hold up the end.
            assert program.end(number) == 0
    assert program.lines == [
        "Not starting broadcast server for localhost.",
        f"NS running on 127.0.0.1:{port} (127.0.0.1)",
        f"URI = PYRO:Pyro.NameServer@127.0.0.1:{port}",
        "NS shut down.",
    ]


def test_it_answers_broadcasts_for_the_network() -> None:
    options = ("-n", "0.0.0.0", "-p", "0", "--bchost", "127.0.0.1", "--bcport", "0")
    with Program(*RUN, *options) as program:
        where = program.wait_for(r"^Broadcast server running on 127.0.0.1:(\d+)$")
        port = program.wait_for(r"^URI = PYRO:Pyro\.NameServer@0\.0\.0\.0:(\d+)$")[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(20)
            sock.sendto(b"GET_NSURI", ("127.0.0.1", int(where[1])))
            answer = sock.recv(1000).decode()
        assert answer == f"PYRO:Pyro.NameServer@127.0.0.1:{port}"
        assert program.end() == 0


def test_it_listens_on_a_unix_socket_and_removes_it(tmp_path: Path) -> None:
    path = tmp_path / "names.sock"
    with Program(*RUN, "-u", path) as program:
        program.wait_for("^URI = ")
        with locate_ns(f"./u:{path}") as names:
            names.ping()
        assert program.end() == 0
    assert program.lines == [
        f"NS running on ./u:{path} (Unix domain socket)",
        f"URI = PYRO:Pyro.NameServer@./u:{path}",
        "NS shut down.",
    ]
    assert not path.exists()


def test_it_shows_both_addresses_behind_a_translation() -> None:
    options = ("-n", "127.0.0.1", "-p", "0", "-x")
    nat = ("--nathost", "example.com", "--natport", "4444")
    with Program(*RUN, *options, *nat) as program:
        internal = program.wait_for("^internal URI = (.*)$")[1]
        external = program.wait_for("^external URI = (.*)$")[1]
        assert program.end() == 0
    assert internal.startswith("PYRO:Pyro.NameServer@127.0.0.1:")
    assert external == "PYRO:Pyro.NameServer@example.com:4444"


def test_it_says_how_many_names_it_remembers(tmp_path: Path) -> None:
    path = tmp_path / "names.sqlite"
    with closing(SqlStorage(path)) as storage:
        storage.put("a", Registration("PYRO:a@h:1"))
        storage.put("b", Registration("PYRO:b@h:1"))
    options = ("-n", "127.0.0.1", "-p", "0", "-x", "-s", f"sql:{path}")
    with Program(*RUN, *options) as program:
        program.wait_for("^URI = ")
        assert program.end() == 0
    assert program.lines[0] == "Persistent store contains 2 existing registrations."


def test_an_address_in_use_is_one_line_and_status_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["-n", "127.0.0.1", "-p", port]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"pyro-ns: cannot listen on 127.0.0.1:{port}")
    assert len(err.splitlines()) == 1


def test_a_wrong_option_value_is_one_line_and_status_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["-s", "dbm:names"]) == 1
    assert capsys.readouterr().err == (
        "pyro-ns: unknown storage 'dbm:names'; choose memory or sql:FILE\n"
    )


def test_a_wrong_command_line_is_status_2() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--port", "many"])
    assert caught.value.code == 2


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "pyro-ns -s sql:names.sqlite" in capsys.readouterr().out
