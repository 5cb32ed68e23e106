"""``pyro-doctor``: each cause, the step that finds it, and what is said about it."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pyro_client.doctor.naming import registration_cause
from pyro_client.doctor.network import cause_of, connect_tcp
from pyro_client.doctor.report import Finding, Recorder, Report
from pyro_client.doctor.resolving import Address
from pyro_protocol import URI, Configuration, expose
from pyro_protocol.errors import SecurityError
from support.hosting import DEADLINE, HostThread
from support.names import Names
from support.responder import Responder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.diagnosing import Doctor
    from support.workbench import Workbench

NAME_SERVER = "Pyro.NameServer"


@pytest.fixture
def names(host: HostThread) -> Names:
    """A name server at the test host."""
    names = Names()
    host.register(names, NAME_SERVER)
    return names


@pytest.fixture
def full_location() -> Iterator[str]:
    """A location at which packets are dropped, as by a firewall."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        # Until there is no more room: from then on nobody is answered.
        for _ in range(20):
            sock = stack.enter_context(socket.socket())
            sock.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                sock.connect(listener.getsockname())
        yield "{}:{}".format(*listener.getsockname())


# Nothing is wrong


def test_a_way_without_obstacles_is_told_step_by_step(
    diagnose: Doctor, uri: str, bench: Workbench
) -> None:
    status, report = diagnose(uri)
    assert status == 0
    assert report["ok"]
    assert report["failed"] is None
    assert [one["step"] for one in report["steps"]] == [
        *("uri", "configuration", "dns", "tcp", "protocol", "handshake", "object"),
        *("ping", "daemon"),
    ]
    assert {one["status"] for one in report["steps"]} == {"ok"}
    assert report["summary"]["serializer"] == "native"
    assert "native" in report["summary"]["capabilities"]
    assert bench.calls == 0


def test_a_name_is_looked_up_and_its_object_reached(
    diagnose: Doctor, host: HostThread, names: Names, uri: str
) -> None:
    names.register("lab.bench", uri)
    diagnosis = diagnose(f"PYRONAME:lab.bench@{host.location}")
    assert diagnosis.status == 0
    assert diagnosis.detail_of("name server", "look-up") == f"lab.bench is {uri}"
    assert diagnosis.detail_of("object", "tcp") == f"connected to {host.location}"
    assert diagnosis.report["summary"]["name_server"].endswith(host.location)


def test_a_name_that_stands_for_another_is_followed(
    diagnose: Doctor, host: HostThread, names: Names, uri: str
) -> None:
    names.register("lab.bench", "PYRONAME:lab.desk")
    names.register("lab.desk", uri)
    status, report = diagnose(f"PYRONAME:lab.bench@{host.location}")
    assert status == 0
    assert report["summary"]["uri"] == uri


def test_without_a_uri_the_name_server_is_examined(
    diagnose: Doctor, host: HostThread, names: Names
) -> None:
    names.register(NAME_SERVER, f"PYRO:{NAME_SERVER}@{host.location}")
    place, port = host.location.split(":")
    status, report = diagnose(NS_HOST=place, NS_PORT=int(port))
    assert status == 0
    assert report["summary"]["uri"] == f"PYRO:{NAME_SERVER}@{host.location}"


def test_the_location_of_a_name_server_is_enough(
    diagnose: Doctor, host: HostThread, names: Names
) -> None:
    names.register(NAME_SERVER, f"PYRO:{NAME_SERVER}@{host.location}")
    status, report = diagnose(host.location)
    assert status == 0
    assert report["summary"]["name_server"] == f"PYRO:{NAME_SERVER}@{host.location}"


def test_each_replica_is_examined(
    diagnose: Doctor,
    host: HostThread,
    names: Names,
    uri: str,
    closed_location: str,
) -> None:
    names.register("lab.a", f"PYRO:bench@{closed_location}", metadata=["bench"])
    names.register("lab.b", uri, metadata=["bench"])
    diagnosis = diagnose(f"PYROMETA:bench@{host.location}")
    assert diagnosis.found == ("object lab.a", "tcp", "refused-localhost")
    assert diagnosis.detail_of("object lab.b", "ping")


