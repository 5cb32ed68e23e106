"""The command ``pyro-httpgw``, as a process."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from pyro_httpgw import __version__
from pyro_protocol.authentication import hash_token
from support.certificates import make_certificate
from support.gateway import GatewayProcess
from support.hosting import DEADLINE
from support.web import NAME, Site

if TYPE_CHECKING:
    from support.gateway import Answer


@pytest.fixture(params=["threads", "uvicorn"])
def server(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The option that chooses one of the web servers."""
    choice: str = request.param
    if choice == "uvicorn" and not (find_spec("uvicorn") and find_spec("httptools")):
        pytest.skip("the extra pyro-httpgw[server] is not installed")
    return "--server", choice


def place_of(site: Site) -> dict[str, str]:
    return {
        "PYRO_NS_HOST": site.config.NS_HOST,
        "PYRO_NS_PORT": str(site.config.NS_PORT),
    }


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pyro_httpgw", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def test_it_says_what_it_does_and_answers(site: Site, server: tuple[str, str]) -> None:
    with GatewayProcess(*server, environment=place_of(site)) as gateway:
        assert gateway.output[:2] == [
            r"Exposing objects whose names begin with: http\.",
            f"Connected to name server at {site.name_server.location}",
        ]
        assert gateway.output[2].startswith(f"Serving with {server[1]}")
        assert gateway.ask(f"/pyro/{NAME}/target").json() == 20.5
        assert gateway.ask("/pyro/Pyro.NameServer/list").status == 403


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_when_asked_to(
    site: Site, number: int, server: tuple[str, str]
) -> None:
    with GatewayProcess(*server, environment=place_of(site)) as gateway:
        client = gateway.connect()
        client.request("GET", f"/pyro/{NAME}/target")
        assert client.getresponse().read() == b"20.5"
        output, errors = gateway.end(number)
        client.close()
        assert (output, errors) == ("Pyro HTTP gateway stopped.\n", "")
        assert gateway.process.returncode == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_it_answers_what_was_begun_before_it_ends(
    site: Site, server: tuple[str, str], workers: int
) -> None:
    arguments = [*server, "--workers", str(workers)]
    with GatewayProcess(*arguments, environment=place_of(site)) as gateway:
        answers: list[Answer] = []
        asking = threading.Thread(
            target=lambda: answers.append(gateway.ask(f"/pyro/{NAME}/wait"))
        )
        asking.start()
        assert site.thermostat.waiting.acquire(timeout=DEADLINE)
        gateway.process.send_signal(signal.SIGTERM)
        site.thermostat.release.set()
        asking.join(DEADLINE)
        assert [answer.json() for answer in answers] == ["waited"]
        assert gateway.process.wait(DEADLINE) == 0


def test_a_worker_that_dies_is_replaced(site: Site, server: tuple[str, str]) -> None:
    arguments = [*server, "--workers", "2"]
    with GatewayProcess(*arguments, environment=place_of(site)) as gateway:
        before = workers_of(gateway)
        for number in before:
            os.kill(number, signal.SIGKILL)
        assert gateway.process.stderr is not None
        for _ in before:
            assert "started again" in gateway.process.stderr.readline()
        assert gateway.ask(f"/pyro/{NAME}/target").json() == 20.5
        assert not before & workers_of(gateway)
        assert gateway.end(signal.SIGTERM)[1] == ""


# Ends itself when a worker process exists, but has not been told what to do.
INTERRUPTED: Final = """
import os
import sys
from multiprocessing import util

from pyro_httpgw.cli import main

start = util.spawnv_passfds

def start_and_end(path, arguments, descriptors):
    number = start(path, arguments, descriptors)
    if "--multiprocessing-fork" in map(os.fsdecode, arguments):
        os.kill(os.getpid(), {number})
    return number

util.spawnv_passfds = start_and_end
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_while_it_starts_a_worker(
    site: Site, server: tuple[str, str], number: signal.Signals
) -> None:
    program = INTERRUPTED.format(number=int(number))
    ended = subprocess.run(
        [sys.executable, "-c", program, *server, "--workers", "2", "--port", "0"],
        env=os.environ | place_of(site),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert ended.stderr == ""
    assert ended.stdout.endswith("Pyro HTTP gateway stopped.\n")
    assert ended.returncode == 0


# Ends itself where nothing that is raised comes out of, when it begins to serve.
SWALLOWED: Final = """
import os
import sys
import weakref

