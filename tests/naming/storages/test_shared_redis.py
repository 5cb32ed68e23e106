"""How a Redis is found and what it wants to be told first."""

from __future__ import annotations

import ssl
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pyro_naming import Registration
from pyro_naming.storages import HistoryLostError
from pyro_naming.storages.redis import RedisStorage
from pyro_protocol.errors import NamingError
from support.certificates import make_certificate
from support.engines import RedisServer

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence
    from pathlib import Path

ONE = Registration("PYRO:one@h:1")


class GuardedRedis(RedisServer):
    """One that wants a password, and has a Unix socket too."""

    password = "p:a/s@s%"

    def arguments(self, folder: Path) -> Sequence[str]:
        self.path = folder / "socket"
        more = ("--requirepass", self.password, "--unixsocket", str(self.path))
        return (*super().arguments(folder), *more)

    def answers(self) -> bool:
        return self.ask("PING").startswith(b"-NOAUTH")


class Sentinel(RedisServer):
    """One that knows where the service ``names`` is."""

    def __init__(self, master: RedisServer) -> None:
        self._master = master
        super().__init__()

    def arguments(self, folder: Path) -> Sequence[str]:
        settings = folder / "sentinel.conf"
        master = f"names 127.0.0.1 {self._master.port} 1"
        settings.write_text(
            f"bind 127.0.0.1\nport {self.port}\ndir {folder}\n"
            f"sentinel monitor {master}\n"
        )
        return (str(settings), "--sentinel")


@pytest.fixture(scope="module")
def guarded() -> Iterator[GuardedRedis]:
    """A Redis with a password."""
    with GuardedRedis() as server:
        yield server


QUOTED = "p%3Aa%2Fs%40s%25"


def works(storage: RedisStorage) -> bool:
    with closing(storage):
        storage.put("name", ONE)
        return storage.find("n").keys() == {"name"}


def test_a_password_is_shown(guarded: GuardedRedis) -> None:
    assert works(RedisStorage(f"redis://:{QUOTED}@127.0.0.1:{guarded.port}/3"))
    # The default prefix is another one than that.
    url = f"redis://default:{QUOTED}@127.0.0.1:{guarded.port}/3?prefix=other"
    with closing(RedisStorage(url)) as storage:
        assert len(storage) == 0


@pytest.mark.parametrize("login", ["", ":wrong@", "somebody:wrong@"])
def test_a_wrong_password_is_told_at_once_and_not_repeated(
    guarded: GuardedRedis, login: str
) -> None:
    with pytest.raises(NamingError, match="refuses: ") as refused:
        RedisStorage(f"redis://{login}127.0.0.1:{guarded.port}")
    assert f"127.0.0.1:{guarded.port}" in str(refused.value)
    assert "wrong" not in str(refused.value).lower().replace("wrongpass", "")


def test_a_unix_socket_can_be_used(guarded: GuardedRedis) -> None:
    assert works(RedisStorage(f"redis+unix://:{QUOTED}@{guarded.path}?db=4"))


def test_sentinels_are_asked_where_the_service_is() -> None:
    with RedisServer() as master, Sentinel(master) as sentinel:
        hosts = f"127.0.0.1:1,127.0.0.1:{sentinel.port}"
        assert works(RedisStorage(f"redis://{hosts}/0?sentinel=names&prefix=p"))
        with closing(RedisStorage(master.url("p"))) as storage:
            assert list(storage.find()) == ["name"]


def test_tls_is_used(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "redis")

    class TlsRedis(RedisServer):
        def arguments(self, folder: Path) -> Sequence[str]:
            plain = list(super().arguments(folder))
            plain[plain.index("--port")] = "--tls-port"
            return (
                *plain,
                *("--port", "0", "--tls-auth-clients", "no"),
                *("--tls-cert-file", certificate.certificate),
                *("--tls-key-file", certificate.key),
                *("--tls-ca-cert-file", certificate.certificate),
            )

        def connect(self) -> socket.socket:
            context = ssl.create_default_context(cafile=certificate.certificate)
            return context.wrap_socket(super().connect(), server_hostname="localhost")

    with TlsRedis() as server:
        url = f"rediss://localhost:{server.port}/0?ssl_ca_certs="
        assert works(RedisStorage(url + certificate.certificate))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1",
        "redis://127.0.0.1:port",
        "redis://127.0.0.1?unheard_of=1",
        "redis://127.0.0.1:x?sentinel=names",
    ],
)
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        RedisStorage(url)


def test_positions_in_data_that_redis_has_lost_are_lost_history() -> None:
    with RedisServer() as server, closing(RedisStorage(server.url("p"))) as storage:
        storage.put("name", ONE)
        position = storage.position()
        assert server.ask("FLUSHALL") == b"+OK\r\n"
        with pytest.raises(HistoryLostError):
            storage.changes(position, wait=0)
        fresh = storage.position()
        with pytest.raises(HistoryLostError):
            storage.changes(position, wait=0)
        storage.put("name", ONE)
        assert [one.kind for one in storage.changes(fresh, wait=0)] == ["added"]