def test_a_unix_socket_is_reached(
    diagnose: Doctor, tmp_path: Path, bench: Workbench
) -> None:
    path = str(tmp_path / "socket")
    with HostThread(unixsocket=path) as host:
        host.register(bench, "bench")
        status, report = diagnose(f"PYRO:bench@./u:{path}")
    assert status == 0
    assert "unix socket" in [one["step"] for one in report["steps"]]


# URI and settings


def test_a_malformed_uri(diagnose: Doctor) -> None:
    diagnosis = diagnose("thermostat")
    assert diagnosis.found == (None, "uri", "malformed-uri")
    assert "PYRONAME:name" in diagnosis.advice


def test_a_setting_that_cannot_be_used(diagnose: Doctor, uri: str) -> None:
    diagnosis = diagnose(uri, SSL=True, SSL_CACERTS="/no/such/file.pem")
    assert diagnosis.found == (None, "configuration", "tls-files")
    assert "SSL_CACERTS" in diagnosis.advice


@pytest.mark.parametrize(
    ("item", "status"),
    [("PREFER_IP_VERSION", 1), ("NS_PORT", 1), ("SERIALIZER", 1), ("MAX_STREAMS", 1)],
)
def test_an_unusable_variable_is_named(uri: str, item: str, status: int) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pyro_client.doctor", uri],
        env={**os.environ, f"PYRO_{item}": "none"},
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert result.returncode == status
    assert "FAILED   configuration" in result.stdout
    assert f"PYRO_{item}" in result.stdout
    assert "Traceback" not in result.stderr