from pyro_httpgw import cli

serve = cli._serve

def end_and_serve(options, sock):
    made = type("Made", (), {{}})()
    reference = weakref.ref(made, lambda gone: os.kill(os.getpid(), {number}))
    del made
    serve(options, sock)

cli._serve = end_and_serve
sys.unraisablehook = lambda unraisable: None
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_no_import_can_swallow_a_signal(
    site: Site, server: tuple[str, str], number: signal.Signals, workers: str
) -> None:
    program = SWALLOWED.format(number=int(number))
    arguments = [*server, "--workers", workers, "--port", "0"]
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=os.environ | place_of(site),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert ended.stderr == ""
    assert ended.stdout.endswith("Pyro HTTP gateway stopped.\n")
    assert ended.returncode == 0


# Ends itself when what is to serve exists, but not yet its event loop.
INTERRUPTED_LOOP: Final = """
import asyncio
import os
import sys

from pyro_httpgw.cli import main

enter = asyncio.Runner.__enter__

def end_and_enter(runner):
    os.kill(os.getpid(), {number})
    return enter(runner)

asyncio.Runner.__enter__ = end_and_enter
sys.exit(main(["--server", "uvicorn", "--port", "0"]))
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_while_it_makes_its_event_loop(
    site: Site, number: signal.Signals
) -> None:
    pytest.importorskip("uvicorn")
    pytest.importorskip("httptools")
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_LOOP.format(number=int(number))],
        env=os.environ | place_of(site),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert ended.stderr == ""
    assert ended.stdout.endswith("Pyro HTTP gateway stopped.\n")
    assert ended.returncode == 0


def test_workers_end_when_their_supervisor_is_killed(
    site: Site, server: tuple[str, str]
) -> None:
    arguments = [*server, "--workers", "2"]
    with GatewayProcess(*arguments, environment=place_of(site)) as gateway:
        assert gateway.ask(f"/pyro/{NAME}/target").json() == 20.5
        gateway.process.kill()
        # They have it as well, so that its end means theirs.
        assert gateway.process.stdout is not None
        assert gateway.process.stdout.read() == ""


def test_secrets_are_not_on_the_command_lines_of_workers(
    site: Site, tmp_path: Path, server: tuple[str, str]
) -> None:
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("command lines are read from /proc")
    key = tmp_path / "key"
    key.write_text("a-secret-key\n")
    arguments = [*server, "--workers", "2", "--key-file", str(key)]
    with GatewayProcess(*arguments, environment=place_of(site)) as gateway:
        headers = {"X-Pyro-Gateway-Key": "a-secret-key"}
        assert gateway.ask(f"/pyro/{NAME}/target", headers=headers).json() == 20.5
        for number in [gateway.process.pid, *workers_of(gateway)]:
            seen = Path(f"/proc/{number}/cmdline").read_bytes()
            seen += Path(f"/proc/{number}/environ").read_bytes()
            assert b"a-secret-key" not in seen


def workers_of(gateway: GatewayProcess) -> set[int]:
    """Return the process ids of the two that serve."""
    children = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children")
    if not children.exists():
        pytest.skip("child processes are found in /proc")
    pause = threading.Event()
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            found = {
                int(number)
                for number in children.read_text().split()
                if b"spawn_main" in Path(f"/proc/{number}/cmdline").read_bytes()
            }
            if len(found) == 2:
                return found
        pause.wait(0.01)
    raise AssertionError("there are no two workers")


def test_streams_do_not_hold_up_its_end(site: Site, server: tuple[str, str]) -> None:
    with GatewayProcess(*server, environment=place_of(site)) as gateway:
        client = gateway.connect()
        client.request("GET", "/pyro/$objects", headers={"Accept": "text/event-stream"})
        response = client.getresponse()
        assert response.read1(5)
        assert gateway.end(signal.SIGTERM) == ("Pyro HTTP gateway stopped.\n", "")
        client.close()


def test_a_unix_socket_can_be_listened_on(
    site: Site, server: tuple[str, str], tmp_path: Path
) -> None:
    if not hasattr(socket, "AF_UNIX"):
        pytest.skip("this system has no Unix sockets")
    path = tmp_path / "socket"
    arguments = [*server, "--unix", str(path)]
    with GatewayProcess(*arguments, environment=place_of(site)) as gateway:
        assert gateway.output[-1] == f"Pyro HTTP gateway running on unix:{path}"
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(DEADLINE)
            sock.connect(str(path))
            sock.sendall(
                f"GET /pyro/{NAME}/target HTTP/1.1\r\nHost: gateway\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            received = b""
            while data := sock.recv(65536):
                received += data
        assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        assert received.endswith(b"\r\n\r\n20.5")
        gateway.end(signal.SIGTERM)
        assert not path.exists()


def test_connections_can_be_encrypted(
    site: Site, server: tuple[str, str], tmp_path: Path
) -> None:
    certificate = make_certificate(tmp_path, "gateway")
    arguments = [*server, "--tls-cert", certificate.certificate]
    arguments += ["--tls-key", certificate.key]
    with GatewayProcess(*arguments, environment=place_of(site)) as gateway:
        context = ssl.create_default_context(cafile=certificate.certificate)
        with (
            socket.create_connection(("127.0.0.1", gateway.port), DEADLINE) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as sock,
        ):
            sock.sendall(
                f"GET /pyro/{NAME}/target HTTP/1.1\r\nHost: localhost\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            received = b""
            while data := sock.recv(65536):
                received += data
        assert received.endswith(b"\r\n\r\n20.5")
        assert gateway.end(signal.SIGTERM)[1] == ""


def test_a_certificate_that_cannot_be_used_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "certificate"
    path.write_text("none")
    result = run("-p", "0", "--tls-cert", str(path))
    assert result.returncode == 1
    assert f"cannot use the certificate in {path}" in result.stderr
    assert "Traceback" not in result.stderr


def test_each_request_is_logged_if_that_is_wanted(
    site: Site, server: tuple[str, str]
) -> None:
    arguments = [*server, "--access-log"]
    with GatewayProcess(*arguments, environment=place_of(site)) as gateway:
        gateway.ask(f"/pyro/{NAME}/heat?room=secret")
        _, errors = gateway.end(signal.SIGTERM)
    (line,) = errors.splitlines()
    assert f" GET /pyro/{NAME}/heat 200 " in line
    assert "secret" not in line


def test_it_warns_when_other_machines_can_call_without_a_key(site: Site) -> None:
    def warnings(*arguments: str) -> list[str]:
        with GatewayProcess(*arguments, environment=place_of(site)) as gateway:
            return [line for line in gateway.output if line.startswith("WARNING")]

    assert warnings() == []
    assert warnings("-H", "0.0.0.0", "-g", "a-secret-key") == []
    (warning,) = warnings("-H", "0.0.0.0")
    assert "--key-file or PYRO_HTTPGATEWAY_KEY" in warning


def test_tokens_are_read_from_a_file(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"{hash_token('a-token-of-16-or-more')} alice\n")
    arguments = ["--token-file", str(path)]
    with GatewayProcess(*arguments, environment=place_of(site)) as gateway:
        assert gateway.ask(f"/pyro/{NAME}/target").status == 401
        headers = {"Authorization": "Bearer a-token-of-16-or-more"}
        assert gateway.ask(f"/pyro/{NAME}/target", headers=headers).json() == 20.5
    path.write_text("a-token-of-16-or-more alice\n")
    result = run(*arguments)
    assert result.returncode == 2
    assert "--token-file: " in result.stderr
    assert "a-token" not in result.stderr


def test_the_options_are_the_settings(site: Site) -> None:
    arguments = ["-e", "", "-g", "secret", "-c", "https://a.example", "-t", "1.5"]
    with GatewayProcess(*arguments, environment=place_of(site)) as gateway:
        assert gateway.output[0].startswith("WARNING: exposing all objects")
        assert gateway.ask(f"/pyro/{NAME}/target").status == 401
        answer = gateway.ask(
            f"/pyro/{NAME}/target?$key=secret", headers={"Origin": "https://a.example"}
        )
        assert answer.json() == 20.5
        assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"
        assert gateway.ask(f"/pyro/{NAME}/wait?$key=secret").status == 504
        output, errors = gateway.end(signal.SIGTERM)
        assert "secret" not in output + errors + "".join(gateway.output)


def test_the_key_can_be_kept_off_the_command_line(site: Site) -> None:
    environment = place_of(site) | {"PYRO_HTTPGATEWAY_KEY": "secret"}
    with GatewayProcess(environment=environment) as gateway:
        headers = {"X-Pyro-Gateway-Key": "secret"}
        path = f"/pyro/{NAME}/target"
        assert gateway.ask(path).status == 401
        assert gateway.ask(path, headers=headers).status == 200
        assert gateway.end(signal.SIGTERM)[1] == ""


def test_a_key_in_both_places_is_an_error() -> None:
    result = run("-g", "one", PYRO_HTTPGATEWAY_KEY="two")
    assert result.returncode == 2
    assert "both given" in result.stderr
    assert "two" not in result.stderr


def test_it_starts_without_a_name_server_and_finds_it_later(site: Site) -> None:
    environment = place_of(site)
    site.name_server.stop()
    with GatewayProcess(environment=environment) as gateway:
        assert gateway.output[1].startswith("No name server yet (")
        assert gateway.ask(f"/pyro/{NAME}/target").status == 503
        with Site(name_server_port=site.config.NS_PORT):
            assert gateway.ask(f"/pyro/{NAME}/target").json() == 20.5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-e", "["], "--expose: invalid expression '['"),
        (["-p", "70000"], "not a port: 70000"),
        (["-p", "x"], "--port"),
        (["-t", "soon"], "invalid float value"),
        (["--workers", "0"], "not a number of processes: 0"),
        (["--max-body", "-1"], "--max-body: "),
        (["--cors", "nowhere"], "--cors: "),
        (["--trusted-proxy", "nowhere"], "--trusted-proxy: "),
        (["--allowed-host", "a:b"], "--allowed-host: "),
        (["--tracebacks", "some"], "invalid choice: 'some'"),
        (["--tls-key", "key"], "--tls-key needs --tls-cert"),
        (["--key-file", "/nonexistent/key"], "/nonexistent/key"),
        (["--unknown"], "unrecognized arguments"),
    ],
)
def test_a_wrong_option_is_explained(arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert said in result.stderr


def test_an_address_in_use_is_explained(site: Site) -> None:
    port = site.daemon.location.rpartition(":")[2]
    result = run("-H", "127.0.0.1", "-p", port)
    assert result.returncode == 1
    assert result.stderr.startswith("pyro-httpgw: cannot listen on 127.0.0.1")
    assert "Traceback" not in result.stderr


def test_it_tells_its_version_and_options() -> None:
    assert run("--version").stdout.strip() == __version__
    shown = run("--help").stdout
    for option in (
        "--host",
        "--port",
        "--expose",
        "--gatewaykey",
        "--cors",
        "--timeout",
        "--workers",
        "--unix",
        "--tls-cert",
        "--token-file",
    ):
        assert option in shown
