"""``pyro-doctor`` where the two sides do not agree about TLS."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import Configuration
from support.certificates import Certificate, make_certificate
from support.hosting import HostThread
from support.scripted import Peer, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.diagnosing import Doctor
    from support.workbench import Workbench


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def of_server(folder: Path) -> Certificate:
    return make_certificate(folder, "server")


@pytest.fixture(scope="module")
def of_client(folder: Path) -> Certificate:
    return make_certificate(folder, "client", "client.example")


@pytest.fixture
def serve(bench: Workbench, of_server: Certificate) -> Iterator[Callable[..., str]]:
    """Starts a server with TLS and returns the URI of its workbench."""
    hosts: list[HostThread] = []

    def serve(certificate: Certificate = of_server, **items: Any) -> str:
        settings = Configuration(
            use_environment=False,
            SSL=True,
            SSL_SERVERCERT=certificate.certificate,
            SSL_SERVERKEY=certificate.key,
            **items,
        )
        host = HostThread(config=settings)
        hosts.append(host)
        host.register(bench, "bench")
        return f"PYRO:bench@localhost:{host.location.partition(':')[2]}"

    yield serve
    for host in hosts:
        host.stop()


def test_a_way_with_tls(
    diagnose: Doctor, serve: Callable[..., str], of_server: Certificate
) -> None:
    diagnosis = diagnose(serve(), SSL=True, SSL_CACERTS=of_server.certificate)
    assert diagnosis.status == 0
    assert "TLSv1" in diagnosis.detail_of("object", "tls")
    assert "certificate of localhost" in diagnosis.detail_of("object", "tls")


def test_the_server_speaks_tls_and_we_do_not(
    diagnose: Doctor, serve: Callable[..., str]
) -> None:
    diagnosis = diagnose(serve())
    assert diagnosis.found == ("object", "protocol", "tls-expected")
    assert "PYRO_SSL=1" in diagnosis.advice


def test_a_server_that_complains_in_tls(diagnose: Doctor) -> None:
    def complain(peer: Peer) -> None:
        peer.receive()
        peer.sock.sendall(b"\x15\x03\x03\x00\x02\x02\x46")

    with ScriptedServer(complain) as server:
        diagnosis = diagnose(server.uri)
    assert diagnosis.found == ("object", "protocol", "tls-expected")


def test_we_speak_tls_and_the_server_does_not(diagnose: Doctor, uri: str) -> None:
    diagnosis = diagnose(uri, SSL=True)
    assert diagnosis.found == ("object", "tls", "no-tls")
    assert "SSL_SERVERCERT" in diagnosis.advice


def test_nobody_vouches_for_the_server(
    diagnose: Doctor, serve: Callable[..., str]
) -> None:
    diagnosis = diagnose(serve(), SSL=True)
    assert diagnosis.found == ("object", "tls", "unknown-authority")
    assert "SSL_CACERTS" in diagnosis.advice


def test_the_certificate_is_of_another_host(
    diagnose: Doctor, serve: Callable[..., str], folder: Path
) -> None:
    other = make_certificate(folder, "other", "other.example")
    diagnosis = diagnose(serve(other), SSL=True, SSL_CACERTS=other.certificate)
    assert diagnosis.found == ("object", "tls", "wrong-host-name")
    assert "subjectAltName" in diagnosis.advice


def test_the_certificate_has_expired(
    diagnose: Doctor, serve: Callable[..., str], folder: Path
) -> None:
    old = _expired_certificate(folder)
    diagnosis = diagnose(serve(old), SSL=True, SSL_CACERTS=old.certificate)
    assert diagnosis.found == ("object", "tls", "expired")
    assert "renew" in diagnosis.advice


def _expired_certificate(folder: Path) -> Certificate:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl command to make certificates with")
    made = Certificate(str(folder / "old.pem"), str(folder / "old.key"))
    request = str(folder / "old.csr")
    extension = folder / "old.ext"
    extension.write_text("subjectAltName=DNS:localhost\n")
    for command in (
        [
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-subj", "/CN=old", "-keyout", made.key, "-out", request),
        ],
        [
            *("x509", "-req", "-in", request, "-signkey", made.key, "-days", "-1"),
            *("-extfile", str(extension), "-out", made.certificate),
        ],
    ):
        done = subprocess.run([openssl, *command], check=False, capture_output=True)
        if done.returncode:
            pytest.skip(f"openssl makes no expired certificate: {done.stderr!r}")
    return made


def test_the_server_wants_our_certificate(
    diagnose: Doctor,
    serve: Callable[..., str],
    of_server: Certificate,
    of_client: Certificate,
) -> None:
    uri = serve(SSL_REQUIRECLIENTCERT=True, SSL_CACERTS=of_client.certificate)
    diagnosis = diagnose(uri, SSL=True, SSL_CACERTS=of_server.certificate)
    assert diagnosis.found == ("object", "tls", "client-certificate-required")
    assert "SSL_CLIENTCERT" in diagnosis.advice


def test_the_server_does_not_trust_our_certificate(
    diagnose: Doctor,
    serve: Callable[..., str],
    of_server: Certificate,
    of_client: Certificate,
    folder: Path,
) -> None:
    stranger = make_certificate(folder, "stranger", "client.example")
    uri = serve(SSL_REQUIRECLIENTCERT=True, SSL_CACERTS=of_client.certificate)
    diagnosis = diagnose(
        uri,
        SSL=True,
        SSL_CACERTS=of_server.certificate,
        SSL_CLIENTCERT=stranger.certificate,
        SSL_CLIENTKEY=stranger.key,
    )
    assert diagnosis.found == ("object", "tls", "client-certificate-refused")


def test_a_server_that_is_silent_during_the_tls_handshake(diagnose: Doctor) -> None:
    with ScriptedServer(Peer.wait_for_end) as server:
        diagnosis = diagnose(server.uri, SSL=True, timeout=0.3)
    assert diagnosis.found == ("object", "tls", "tls-silent")


def test_a_server_that_goes_during_the_tls_handshake(diagnose: Doctor) -> None:
    with ScriptedServer(lambda peer: peer.sock.recv(65536)) as server:
        diagnosis = diagnose(server.uri, SSL=True)
    assert diagnosis.found == ("object", "tls", "tls-closed")