def test_a_variable_that_clients_do_not_need_is_only_a_warning(uri: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pyro_client.doctor", uri],
        env={**os.environ, "PYRO_THREADPOOL_SIZE": "none"},
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert result.returncode == 0
    assert "warning  configuration" in result.stdout
    assert "PYRO_THREADPOOL_SIZE" in result.stdout


# The name server


def test_no_name_server_anywhere(diagnose: Doctor, closed_location: str) -> None:
    place, port = closed_location.split(":")
    with Responder([]) as responder:
        diagnosis = diagnose(
            "PYRONAME:lab.bench",
            NS_HOST=place,
            NS_PORT=int(port),
            NS_BCPORT=responder.port,
            BROADCAST_ADDRS=["127.0.0.1"],
        )
    assert diagnosis.found == ("name server", "search", "no-name-server")
    tried = [one for one in diagnosis.report["steps"] if one["status"] == "tried"]
    assert closed_location in tried[0]["detail"]
    assert "connection refused" in tried[0]["detail"]
    assert f"broadcast to UDP port {responder.port}" in tried[-1]["detail"]
    assert "pyro-ns" in diagnosis.advice
    assert "PYRO_NS_HOST" in diagnosis.advice


def test_a_name_server_is_found_by_broadcast(
    diagnose: Doctor,
    host: HostThread,
    names: Names,
    uri: str,
    closed_location: str,
) -> None:
    names.register("lab.bench", uri)
    place, port = closed_location.split(":")
    answer = f"PYRO:{NAME_SERVER}@{host.location}".encode()
    with Responder([answer]) as responder:
        diagnosis = diagnose(
            "PYRONAME:lab.bench",
            NS_HOST=place,
            NS_PORT=int(port),
            NS_BCPORT=responder.port,
            BROADCAST_ADDRS=["127.0.0.1"],
        )
    assert diagnosis.status == 0
    steps = diagnosis.report["steps"]
    assert f"found by broadcast at {host.location}" in [one["detail"] for one in steps]


def test_several_name_servers_are_tried_in_their_order(
    diagnose: Doctor,
    host: HostThread,
    names: Names,
    uri: str,
    closed_location: str,
) -> None:
    names.register("lab.bench", uri)
    diagnosis = diagnose(
        "PYRONAME:lab.bench", NS_HOST=f"{closed_location},{host.location}"
    )
    assert diagnosis.status == 0
    tried, found = (one for one in diagnosis.report["steps"] if one["step"] == "search")
    assert tried["status"] == "tried"
    assert f"{closed_location}: connection refused" in tried["detail"]
    assert f"found as configured at {host.location}" in found["detail"]


def test_several_name_servers_of_which_none_answers(
    diagnose: Doctor, closed_location: str
) -> None:
    diagnosis = diagnose(
        "PYRONAME:lab.bench",
        NS_HOST=f"{closed_location},{closed_location.replace('.1:', '.2:')}",
        BROADCAST_ADDRS=[],
    )
    assert diagnosis.found == ("name server", "search", "no-name-server")
    assert closed_location in diagnosis.detail
    assert closed_location.replace(".1:", ".2:") in diagnosis.detail


def test_a_name_server_that_wants_a_token(
    diagnose: Doctor, names: Names, uri: str
) -> None:
    def check(_client: Any, handshake: Any) -> str:
        if handshake != {"token": "right"}:
            raise SecurityError("authentication failed")
        return "hello"

    with HostThread(validate_handshake=check) as host:
        host.register(names, NAME_SERVER)
        names.register("lab.bench", uri)
        bench = f"PYRONAME:lab.bench@{host.location}"
        assert diagnose(bench, NS_TOKEN="right").status == 0
        diagnosis = diagnose(bench, NS_TOKEN="wrong")
        assert diagnosis.found == ("name server", "handshake", "refused-by-server")
        assert "PYRO_NS_TOKEN" in diagnosis.advice
        several = f"127.0.0.1:1,{host.location}"
        diagnosis = diagnose("PYRONAME:lab.bench", NS_HOST=several, BROADCAST_ADDRS=[])
        assert diagnosis.found == ("name server", "search", "refused-by-server")
        assert "authentication failed" in diagnosis.detail
        assert diagnose("PYRONAME:lab.bench", NS_TOKEN="right").status == 0


def test_a_name_server_on_localhost_only(
    diagnose: Doctor, host: HostThread, names: Names
) -> None:
    port = host.location.partition(":")[2]
    # Another address, as another machine would use it.
    diagnosis = diagnose(f"PYRONAME:lab.bench@127.0.0.2:{port}")
    assert diagnosis.found == ("name server", "tcp", "refused")
    assert "pyro-ns --host ADDRESS" in diagnosis.advice


def test_a_name_server_that_something_else_is(
    diagnose: Doctor, host: HostThread
) -> None:
    host.register(expose(Names), "another")
    diagnosis = diagnose(f"PYRONAME:lab.bench@{host.location}")
    assert diagnosis.found == ("name server", "object", "unknown-object")


def test_an_unknown_name(
    diagnose: Doctor, host: HostThread, names: Names, uri: str
) -> None:
    names.register("lab.bench", uri)
    diagnosis = diagnose(f"PYRONAME:lab.bensch@{host.location}")
    assert diagnosis.found == ("name server", "look-up", "unknown-name")
    assert "did you mean 'lab.bench'?" in diagnosis.detail
    assert "pyro-nsc list" in diagnosis.advice


def test_unknown_metadata(diagnose: Doctor, host: HostThread, names: Names) -> None:
    diagnosis = diagnose(f"PYROMETA:sensor@{host.location}")
    assert diagnosis.found == ("name server", "look-up", "unknown-name")
    assert "sensor" in diagnosis.detail


def test_a_name_that_leads_in_a_circle(
    diagnose: Doctor, host: HostThread, names: Names
) -> None:
    names.register("lab.bench", "PYRONAME:lab.bench")
    diagnosis = diagnose(f"PYRONAME:lab.bench@{host.location}")
    assert diagnosis.found == ("name server", "look-up", "bad-registration")


# The registered URI


def test_a_daemon_on_localhost_is_registered_for_others(
    diagnose: Doctor,
    host: HostThread,
    names: Names,
    closed_location: str,
) -> None:
    # For a client on another machine, localhost is its own, where nobody listens.
    port = closed_location.partition(":")[2]
    names.register("lab.bench", f"PYRO:bench@localhost:{port}")
    diagnosis = diagnose(f"PYRONAME:lab.bench@{host.location}")
    assert diagnosis.found == ("object", "tcp", "refused-localhost")
    looked_up = diagnosis.detail_of("name server", "look-up")
    assert looked_up == f"lab.bench is PYRO:bench@localhost:{port}"
    assert "listens on localhost only" in diagnosis.advice
    assert "Daemon(host=" in diagnosis.advice


def test_an_address_that_means_all_is_registered(
    diagnose: Doctor, host: HostThread, names: Names
) -> None:
    port = host.location.partition(":")[2]
    names.register("lab.bench", f"PYRO:bench@0.0.0.0:{port}")
    diagnosis = diagnose(f"PYRONAME:lab.bench@{host.location}")
    assert "unspecified-registered" in diagnosis.warnings


def test_a_published_location_that_differs_is_told(
    diagnose: Doctor, bench: Workbench
) -> None:
    with HostThread(nathost="192.0.2.7", natport=9999) as host:
        host.register(bench, "bench")
        diagnosis = diagnose(f"PYRO:bench@{host.location}")
    assert diagnosis.warnings == ["published-elsewhere"]
    (warning,) = diagnosis.report["warnings"]
    assert "192.0.2.7:9999" in warning["detail"]
    assert "NATHOST" in " ".join(warning["advice"])


# Host and port


def test_a_host_that_does_not_resolve(diagnose: Doctor) -> None:
    diagnosis = diagnose("PYRO:bench@no-such-host.invalid:9000")
    part, step, cause = diagnosis.found
    assert (part, step) == ("object", "dns")
    # Where there is no network at all, the resolver says so.
    assert cause in ("unknown-host", "resolver-failed")
    assert "no-such-host.invalid" in diagnosis.detail
    assert "DNS" in diagnosis.advice


def test_a_name_that_a_machine_takes_for_its_own(
    diagnose: Doctor, host: HostThread, bench: Workbench
) -> None:
    port = host.location.partition(":")[2]
    # Resolvers read it as an address, as they read what is in the hosts file.
    diagnosis = diagnose(f"PYRO:bench@127.1:{port}")
    assert diagnosis.warnings == ["name-is-loopback"]
    assert "127.0.0.1" in diagnosis.detail_of("object", "dns")


def test_a_host_that_is_none(diagnose: Doctor) -> None:
    for host in ("a..b", "x" * 70, "a\0b"):
        diagnosis = diagnose(f"PYRO:bench@{host}:9000")
        assert diagnosis.found == ("object", "dns", "unknown-host")


def test_a_refused_port(diagnose: Doctor, closed_location: str) -> None:
    diagnosis = diagnose(f"PYRO:bench@{closed_location}")
    assert diagnosis.found == ("object", "tcp", "refused-localhost")
    skipped = [
        one["step"] for one in diagnosis.report["steps"] if one["status"] == "skipped"
    ]
    assert skipped == ["protocol", "handshake", "object", "ping", "daemon"]


def test_packets_that_are_dropped(diagnose: Doctor, full_location: str) -> None:
    diagnosis = diagnose(f"PYRO:bench@{full_location}", timeout=0.3)
    assert diagnosis.found == ("object", "tcp", "timed-out")
    assert "firewall" in diagnosis.advice
    assert "NATHOST" in diagnosis.advice
    assert "ping" in diagnosis.advice


def test_a_host_without_an_address_of_the_configured_ip_version(
    diagnose: Doctor, uri: str
) -> None:
    diagnosis = diagnose(uri, PREFER_IP_VERSION=6)
    assert diagnosis.found == ("object", "dns", "wrong-family")
    assert "only IPv4 addresses (127.0.0.1)" in diagnosis.detail
    assert "PREFER_IP_VERSION" in diagnosis.advice


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        ("ENETUNREACH", "no-route"),
        ("EHOSTUNREACH", "no-route"),
        ("ECONNREFUSED", "refused"),
        ("ETIMEDOUT", "timed-out"),
        ("EPERM", "forbidden"),
    ],
)
def test_causes_of_system_errors(number: str, cause: str) -> None:
    assert cause_of(OSError(getattr(errno, number), "as the system says")) == cause


