"""Redis and etcd servers of the tests' own, each with a folder for its data."""

from __future__ import annotations

import atexit
import os
import platform
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Self

import pytest

from .hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ENGINES",
    "Engine",
    "EtcdServer",
    "RedisServer",
    "free_port",
    "url_in_shared_engine",
]

# Below those that systems give to outgoing connections, one of which could take the
# port of a server while that is restarted.
_PORTS: Final = range(20_000, 32_000)
_ATTEMPTS: Final = 5


class Engine(ABC):
    """A server that keeps what name servers share, until the ``with`` block ends.

    Where its program is missing the calling test is skipped, except under ``CI``:
    there a test that cannot run is a failure.

    Attributes:
        port: where it listens, on 127.0.0.1.
    """

    program: ClassVar[str]
    package: ClassVar[str]

    def __init__(self) -> None:
        path = shutil.which(self.program)
        if path is None:
            reason = f"{self.program} is missing; install {self.package}"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        self._path = path
        self._folder = Path(tempfile.mkdtemp(prefix=f"{self.program}-"))
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._start_somewhere()
        except BaseException:
            self.__exit__()
            raise

    @staticmethod
    @abstractmethod
    def url_at(port: int, prefix: str) -> str:
        """Return the text of a storage in the engine at a port."""

    def url(self, prefix: str) -> str:
        """Return the text of a storage in it.

        Args:
            prefix: tells the storage from others in the same engine.
        """
        return self.url_at(self.port, prefix)

    @abstractmethod
    def arguments(self, folder: Path) -> Sequence[str]:
        """Return its command line."""

    @abstractmethod
    def answers(self) -> bool:
        """Tell whether it answers."""

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def start(self) -> None:
        """Start it again, where it was and with what it has written."""
        assert self._runs(), self._log.read_text(errors="replace")

    def kill(self) -> None:
        """Kill it, so that it has no time to write anything."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(DEADLINE)

    def _start_somewhere(self) -> None:
        for _ in range(_ATTEMPTS):
            self.port = free_port()
            if self._runs():
                return
        log = self._log.read_text(errors="replace")
        raise AssertionError(f"{self.program} does not start: {log}")

    def _runs(self) -> bool:
        with self._log.open("ab") as log:
            process = self._process = subprocess.Popen(
                [self._path, *self.arguments(self._folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=os.environ | _unsupported_machine(),
            )
        deadline = time.monotonic() + DEADLINE
        pause = threading.Event()
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if self.answers() and process.poll() is None:
                    return True
            except OSError:
                pass
            pause.wait(0.01)
        process.kill()
        process.wait(DEADLINE)
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.kill()
        shutil.rmtree(self._folder)


class RedisServer(Engine):
    """A Redis that forgets nothing that it has acknowledged.

    Args:
        durable: False if that does not matter, which makes it faster.
    """

    program = "redis-server"
    package = "the Debian package redis-server"

    def __init__(self, *, durable: bool = True) -> None:
        self._durable = durable
        super().__init__()

    @staticmethod
    def url_at(port: int, prefix: str) -> str:
        """Return the text of a storage in the engine at a port."""
        return f"redis://127.0.0.1:{port}/0?prefix={prefix}"

    def arguments(self, folder: Path) -> Sequence[str]:
        """Return its command line."""
        return (
            *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(folder)),
            *("--save", "", "--appendonly", "yes" if self._durable else "no"),
            *("--appendfsync", "always"),
        )

    def answers(self) -> bool:
        """Tell whether it answers, and not only that it still reads its data."""
        return self.ask("PING") == b"+PONG\r\n"

    def ask(self, command: str) -> bytes:
        """Return what it answers to a command."""
        with self.connect() as connection:
            connection.sendall(command.encode() + b"\r\n")
            return connection.recv(4096)

    def connect(self) -> socket.socket:
        """Return a connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), 1)


class EtcdServer(Engine):
    """An etcd of one member."""

    program = "etcd"
    package = "the Debian package etcd-server"

    @staticmethod
    def url_at(port: int, prefix: str) -> str:
        """Return the text of a storage in the engine at a port."""
        return f"etcd://127.0.0.1:{port}/{prefix}"

    def arguments(self, folder: Path) -> Sequence[str]:
        """Return its command line."""
        clients = f"http://127.0.0.1:{self.port}"
        # It needs one for other members, of which there is none.
        peers = "http://127.0.0.1:0"
        return (
            *("--data-dir", str(folder / "data"), "--log-level", "error"),
            *("--listen-client-urls", clients, "--advertise-client-urls", clients),
            *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers),
            *("--initial-cluster", f"default={peers}"),
            # It waits for others for so long before it elects itself.
            *("--heartbeat-interval", "10", "--election-timeout", "100"),
        )

    def answers(self) -> bool:
        """Tell whether it answers, and has elected itself."""
        url = f"http://127.0.0.1:{self.port}/health"
        with urllib.request.urlopen(url, timeout=1) as answer:
            return b'"true"' in answer.read()


ENGINES: Final[dict[str, type[Engine]]] = {"redis": RedisServer, "etcd": EtcdServer}
"""The engines, by what the text of a storage begins with."""


def url_in_shared_engine(kind: str, prefix: str) -> str:
    """Return the text of a storage in the engine that all tests of a process use.

    So do the processes that it starts: they are told by their environment.

    Args:
        kind: which one of `ENGINES`.
        prefix: tells the storage from those of other tests.
    """
    variable = f"TESTS_{kind.upper()}_PORT"
    if variable not in os.environ:
        engine = RedisServer(durable=False) if kind == "redis" else ENGINES[kind]()
        atexit.register(engine.__exit__)
        os.environ[variable] = str(engine.port)
    return ENGINES[kind].url_at(int(os.environ[variable]), prefix)


def free_port() -> int:
    """Return a port that a server can be restarted at."""
    candidates = random.SystemRandom().sample(_PORTS, 100)
    for port in candidates:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


def _unsupported_machine() -> dict[str, str]:
    """Return what etcd of Debian wants to be told where it is not well tested."""
    names = {"aarch64": "arm64", "arm64": "arm64"}
    machine = names.get(platform.machine())
    return {"ETCD_UNSUPPORTED_ARCH": machine} if machine else {}
