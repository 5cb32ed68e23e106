"""``pyro-serve`` with TLS, and with tokens."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

import pytest

from pyro_protocol.config import Configuration
from pyro_protocol.errors import CommunicationError
from pyro_server.authentication import hash_token
from support.certificates import Certificate, make_certificate
from support.pyro_serve import PyroServe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyro_protocol.transport import BlockingChannel

HOUSE = """
from pyro_server import current_context, expose

@expose
class House:
    def caller(self):
        return current_context.client.identity.name

    def colour(self):
        return "red"
"""
TOKEN = "an-hour-before-midnight"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "house.py").write_text(HOUSE)
    return tmp_path


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., PyroServe]]:
    with contextlib.ExitStack() as stack:

        def start(*arguments: str, **settings: str) -> PyroServe:
            command = ("house:House", "--name", "house", "--no-ns", *arguments)
            return stack.enter_context(PyroServe(*command, folder=folder, **settings))

        yield start


@pytest.fixture
def server(folder: Path) -> Certificate:
    return make_certificate(folder, "server")


@pytest.fixture
def client(folder: Path) -> Certificate:
    return make_certificate(folder, "client")


def tls_settings(server: Certificate, client: Certificate | None) -> Configuration:
    settings = Configuration(use_environment=False)
    settings.SSL = True
    settings.SSL_CACERTS = server.certificate
    if client is not None:
        settings.SSL_CLIENTCERT = client.certificate
        settings.SSL_CLIENTKEY = client.key
    return settings


@pytest.mark.parametrize("workers", [[], ["--workers", "1"]])
def test_certificates_are_shown_and_asked_for(
    start: Callable[..., PyroServe],
    connect: Callable[..., BlockingChannel],
    server: Certificate,
    client: Certificate,
    workers: list[str],
) -> None:
    program = start(
        *("--tls-cert", server.certificate, "--tls-key", server.key),
        *("--tls-ca", client.certificate, "--tls-require-client-cert", *workers),
    )
    program.wait_until_ready()
    # The name in the certificate.
    assert program.uri.host == "localhost"
    channel = connect(program.uri, config=tls_settings(server, client))
    assert channel.call("house", "colour") == "red"
    with pytest.raises(CommunicationError):
        connect(program.uri, config=tls_settings(server, None))
    with pytest.raises(CommunicationError):
        connect(program.uri)
    assert program.end() == 0


@pytest.mark.parametrize("workers", [[], ["--workers", "1"]])
def test_the_password_of_the_key_comes_from_a_file_or_variable(
    start: Callable[..., PyroServe],
    connect: Callable[..., BlockingChannel],
    server: Certificate,
    folder: Path,
    workers: list[str],
) -> None:
    locked = str(folder / "locked.key")
    subprocess.run(
        [
            *("openssl", "pkcs8", "-topk8", "-v2", "aes256"),
            *("-passout", "pass:secret-7", "-in", server.key, "-out", locked),
        ],
        check=True,
        capture_output=True,
    )
    (folder / "password").write_text("secret-7\n")
    command = ["--tls-cert", server.certificate, "--tls-key", locked, *workers]
    for option, value in [("env", "KEY_PASSWORD"), ("file", "password")]:
        program = start(
            *command, f"--tls-key-password-{option}", value, KEY_PASSWORD="secret-7"
        )
        program.wait_until_ready()
        channel = connect(program.uri, config=tls_settings(server, None))
        assert channel.call("house", "colour") == "red"
        assert program.end() == 0
    program = start(*command, "--tls-key-password-env", "NOT_SET")
    assert program.wait() == 1
    assert "pyro-serve: the environment variable NOT_SET" in program.lines[-1]


def test_a_certificate_that_is_missing_is_named(
    start: Callable[..., PyroServe],
) -> None:
    program = start("--tls-cert", "nowhere.pem")
    assert program.wait() == 1
    assert "nowhere.pem" in program.lines[-1]
    for workers in ([], ["--workers", "1"]):
        program = start("--tls-cert", "house.py", *workers)
        assert program.wait() == 1
        assert "the certificate house.py, its key" in program.lines[-1]


@pytest.mark.parametrize("workers", [[], ["--workers", "1"]])
def test_only_those_with_a_token_are_admitted(
    start: Callable[..., PyroServe],
    connect: Callable[..., BlockingChannel],
    folder: Path,
    workers: list[str],
) -> None:
    (folder / "tokens").write_text(f"{hash_token(TOKEN)} ada\n")
    program = start("--token-file", "tokens", *workers)
    program.wait_until_ready()
    channel = connect(program.uri, handshake={"token": TOKEN})
    assert channel.call("house", "caller") == "ada"
    with pytest.raises(CommunicationError):
        connect(program.uri, handshake={"token": "another-one-of-some-length"})
    assert program.end() == 0


def test_a_file_without_tokens_is_named(
    start: Callable[..., PyroServe], folder: Path
) -> None:
    (folder / "tokens").write_text("not a hash\n")
    program = start("--token-file", "tokens")
    assert program.wait() == 1
    assert "tokens, line 1" in program.lines[-1]