@pytest.mark.parametrize(
    ("registered", "name_server", "cause"),
    [
        ("localhost:1", "192.0.2.1:9090", "localhost-registered"),
        ("127.0.0.1:1", "ns.example:9090", "localhost-registered"),
        ("[::1]:1", "192.0.2.1:9090", "localhost-registered"),
        ("./u:/run/socket", "192.0.2.1:9090", "localhost-registered"),
        ("0.0.0.0:1", "127.0.0.1:9090", "unspecified-registered"),
        ("localhost:1", "localhost:9090", None),
        ("127.0.0.1:1", "./u:/run/names", None),
        ("192.0.2.2:1", "192.0.2.1:9090", None),
    ],
)
def test_registrations_that_others_cannot_use(
    registered: str, name_server: str, cause: str | None
) -> None:
    place = URI(f"PYRO:{NAME_SERVER}@{name_server}")
    assert registration_cause(URI(f"PYRO:thing@{registered}"), place) == cause


def test_a_server_that_listens_with_one_ip_version_only(uri: str) -> None:
    location = URI(uri)
    recorder = Recorder(Report(uri))
    six = Address(socket.AF_INET6, ("::1", location.port, 0, 0))
    four = Address(socket.AF_INET, (location.host, location.port))
    settings = Configuration(use_environment=False)
    chosen, sock = connect_tcp("host", [six, four], settings, DEADLINE, recorder)
    sock.close()
    assert chosen == four
    (warning,) = recorder.report.warnings
    assert warning.cause == "one-family-only"
    assert warning.advice is not None
    assert "PREFER_IP_VERSION" in warning.advice.steps[0]


