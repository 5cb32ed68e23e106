from __future__ import annotations

import signal
import socket
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyro_naming import Registration, SqlStorage, locate_ns, start_ns
from pyro_naming.cli import main
from pyro_protocol import errors
from pyro_protocol.authentication import hash_token
from support.programs import Program

if TYPE_CHECKING:
    from pyro_naming import NameServerDaemon

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
        "Names are kept in memory and forgotten at the end",
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
    with Program(*RUN, "-u", path, "-s", "memory") as program:
        program.wait_for("^URI = ")
        with locate_ns(f"./u:{path}") as names:
            names.ping()
        assert program.end() == 0
    assert program.lines == [
        "Names are kept in memory and forgotten at the end",
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
    assert program.lines[:2] == [
        f"Names are kept in {path}",
        "Persistent store contains 2 existing registrations.",
    ]


def test_names_are_kept_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "names.sock"
    settings = {"XDG_DATA_HOME": str(tmp_path / "data")}
    with Program(*RUN, "-u", path, settings=settings) as program:
        kept = program.wait_for(r"^Names are kept in (.*)$")[1]
        program.wait_for("^URI = ")
        with locate_ns(f"./u:{path}") as names:
            names.register("a", "PYRO:a@h:1")
        # There is no time to put things away.
        program.end(signal.SIGKILL)
    with Program(*RUN, "-u", path, settings=settings) as program:
        program.wait_for("^Persistent store contains 2 existing registrations.$")
        program.wait_for("^URI = ")
        with locate_ns(f"./u:{path}") as names:
            assert str(names.lookup("a")) == "PYRO:a@h:1"
        assert program.end() == 0
    assert Path(kept).parent == tmp_path / "data" / "pyro"


def test_the_settings_of_the_command_line_hold(tmp_path: Path) -> None:
    options = ("-n", "127.0.0.1", "-p", "0", "-x", "--plain-clients", "read")
    with Program(*RUN, *options) as program:
        port = int(program.wait_for(r"^URI = .*:(\d+)$")[1])
        with (
            locate_ns("127.0.0.1", port) as names,
            pytest.raises(errors.PyroError, match="owner"),
        ):
            names.register("a", "PYRO:a@h:1")
        assert program.end() == 0


def test_an_address_in_use_is_one_line_and_status_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["-n", "127.0.0.1", "-p", port, "-s", "memory"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"pyro-ns: cannot listen on 127.0.0.1:{port}")
    assert "another program listens there: choose another port" in err
    assert len(err.splitlines()) == 1


def test_a_second_name_server_tells_of_the_first(
    daemon: NameServerDaemon, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.nameserver.register("a", "PYRO:a@h:1")
    assert main(["-n", "127.0.0.1", "-p", str(port), "-s", "memory"]) == 1
    assert capsys.readouterr().err == (
        f"pyro-ns: cannot listen on 127.0.0.1:{port}: a name server is running there "
        f"already, with 2 names: PYRO:Pyro.NameServer@127.0.0.1:{port}; use that one, "
        "or choose another place with -p or -u\n"
    )


def test_a_second_name_server_on_a_unix_socket_tells_of_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "names.sock")
    with start_ns(unixsocket=path).daemon:
        assert main(["-u", path, "-s", "memory"]) == 1
    assert "a name server is running there already" in capsys.readouterr().err


def test_without_a_place_for_names_it_says_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["-p", "9099"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("pyro-ns: names cannot be kept in the folder for your data")
    assert err.endswith("-s sql:FILE, or have them forgotten with -s memory\n")
    assert len(err.splitlines()) == 1


def test_a_file_that_is_no_database_is_one_line_and_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear Sir or Madam, " * 100)
    assert main(["-p", "0", "-s", f"sql:{file}"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("pyro-ns: ")
    assert str(file) in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("content", [None, "[clients", "[[rules]]\nfrobnicate = 1"])
def test_a_bad_access_file_is_one_line_and_status_1(
    tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "access.toml"
    if content is not None:
        file.write_text(content)
    assert main(["-p", "0", "--access", str(file)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("pyro-ns: ")
    assert str(file) in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["-s", "papyrus:names"], "unknown storage 'papyrus:names'"),
        (["-s", "memory", "--autoclean", "1"], "NS_AUTOCLEAN"),
        (["-s", "memory", "--natport", "1"], "natport needs nathost too"),
    ],
)
def test_a_wrong_option_value_is_one_line_and_status_1(
    options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-p", "0", *options]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("pyro-ns: ")
    assert complaint in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "options", [["--port", "many"], ["--plain-clients", "some"], ["--autoclean", "x"]]
)
def test_a_wrong_command_line_is_status_2(options: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(options)
    assert caught.value.code == 2


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "pyro-ns -s sql:names.sqlite" in capsys.readouterr().out


def test_only_clients_in_the_access_file_change_something(tmp_path: Path) -> None:
    token = "a-token-of-which-nobody-else-knows"
    file = tmp_path / "access.toml"
    file.write_text(f'[clients.alice]\ntoken = "{hash_token(token)}"\n')
    options = ("-n", "127.0.0.1", "-p", "0", "-x", "--access", file)
    with Program(*RUN, *options) as program:
        port = program.wait_for(r"^URI = .*:(\d+)$")[1]

        def nsc(*arguments: str, **settings: str) -> tuple[int, list[str]]:
            where = ("-m", "pyro_naming.nsc", "-n", "127.0.0.1", "-p", port)
            with Program(*where, *arguments, settings=settings) as command:
                return command.wait(), command.lines

        name = ("register", "lab.a", "PYRO:a@h:1")
        status, lines = nsc(*name)
        assert status == 1
        assert lines[0].startswith("Error: SecurityError - ")
        assert nsc(*name, PYRO_NS_TOKEN=token) == (0, ["Registered lab.a"])
        assert nsc("lookup", "lab.a") == (0, ["PYRO:a@h:1"])
        status, (line,) = nsc("ping", PYRO_NS_TOKEN="another")
        assert status == 1
        assert "does not know this token" in line
        assert program.end() == 0
