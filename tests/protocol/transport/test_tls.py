from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from protocol.hosts import PATIENCE, Peer, RunningHost, new_config
from pyro_protocol import URI, Configuration, expose
from pyro_protocol.errors import CommunicationError
from pyro_protocol.transport import (
    AsyncChannel,
    AsyncioHost,
    BlockingChannel,
    client_tls_context,
    server_tls_context,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None,
    reason="the openssl command, which makes the certificates, is not installed",
)
PASSWORD = "sesame"
SHORT = 0.15


@dataclass(frozen=True)
class Identity:
    """A certificate, signed by itself, and its key."""

    certificate: str
    key: str


@expose
class Thing:
    def echo(self, value: Any) -> Any:
        return value


def make_identity(folder: Path, name: str, hosts: str, *options: str) -> Identity:
    made = Identity(str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:prime256v1", "-days", "2", "-subj", f"/CN={name}",
            "-addext", f"subjectAltName={hosts}",
            "-keyout", made.key, "-out", made.certificate,
            *(options or ("-nodes",)),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def server(folder: Path) -> Identity:
    return make_identity(folder, "server", "DNS:localhost,IP:127.0.0.1")


@pytest.fixture(scope="module")
def client(folder: Path) -> Identity:
    return make_identity(folder, "client", "DNS:client.example")


def tls_config(identity: Identity | None = None, **items: Any) -> Configuration:
    if identity is not None:
        items = {
            "SSL_SERVERCERT": identity.certificate,
            "SSL_SERVERKEY": identity.key,
            "SSL_CACERTS": identity.certificate,
        } | items
    return new_config(SSL=True, **items)


@pytest.fixture
def config(server: Identity) -> Configuration:
    return tls_config(server)


@pytest.fixture
def running(config: Configuration) -> Iterator[RunningHost]:
    with RunningHost({"thing": Thing()}, config=config) as running:
        yield running


def echo(uri: URI, config: Configuration, value: object = "hello") -> object:
    channel = BlockingChannel.connect(uri, config=config, timeout=PATIENCE)
    try:
        return channel.call("thing", "echo", (value,))
    finally:
        channel.close()


async def echo_async(
    uri: URI, config: Configuration, value: object = "hello"
) -> object:
    async with await AsyncChannel.connect(
        uri, config=config, timeout=PATIENCE
    ) as channel:
        return await channel.call("thing", "echo", (value,))


def failure(uri: URI, config: Configuration, *, blocking: bool) -> CommunicationError:
    def attempt() -> object:
        return echo(uri, config) if blocking else asyncio.run(echo_async(uri, config))

    with pytest.raises(CommunicationError) as error:
        attempt()
    return error.value


class TestContexts:
    def test_without_ssl_there_are_none(self) -> None:
        assert client_tls_context(new_config()) is None
        assert server_tls_context(new_config()) is None

    def test_a_client_always_checks_the_server(self) -> None:
        context = client_tls_context(tls_config())

        assert context is not None
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2

    def test_a_server_needs_a_certificate(self) -> None:
        with pytest.raises(ValueError, match="SSL_SERVERCERT"):
            server_tls_context(tls_config())

    @pytest.mark.parametrize(
        "item", ["SSL_SERVERCERT", "SSL_CACERTS", "SSL_CLIENTCERT"]
    )
    @needs_openssl
    def test_a_file_that_is_missing_is_an_oserror(
        self, server: Identity, item: str
    ) -> None:
        config = tls_config(server, **{item: "/no/such/file"})
        make = client_tls_context if item == "SSL_CLIENTCERT" else server_tls_context

        with pytest.raises(OSError, match=r"."):
            make(config)

    @needs_openssl
    def test_authorities_can_be_a_folder(self, server: Identity, folder: Path) -> None:
        assert (
            client_tls_context(tls_config(server, SSL_CACERTS=str(folder))) is not None
        )

    @needs_openssl
    def test_client_certificates_are_demanded_only_if_wanted(
        self, server: Identity
    ) -> None:
        modes = {}
        for wanted in (False, True):
            context = server_tls_context(
                tls_config(server, SSL_REQUIRECLIENTCERT=wanted)
            )
            assert context is not None
            modes[wanted] = context.verify_mode

        assert modes == {False: ssl.CERT_NONE, True: ssl.CERT_REQUIRED}

    @needs_openssl
    def test_a_key_can_have_a_password(self, folder: Path) -> None:
        locked = make_identity(
            folder, "locked", "DNS:x", "-passout", f"pass:{PASSWORD}"
        )

        assert server_tls_context(tls_config(locked, SSL_SERVERKEYPASSWD=PASSWORD))
        with pytest.raises(OSError, match=r"."):
            server_tls_context(tls_config(locked, SSL_SERVERKEYPASSWD="wrong"))


@needs_openssl
class TestConversations:
    def test_both_channels_talk_to_the_host(
        self, running: RunningHost, config: Configuration
    ) -> None:
        value = bytes(range(256)) * 8192

        assert echo(running.uri(), config, value) == value
        assert asyncio.run(echo_async(running.uri(), config, value)) == value

    def test_unix_sockets_can_be_encrypted(
        self, config: Configuration, tmp_path: Path
    ) -> None:
        path = str(tmp_path / "thing.sock")
        with RunningHost({"thing": Thing()}, config=config, unixsocket=path) as running:
            assert echo(running.uri(), config) == "hello"
            assert asyncio.run(echo_async(running.uri(), config)) == "hello"

    def test_the_client_can_look_at_the_servers_certificate(
        self, running: RunningHost, config: Configuration
    ) -> None:
        channel = BlockingChannel.connect(running.uri(), config=config)

        assert ("IP Address", "127.0.0.1") in channel.getpeercert()["subjectAltName"]
        channel.close()

    def test_the_hook_can_look_at_the_clients_certificate(
        self, server: Identity, client: Identity
    ) -> None:
        seen: list[Any] = []

        def hook(connection: Any, _value: object) -> str:
            seen.append(connection.getpeercert())
            return "hello"

        config = tls_config(
            server, SSL_REQUIRECLIENTCERT=True, SSL_CACERTS=client.certificate
        )
        ours = tls_config(
            SSL_CACERTS=server.certificate,
            SSL_CLIENTCERT=client.certificate,
            SSL_CLIENTKEY=client.key,
        )
        with RunningHost(
            {"thing": Thing()}, config=config, validate_handshake=hook
        ) as running:
            assert echo(running.uri(), ours) == "hello"

        assert seen[0]["subjectAltName"] == (("DNS", "client.example"),)

    @pytest.mark.parametrize("blocking", [True, False])
    def test_a_client_without_certificate_is_refused_where_one_is_demanded(
        self, server: Identity, blocking: bool
    ) -> None:
        config = tls_config(server, SSL_REQUIRECLIENTCERT=True)
        with RunningHost({"thing": Thing()}, config=config) as running:
            error = failure(running.uri(), config, blocking=blocking)

            assert error.outcome == "not_sent"

    @pytest.mark.parametrize("blocking", [True, False])
    def test_a_server_nobody_vouches_for_is_refused(
        self, running: RunningHost, blocking: bool
    ) -> None:
        error = failure(running.uri(), tls_config(), blocking=blocking)

        assert "CERTIFICATE_VERIFY_FAILED" in str(error)
        assert error.outcome == "not_sent"

    @pytest.mark.parametrize("blocking", [True, False])
    def test_a_server_of_another_name_is_refused(
        self, folder: Path, blocking: bool
    ) -> None:
        other = make_identity(folder, "other", "DNS:other.example")
        config = tls_config(other)
        with RunningHost({"thing": Thing()}, config=config) as running:
            error = failure(running.uri(), config, blocking=blocking)

        assert "not valid for '127.0.0.1'" in str(error)

    @pytest.mark.parametrize("blocking", [True, False])
    def test_a_server_that_is_not_encrypted_is_refused(
        self, config: Configuration, blocking: bool
    ) -> None:
        with RunningHost({"thing": Thing()}) as running:
            error = failure(running.uri(), config, blocking=blocking)

        assert "cannot connect" in str(error)

    @pytest.mark.parametrize("blocking", [True, False])
    def test_a_client_that_is_not_encrypted_is_refused(
        self, running: RunningHost, config: Configuration, blocking: bool
    ) -> None:
        failure(running.uri(), new_config(), blocking=blocking)

        assert echo(running.uri(), config) == "hello"

    def test_a_certificate_file_that_is_missing_leaves_no_connection(
        self, running: RunningHost, config: Configuration
    ) -> None:
        broken = config.copy()
        broken.SSL_CACERTS = "/no/such/file"

        for blocking in (True, False):
            failure(running.uri(), broken, blocking=blocking)

    def test_a_silent_client_keeps_nobody_waiting_and_is_dropped(
        self, server: Identity, config: Configuration
    ) -> None:
        hasty = tls_config(server, HANDSHAKE_TIMEOUT=1.0)
        with (
            RunningHost({"thing": Thing()}, config=hasty) as running,
            Peer.connect(running.uri()) as silent,
        ):
            assert echo(running.uri(), config) == "hello"

            assert silent.read_to_end() == b""

    def test_a_server_without_certificate_does_not_start(self) -> None:
        host = AsyncioHost(config=tls_config())

        with pytest.raises(ValueError, match="SSL_SERVERCERT"):
            asyncio.run(host.start())
        assert host.sock is None