def test_a_server_that_listens_with_the_ip_version_that_is_ruled_out(uri: str) -> None:
    location = URI(uri)
    recorder = Recorder(Report(uri))
    six = Address(socket.AF_INET6, ("::1", location.port, 0, 0))
    settings = Configuration(use_environment=False, PREFER_IP_VERSION=6)
    with pytest.raises(Finding) as caught:
        connect_tcp("127.0.0.1", [six], settings, DEADLINE, recorder)
    assert caught.value.cause == "other-family"
    assert f"{location.location} can be connected to" in caught.value.detail


# Unix sockets


def test_a_unix_socket_that_is_not_there(diagnose: Doctor, tmp_path: Path) -> None:
    diagnosis = diagnose(f"PYRO:bench@./u:{tmp_path}/none")
    assert diagnosis.found == ("object", "unix socket", "no-socket")
    assert "container" in diagnosis.advice


def test_a_path_that_is_no_socket(diagnose: Doctor, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    diagnosis = diagnose(f"PYRO:bench@./u:{tmp_path}/file")
    assert diagnosis.found == ("object", "unix socket", "not-a-socket")


def test_a_unix_socket_that_was_left_behind(diagnose: Doctor, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"{tmp_path}/old")
    diagnosis = diagnose(f"PYRO:bench@./u:{tmp_path}/old")
    assert diagnosis.found == ("object", "unix socket", "socket-abandoned")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may use any socket")
def test_a_unix_socket_that_is_forbidden(diagnose: Doctor, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"{tmp_path}/mine")
        sock.listen()
        (tmp_path / "mine").chmod(0)
        diagnosis = diagnose(f"PYRO:bench@./u:{tmp_path}/mine")
    assert diagnosis.found == ("object", "unix socket", "socket-forbidden")
