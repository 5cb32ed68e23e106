"""The pair of processes that measures one peer, seen from the command."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from peers.registry import PEERS
from sampling import Sample

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

__all__ = ["Pair", "PeerError", "Worker"]

_WORKER: Final = Path(__file__).with_name("worker.py")

_START_TIMEOUT: Final = 120.0
"""Seconds for a server to announce itself: an interpreter starts, all is busy."""

_SAMPLE_TIMEOUT: Final = 120.0
"""Seconds beyond those of the sample: connecting, warming up, the last transfer."""

_STOP_TIMEOUT: Final = 5.0
"""Seconds a process has to end by itself."""


class PeerError(Exception):
    """A peer could not be started or measured."""


class Pair:
    """The server and the client process of one peer; a context manager.

    Args:
        name: of the peer.
        interpreter: Python that has the peer's library.
        cpus: numbers of the processors that client and server stay on; None leaves
            it to the kernel.
        settings: of both, as environment variables, beside those of the peer.
        unix: whether the server listens at a Unix socket rather than for TCP.

    Attributes:
        address: what the server has announced.
        version: of the library.

    Raises:
        PeerError: a process ended, or did not announce itself in time.
    """

    def __init__(
        self,
        name: str,
        interpreter: Path,
        cpus: tuple[int, int] | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        unix: bool = False,
    ) -> None:
        self._settings = {**PEERS[name].settings, **(settings or {})}
        self._processes: list[Worker] = []
        self._folder = TemporaryDirectory(prefix="bench-") if unix else None
        on_client, on_server = map(str, cpus or ("any", "any"))
        path = [str(Path(self._folder.name) / "socket")] if self._folder else []
        try:
            self._server = self._start("server", name, interpreter, on_server, *path)
            announcement = self._server.receive(_START_TIMEOUT)
            self._client = self._start("client", name, interpreter, on_client)
        except BaseException:
            self.close()
            raise
        self.address: str = announcement["address"]
        self.version: str = announcement["version"]

    def _start(
        self, role: str, name: str, interpreter: Path, *arguments: str
    ) -> Worker:
        command = [str(interpreter), str(_WORKER), role, name, *arguments]
        worker = Worker(f"{role} of {name}", command, self._settings)
        self._processes.append(worker)
        return worker

    @property
    def client_process_id(self) -> int:
        """The number of the client's process."""
        return self._client.process_id

    @property
    def server_process_id(self) -> int:
        """The number of the server's process."""
        return self._server.process_id

    def sample(self, measure: str, seconds: float, size: int = 0) -> Sample:
        """Measure for some time.

        Args:
            measure: a key of ``MEASURES``.
            seconds: how long operations are started.
            size: bytes to move, if not the number that the measure says.

        Raises:
            PeerError: the library raised, a process ended, or nothing was heard.
        """
        self._client.send(
            {
                "measure": measure,
                "address": self.address,
                "server_process": self._server.process_id,
                "seconds": seconds,
                "size": size,
            }
        )
        return Sample(**self._client.receive(seconds + _SAMPLE_TIMEOUT))

    def hold_streams(self, count: int) -> None:
        """Have the client open a connection with so many streams, and keep it.

        Raises:
            PeerError: the library raised, a process ended, or nothing was heard.
        """
        self._client.send({"hold": count, "address": self.address})
        self._client.receive(_SAMPLE_TIMEOUT)

    def close(self) -> None:
        """End both processes, the client first."""
        for worker in reversed(self._processes):
            worker.close()
        if self._folder is not None:
            self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Worker:
    """A process that is spoken to in lines of JSON.

    Args:
        label: what it is, for messages.
        arguments: its command line.
        settings: environment variables beside those of this process.
    """

    def __init__(
        self, label: str, arguments: list[str], settings: Mapping[str, str]
    ) -> None:
        self._label = label
        # Settings of the person's shell must not change what is measured.
        environment = {
            variable: text
            for variable, text in os.environ.items()
            if not variable.startswith("PYRO_")
        }
        self._process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env={**environment, **settings},
            process_group=0,  # an interruption from the keyboard is the starter's
        )
        assert self._process.stdin
        assert self._process.stdout
        self._commands = self._process.stdin
        self._answers = self._process.stdout

    @property
    def process_id(self) -> int:
        """The number of the process."""
        return self._process.pid

    def send(self, command: dict[str, object]) -> None:
        """Send a command.

        Raises:
            PeerError: the process has ended.
        """
        try:
            self._commands.write(json.dumps(command) + "\n")
            self._commands.flush()
        except BrokenPipeError as error:
            raise PeerError(f"the {self._label} has ended") from error

    def receive(self, timeout: float) -> dict[str, Any]:
        """Return the next answer; there is at most one under way.

        Raises:
            PeerError: it tells of an error, or nothing comes in time.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._answers, selectors.EVENT_READ)
            if not selector.select(timeout):
                raise PeerError(f"the {self._label} was silent for {timeout:.0f} s")
        line = self._answers.readline()
        if not line:
            raise PeerError(f"the {self._label} has ended; see its output above")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerError(f"the {self._label} failed: {answer['error']}")
        return answer

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError):  # it has ended already
            self._commands.close()
        try:
            self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()
